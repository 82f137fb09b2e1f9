//! Measures what the shipped pair does, and what it is made of: two of these, `role=first` the front.
#![no_std]
#![no_main]

kernel::entry!(kernel::bench::run);
