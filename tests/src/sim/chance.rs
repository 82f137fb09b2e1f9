//! The one source of every choice that a simulated world makes: a seed, or a fuzzer's bytes.
//!
//! Streams are split by purpose, so that taking one fault away from a failing run leaves the
//! traffic of that run alone: that is what makes a trace small when it is minimised.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Parts in a million, the unit of every probability here.
pub const PPM: u32 = 1_000_000;

/// Where choices come from.
#[derive(Clone, Debug)]
enum Source {
    /// A stream cipher: the same seed gives the same choices on any machine and for ever.
    Seeded(Box<ChaCha8Rng>),
    /// A fuzzer's input; after its end every choice is zero.
    Bytes { bytes: Vec<u8>, at: usize },
}

/// A stream of choices.
#[derive(Clone, Debug)]
pub struct Chance {
    source: Source,
}

impl Chance {
    /// The stream number `stream` of a seed. Streams of one seed are independent.
    pub fn seeded(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Chance { source: Source::Seeded(Box::new(rng)) }
    }

    /// Choices taken from bytes, one after the other; all zero once they are used up.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Chance { source: Source::Bytes { bytes: bytes.to_vec(), at: 0 } }
    }

    /// The next 32 bits.
    pub fn word(&mut self) -> u32 {
        match &mut self.source {
            Source::Seeded(rng) => rng.next_u32(),
            Source::Bytes { bytes, at } => {
                let mut word = [0; 4];
                for byte in &mut word {
                    *byte = bytes.get(*at).copied().unwrap_or(0);
                    *at += 1;
                }
                u32::from_le_bytes(word)
            }
        }
    }

    /// A number below `limit`, which is not zero. The bias of the multiplication is below 2^-32
    /// times `limit`, which no test here can see.
    pub fn below(&mut self, limit: u32) -> u32 {
        assert!(limit > 0, "a choice among nothing");
        ((u64::from(self.word()) * u64::from(limit)) >> 32) as u32
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "an empty range");
        let span = high - low;
        if span < u64::from(u32::MAX) {
            return low + u64::from(self.below(span as u32 + 1));
        }
        let wide = (u128::from(self.word()) << 32 | u128::from(self.word())) * u128::from(span);
        low + (wide >> 64) as u64
    }

    /// True in `ppm` cases of a million.
    pub fn happens(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.below(PPM) < ppm
    }

    /// One of the items, each as likely as the other.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u32) as usize]
    }

    /// 128 bits.
    pub fn wide(&mut self) -> u128 {
        (0..4).fold(0, |sum, _| sum << 32 | u128::from(self.word()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_stream_give_the_same_choices() {
        let draw = |seed, stream| {
            let mut chance = Chance::seeded(seed, stream);
            [chance.word(), chance.below(10), chance.between(5, 9) as u32]
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(2, 0));
    }

    #[test]
    fn ranges_include_both_ends_and_nothing_else() {
        let mut chance = Chance::seeded(7, 0);
        let mut seen = [false; 3];
        for _ in 0..200 {
            seen[chance.between(10, 12) as usize - 10] = true;
        }
        assert_eq!(seen, [true; 3]);
        let wide = chance.between(0, u64::MAX - 1);
        assert!(wide < u64::MAX);
    }

    #[test]
    fn a_fuzzers_bytes_end_in_zeroes() {
        let mut chance = Chance::from_bytes(&[1, 0, 0, 0, 2]);
        assert_eq!(chance.word(), 1);
        assert_eq!(chance.word(), 2);
        assert_eq!(chance.word(), 0);
    }
}
