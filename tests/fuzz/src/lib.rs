//! Fuzz targets. Each turns a fuzzer's bytes into input that the code under test must handle, and
//! checks more than the absence of panics.
//!
//! The bytes are choices (see [`prng`]): nearly valid input is built from them, or they are used as
//! they are. Where the code under test is a function, it is an argument, so that `run` can show
//! that a broken one is found. Inputs that failed once, and some that reach far, are kept in
//! `__fuzz__/` and are run first.
//!
//! `tests/fuzz.sh TARGET SECONDS` lets libFuzzer search for inputs that reach new code.
#![forbid(unsafe_code)]

pub mod client;
pub mod connection;
pub mod message;
pub mod packets;
pub mod register;
pub mod ring;
#[cfg(test)]
mod run;
mod spoil;
pub mod world;
