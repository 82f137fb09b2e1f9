//! The test bed: real Xen, a Linux dom0 and the images, on any x86-64 Debian machine.
//!
//! A run goes through these in order: [`options`] and [`layout`]; [`packages`], [`dom0`] and
//! [`qemu`] make a machine; [`beds`] boots and keeps it; [`images`] and [`job`] say what to do;
//! [`play`] does it; [`assemble`] makes [`guest`], [`timeline`], [`leaks`] and [`verdict`] of what it
//! left, [`report`] and [`show`] say it. [`session`] holds all that together.
//! [`explore`] plays many such runs, each a [`course`] drawn from a seed and judged by the [`referee`];
//! [`soak`] plays one that takes long; [`faults`] is the campaign of many scenarios.
//! What happens in dom0 is in tests/dom0/, the same on the bed and on a host that is a dom0.
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
