//! Helpers of the unit tests: a seeded random generator and an epoch counter. Both are
//! deterministic.

use crate::epoch::{Epoch, EpochSource};

/// xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        assert!(seed != 0, "zero is a fixed point");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }
}

/// Yields the epochs 1, 2, 3 and so on, which are easy to read in a failure.
pub(crate) struct Counter(pub(crate) u128);

impl EpochSource for Counter {
    fn fresh_epoch(&mut self) -> Epoch {
        self.0 += 1;
        Epoch::from_bits(self.0)
    }
}
