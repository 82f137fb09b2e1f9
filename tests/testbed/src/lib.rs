//! The testbed: real Xen, a Linux dom0 and the images, on any x86-64 Debian machine.
//!
//! Each module uses only those above it in this list:
//!
//! - [`base`]: errors, time limits, options, archives;
//! - [`output`]: what dom0 and the guests of a run printed;
//! - [`machine`]: builds, boots and caches a machine, and plays a job on it;
//! - [`evaluation`]: from what was printed to checks, figures, leaks and a verdict;
//! - [`tables`]: reports for people;
//! - [`runs`]: a single run, the fault campaign, random courses and the soak.
//!
//! The scripts that run in dom0 are in tests/dom0/, the same on the testbed and on a native dom0.
#![forbid(unsafe_code)]

pub mod base;
pub mod evaluation;
pub mod machine;
pub mod output;
pub mod runs;
pub mod tables;
