//! Numbers that look random and follow from a seed, so that a course can be had again.

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value >> 32) as u32
    }

    /// A number below `bound`, which is small: the bias does not matter.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.word() as usize % bound.max(1)
    }
}
