//! The testbed: real Xen, a Linux dom0 and the images, on any x86-64 Debian machine.
//!
//! A run goes through these in order: [`options`] and [`layout`]; [`packages`], [`dom0`] and
//! [`qemu`] build a machine; [`beds`] boots and caches it; [`images`] and [`job`] define the work;
//! [`play`] runs it; [`assemble`] evaluates the output with [`guest`], [`timeline`], [`leaks`] and
//! [`verdict`]; [`report`] and [`show`] print the result. [`session`] holds all of that together.
//! [`explore`] plays many such runs, each a [`course`] drawn from a seed and judged by the
//! [`referee`]; [`soak`] plays one long run; [`faults`] is the campaign of many scenarios. The
//! scripts that run in dom0 are in tests/dom0/, the same on the testbed and on a native dom0.
#![forbid(unsafe_code)]

pub mod assemble;
pub mod beds;
pub mod bench;
mod command;
pub mod conformance;
pub mod console;
pub mod course;
pub mod cpio;
pub mod dom0;
pub mod explore;
pub mod facts;
pub mod faults;
mod follow;
pub mod guest;
pub mod images;
pub mod job;
pub mod layout;
pub mod leaks;
pub mod options;
pub mod packages;
pub mod play;
pub mod progress;
pub mod qemu;
pub mod qmp;
pub mod recording;
pub mod referee;
pub mod report;
pub mod rows;
pub mod session;
pub mod show;
pub mod soak;
pub mod stats;
pub mod stop;
mod tally;
pub mod timeline;
pub mod trouble;
pub mod verdict;
