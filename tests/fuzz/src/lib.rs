//! Fuzz targets: each takes a fuzzer's bytes, makes something of them that the code under test must
//! bear, and holds it to more than not panicking.
//!
//! The bytes are choices (see [`prng`]): nearly valid input is built from them, or
//! they are taken as they are. What is fuzzed comes in as an argument where it is a function, so
//! that `run` can show that a broken one is found. Inputs that ever failed, and
//! some that reach far, lie in `__fuzz__/` and are run first.
//!
//! `tests/fuzz.sh TARGET SECONDS` lets libFuzzer look for inputs that reach new code.
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
