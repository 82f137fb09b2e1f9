//! The frontend: connects, sends its bytes and gets them back transformed, disconnects; as often as
//! its command line says.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod cycles;

use channel::{Instant, Role};
use cycles::Cycles;
use kernel::links::{Event, Links, OpenError};
use kernel::{ExitStatus, Machine, selftest};

kernel::entry!(main);

fn main(machine: Machine) -> ExitStatus {
    run(machine).unwrap_or_else(ExitStatus::error)
}

fn run(mut machine: Machine) -> Result<ExitStatus, OpenError> {
    if let Some(status) = selftest::run(&mut machine) {
        return Ok(status);
    }
    let Machine { options, store, grants, .. } = machine;
    let mut links = Links::open(store, grants, &options)?;
    links.add_all(&options, Role::Front)?;
    let mut cycles = Cycles::new(&options, links.driver());
    let mut until = Instant::START;
    loop {
        let is_ended = match links.next_event(until) {
            Event::Link(link, event) => {
                cycles.handle_event(link, &event);
                continue;
            }
            Event::Turn => false,
            Event::End => true,
            Event::Lost(lost) => return Ok(ExitStatus::error(lost)),
        };
        cycles.ask(&mut links);
        if let Some(status) = cycles.status(is_ended) {
            cycles.print_counts(links.driver());
            return Ok(links.finish(status));
        }
        until = cycles.pump(links.platform());
    }
}
