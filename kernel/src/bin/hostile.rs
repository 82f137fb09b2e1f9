//! Plays a frontend (`role=first`) or a backend (`role=second`) up to a point and then lies: puts the
//! shipped image on the other side to the test.
#![no_std]
#![no_main]

kernel::entry!(kernel::hostile::run);
