//! Epochs: 128 random bits that identify one incarnation of an endpoint (docs/protocol.md §1). Only
//! the epoch distinguishes a stale message or page from a current one.

/// Identifies one incarnation of an endpoint. A new one is drawn when the endpoint starts or goes
/// down, and at no other time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(u128);

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

    /// The register form: 32 lower-case hexadecimal digits, most significant first.
    pub fn digits(self) -> [u8; EPOCH_DIGITS] {
        let mut digits = [b'0'; EPOCH_DIGITS];
        let mut rest = self.0;
        for digit in digits.iter_mut().rev() {
            // The index is below 16, the length of the table.
            *digit = b"0123456789abcdef"[(rest & 0xf) as usize];
            rest >>= 4;
        }
        digits
    }

    /// Parses the register form: exactly 32 lower-case hexadecimal digits. `None` for anything
    /// else.
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
}
