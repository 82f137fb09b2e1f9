//! The source of fresh epochs, and the timer jitter derived from an epoch.

pub use grant::{EPOCH_DIGITS, Epoch};

/// A source of fresh epochs: RDRAND in an image, a counter in a checker.
pub trait EpochSource {
    /// Returns an epoch that is never used twice by any endpoint.
    fn fresh_epoch(&mut self) -> Epoch;
}

/// Derives a timer jitter below `bound` from an epoch and `salt`. It need not be unpredictable; it
/// only has to differ between the two sides.
pub(crate) fn jitter(epoch: Epoch, salt: u32, bound: u64) -> u64 {
    if bound == 0 {
        return 0;
    }
    let bits = epoch.bits();
    let folded = (bits as u64) ^ ((bits >> 64) as u64) ^ u64::from(salt);
    // The finaliser of splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
    // generators", 2014).
    let mut mixed = folded.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % bound
}

#[cfg(test)]
mod tests {
    use super::Epoch;
    use super::jitter;

    #[test]
    fn jitter_mixes_both_halves_and_the_salt_as_splitmix64_does() {
        // The generator's published outputs for the states 0 and 1.
        let mixed = |bits, salt| jitter(Epoch::from_bits(bits), salt, u64::MAX);
        assert_eq!(mixed(0, 0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mixed(1, 0), 0x910a_2dec_8902_5cc1);
        assert_eq!(mixed(1 << 64, 0), mixed(1, 0));
        assert_eq!(mixed(0, 1), mixed(1, 0));
        assert_eq!(mixed(3 << 64 | 1, 2), mixed(0, 0), "halves and salt cancel each other out");
    }

    #[test]
    fn jitter_stays_below_its_bound_and_differs_between_epochs() {
        let (one, two) = (Epoch::from_bits(1), Epoch::from_bits(2));
        assert!((0..100).all(|salt| jitter(one, salt, 10) < 10));
        assert!((0..8).any(|salt| jitter(one, salt, 1000) != jitter(two, salt, 1000)));
        assert_eq!(jitter(one, 7, 0), 0);
    }
}
