//! The environment of the channel's tests: one xenstored, any number of domains, and a clock that
//! jumps. It is simpler than the simulator in `tests/`, with one kind of daemon and few faults, but
//! stricter: misuse of pages fails immediately.
//!
//! [`store`] is the daemon; [`xen`] provides grants, mappings and ports; [`world`] runs domains
//! with the shipped driver.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of it")]

pub mod ring;
pub mod store;
pub mod world;
pub mod xen;

pub use world::{Happened, World};

/// xorshift64* (Vigna, 2016).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }

    pub fn one_in(&mut self, odds: u64) -> bool {
        odds > 0 && self.below(odds) == 0
    }
}
