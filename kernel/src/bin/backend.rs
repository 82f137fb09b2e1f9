//! Placeholder.
#![no_std]
#![no_main]

use kernel::{Machine, Verdict};

kernel::entry!(main);

fn main(_machine: Machine) -> Verdict {
    Verdict::success("nothing to do yet")
}
