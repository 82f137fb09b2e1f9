//! Epochs: 128 random bits that name one life of an endpoint, for all time (docs/protocol.md §1). A
//! stale message is told from a fresh one by nothing else, so they come from an [`EpochSource`]
//! that the domain vouches for: RDRAND in an image, a counter in a checker.

/// One life of an endpoint. Drawn anew when an endpoint starts or goes down, and at no other time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(u128);

/// Where fresh epochs come from.
pub trait EpochSource {
    /// An epoch that nobody ever had and nobody will have.
    fn fresh_epoch(&mut self) -> Epoch;
}

/// Hexadecimal digits of an epoch in a register.
pub const EPOCH_DIGITS: usize = 32;

impl Epoch {
    /// The epoch with these bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The epoch from the 16 bytes that a page header holds (little-endian).
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }

    /// The 16 bytes for a page header (little-endian).
    pub const fn bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// The bits.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The 32 lower-case digits of the register's form, most significant first.
    pub fn digits(self) -> [u8; EPOCH_DIGITS] {
        let mut digits = [b'0'; EPOCH_DIGITS];
        let mut rest = self.0;
        for digit in digits.iter_mut().rev() {
            // A value below 16: the digit table has 16 entries, so it is always found.
            *digit = b"0123456789abcdef"[(rest & 0xf) as usize];
            rest >>= 4;
        }
        digits
    }

    /// Reads the register's form: exactly 32 lower-case hexadecimal digits; anything else is no
    /// epoch.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        if digits.len() != EPOCH_DIGITS {
            return None;
        }
        let mut bits: u128 = 0;
        for digit in digits {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            bits = (bits << 4) | u128::from(value);
        }
        Some(Self(bits))
    }

    /// A number below `bound` mixed from the epoch and `salt`: the jitter of the timers. Not a
    /// secret, and not good randomness; it only has to differ between two ends.
    pub fn jitter(self, salt: u32, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        let folded = (self.0 as u64) ^ ((self.0 >> 64) as u64) ^ u64::from(salt);
        // The finaliser of splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
        // generators", 2014).
        let mut mixed = folded.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[cfg(test)]
mod tests {
    use super::Epoch;

    #[test]
    fn digits_and_bytes_come_back_as_the_same_epoch() {
        for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210] {
            let epoch = Epoch::from_bits(bits);
            assert_eq!(Epoch::parse(&epoch.digits()), Some(epoch));
            assert_eq!(Epoch::from_bytes(epoch.bytes()), epoch);
        }
    }

    #[test]
    fn only_thirty_two_lower_case_digits_are_an_epoch() {
        assert_eq!(Epoch::parse(b""), None);
        assert_eq!(Epoch::parse(&[b'0'; 31]), None);
        assert_eq!(Epoch::parse(&[b'0'; 33]), None);
        assert_eq!(Epoch::parse(&[b'A'; 32]), None);
        assert_eq!(Epoch::parse(&[b'g'; 32]), None);
    }

    #[test]
    fn jitter_mixes_both_halves_and_the_salt_as_splitmix64_does() {
        // The generator's published outputs for the states 0 and 1.
        let mixed = |bits, salt| Epoch::from_bits(bits).jitter(salt, u64::MAX);
        assert_eq!(mixed(0, 0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mixed(1, 0), 0x910a_2dec_8902_5cc1);
        assert_eq!(mixed(1 << 64, 0), mixed(1, 0));
        assert_eq!(mixed(0, 1), mixed(1, 0));
        assert_eq!(mixed(3 << 64 | 1, 2), mixed(0, 0), "halves and salt cancel each other out");
    }

    #[test]
    fn jitter_stays_below_its_bound_and_differs_between_epochs() {
        let (one, two) = (Epoch::from_bits(1), Epoch::from_bits(2));
        assert!((0..100).all(|salt| one.jitter(salt, 10) < 10));
        assert!((0..8).any(|salt| one.jitter(salt, 1000) != two.jitter(salt, 1000)));
        assert_eq!(one.jitter(7, 0), 0);
    }
}
