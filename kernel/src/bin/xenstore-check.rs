//! Puts the xenstore daemon and the crate xenbus to the test: one line a case.
#![no_std]
#![no_main]

kernel::entry!(kernel::check::run);
