//! The frontend: for now it runs the self-tests and ends.
#![no_std]
#![no_main]

use kernel::{Machine, Verdict, selftest};

kernel::entry!(main);

fn main(mut machine: Machine) -> Verdict {
    match selftest::run(&mut machine) {
        Some(verdict) => verdict,
        None => Verdict::success("nothing else to do yet"),
    }
}
