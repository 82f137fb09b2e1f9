//! The only source of choices in a simulated world: a seed, or a fuzzer's bytes.
//!
//! Streams are split by purpose, so removing one fault from a failing run does not change the
//! traffic of that run. That keeps a minimised trace small.
#![forbid(unsafe_code)]

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Parts in a million, the unit of every probability here.
pub const PPM: u32 = 1_000_000;

/// Where choices come from.
#[derive(Clone, Debug)]
enum Source {
    /// A stream cipher: the same seed gives the same choices on any machine and for ever.
    Seeded(Box<ChaCha8Rng>),
    /// A fuzzer's input: one byte is one choice.
    Bytes { bytes: Vec<u8>, at: usize, then: Option<Box<ChaCha8Rng>> },
}

/// What decides everything in a world.
#[derive(Clone, Copy, Debug)]
pub enum Choices<'a> {
    /// A seed.
    Seed(u64),
    /// A fuzzer's bytes: chapters for the first streams, the rest for the last one. What they leave
    /// open is as in the world of seed 0, so that a short input is a whole world too.
    Bytes(&'a [u8]),
}

/// The streams of a world, each with a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// What is decided before anything happens.
    Params = 0,
    /// Latencies and orders.
    Timing = 1,
    /// What users do.
    Users = 2,
    /// Epochs. They never come from a fuzzer: no input may make two of them equal, because the
    /// protocol does not promise anything then.
    Epochs = 3,
    /// What goes wrong.
    Faults = 4,
}

/// Bytes of a fuzzer's input for the parameters: as many as they have choices, about.
const PARAMS_BYTES: usize = 48;
/// Bytes for the faults: a few hundred choices are more faults than most worlds have.
const FAULTS_BYTES: usize = 256;
/// Bytes for the users.
const USERS_BYTES: usize = 128;

impl Choices<'_> {
    /// The choices of one purpose.
    pub fn stream(self, stream: Stream) -> Prng {
        let input = match self {
            Choices::Seed(seed) => return Prng::seeded(seed, stream as u64),
            Choices::Bytes(input) => input,
        };
        let (params, rest) = input.split_at(input.len().min(PARAMS_BYTES));
        let (faults, rest) = rest.split_at(rest.len().min(FAULTS_BYTES));
        let (users, timing) = rest.split_at(rest.len().min(USERS_BYTES));
        let bytes = match stream {
            Stream::Params => params,
            Stream::Faults => faults,
            Stream::Users => users,
            Stream::Timing => timing,
            Stream::Epochs => &[],
        };
        let then = Some(Box::new(cipher(0, stream as u64)));
        Prng { source: Source::Bytes { bytes: bytes.to_vec(), at: 0, then } }
    }
}

fn cipher(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// A stream of choices.
#[derive(Clone, Debug)]
pub struct Prng {
    source: Source,
}

impl Prng {
    /// The stream number `stream` of a seed. Streams of one seed are independent.
    pub fn seeded(seed: u64, stream: u64) -> Self {
        Prng { source: Source::Seeded(Box::new(cipher(seed, stream))) }
    }

    /// Choices taken from bytes, one after the other; all zero once they are used up.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Prng { source: Source::Bytes { bytes: bytes.to_vec(), at: 0, then: None } }
    }

    /// Whether a fuzzer's bytes are used up; a seed's choices never are.
    pub fn is_used_up(&self) -> bool {
        match &self.source {
            Source::Seeded(_) => false,
            Source::Bytes { bytes, at, .. } => *at >= bytes.len(),
        }
    }

    /// The next 32 bits.
    pub fn word(&mut self) -> u32 {
        match &mut self.source {
            Source::Seeded(rng) => rng.next_u32(),
            Source::Bytes { bytes, at, then } => {
                let byte = bytes.get(*at).copied();
                *at += 1;
                match (byte, then) {
                    // One byte is enough for nearly every choice; repeated, it reaches all ranges.
                    (Some(byte), _) => u32::from_ne_bytes([byte; 4]),
                    (None, Some(rng)) => rng.next_u32(),
                    (None, None) => 0,
                }
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
            let mut prng = Prng::seeded(seed, stream);
            [prng.word(), prng.below(10), prng.between(5, 9) as u32]
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(2, 0));
    }

    #[test]
    fn ranges_include_both_ends_and_nothing_else() {
        let mut prng = Prng::seeded(7, 0);
        let mut seen = [false; 3];
        for _ in 0..200 {
            seen[prng.between(10, 12) as usize - 10] = true;
        }
        assert_eq!(seen, [true; 3]);
        let wide = prng.between(0, u64::MAX - 1);
        assert!(wide < u64::MAX);
    }

    #[test]
    fn a_fuzzers_byte_is_a_choice_and_their_end_is_zeroes() {
        let mut prng = Prng::from_bytes(&[1, 255]);
        assert_eq!(prng.word(), 0x0101_0101);
        assert!(!prng.is_used_up());
        assert_eq!(prng.below(10), 9);
        assert!(prng.is_used_up());
        assert_eq!(prng.word(), 0);
    }

    #[test]
    fn an_empty_input_is_the_world_of_seed_0() {
        for stream in [Stream::Params, Stream::Timing, Stream::Epochs, Stream::Faults] {
            let (mut input, mut seed) =
                (Choices::Bytes(&[]).stream(stream), Choices::Seed(0).stream(stream));
            assert_eq!([0; 9].map(|_| input.word()), [0; 9].map(|_| seed.word()));
        }
    }

    #[test]
    fn every_chapter_of_an_input_reaches_its_own_stream() {
        let input: Vec<u8> = (0..500).map(|at| (at / 2) as u8).collect();
        let first = |stream| Choices::Bytes(&input).stream(stream).word() as u8;
        assert_eq!(first(Stream::Params), 0);
        assert_eq!(first(Stream::Faults), 24);
        assert_eq!(first(Stream::Users), 152);
        assert_eq!(first(Stream::Timing), 216);
        let epoch = Choices::Bytes(&input).stream(Stream::Epochs).wide();
        assert_eq!(epoch, Choices::Seed(0).stream(Stream::Epochs).wide());
    }
}
