//! Lends this domain's connection to the xenstore daemon to a program in dom0.
#![no_std]
#![no_main]

kernel::entry!(kernel::relay::run);
