//! The image `bench`: measures the channel, the connection and what they are made of, between two
//! domains that run it. `role=first` is the front, `role=second` the back, both with one link;
//! `role=alone` measures what takes no other domain, and ends.
//!
//! What is measured is the shipped code: the driver, the platform and the job loop of the frontend
//! and the backend. Only what is done with a connection differs, and that nothing is printed until
//! the end: a line would wake dom0's console daemon in the middle. With `cycles=N` the front
//! connects and disconnects so many times; with `cycles=0` it connects once and tries the
//! connection out (`lab`); with `kind=idle` it never connects. A back with several links lets the
//! first of them be measured, by one front after the other, and the others be there.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod alone;
mod back;
mod front;
mod histogram;
mod idle;
mod job;
mod lab;
mod marks;
mod order;
mod wire;

use alloc::string::String;

use channel::Role;

use kernel::links::{Links, OpenError};
use kernel::{ExitStatus, Machine, clock, events, selftest, trace};

use back::Back;
use front::Front;
use histogram::Histogram;
use idle::Idle;

/// `kind=`: the front is up and never connects.
const IDLE: &str = "idle";
/// `kind=`: the front says where its stages begin, for whoever traces its exits.
const TRACED: &str = "traced";

/// READs that are timed before the driver begins: the unit of all other figures, one RT.
const READS: u32 = 500;
/// How long dom0 is left to come to rest after it created this domain.
const REST_NS: u64 = 3_000_000_000;
/// A node that every domain has and may read, with a value of some bytes.
const NODE: &str = "domid";

kernel::entry!(main, ["role", "kind"]);

fn main(machine: Machine) -> ExitStatus {
    run(machine).unwrap_or_else(ExitStatus::error)
}

fn run(mut machine: Machine) -> Result<ExitStatus, OpenError> {
    let part = String::from(machine.options.own("role").unwrap_or("alone"));
    let is_idle = machine.options.own("kind") == Some(IDLE);
    let mut reads = Histogram::new("read");
    let role = match part.as_str() {
        "first" => Role::Front,
        "second" => Role::Back,
        "alone" => {
            sleep_until(clock::now_ns() + REST_NS);
            alone::measure();
            return Ok(ExitStatus::success("measured alone"));
        }
        _ => return Ok(ExitStatus::error(format_args!("malformed option role={part}"))),
    };
    if role == Role::Front && !is_idle {
        if let Err(error) = read(&mut machine, &mut reads) {
            return Ok(ExitStatus::failure(error));
        }
        if machine.options.cycles == 0 {
            alone::measure();
        }
    }
    if let Some(status) = selftest::run(&mut machine) {
        return Ok(status);
    }
    let Machine { options, store, grants, .. } = machine;
    let mut links = Links::open_observed(store, grants, &options, marks::note)?;
    links.add_all(&options, role)?;
    Ok(match role {
        Role::Front if is_idle => job::run(Idle, &mut links),
        Role::Front => job::run(Front::new(&options, links.driver(), reads), &mut links),
        Role::Back => job::run(Back::new(&options, links.driver()), &mut links),
    })
}

/// (a) Bare READs, one after the other.
fn read(machine: &mut Machine, reads: &mut Histogram) -> Result<(), xenbus::blocking::StoreError> {
    sleep_until(clock::now_ns() + REST_NS);
    let mut room = [0; 16];
    for _ in 0..READS {
        let start = clock::now_ns();
        machine.store.blocking().read(NODE, &mut room)?;
        reads.record(clock::now_ns() - start);
    }
    trace!("read n={READS}");
    Ok(())
}

fn sleep_until(ns: u64) {
    while clock::now_ns() < ns {
        events::wait(&[], ns);
    }
}
