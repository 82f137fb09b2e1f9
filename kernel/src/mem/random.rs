//! Random numbers from the processor: RDRAND, or nothing.
//!
//! Epochs must be unique for all time, also between two domains started from one snapshot; a clock
//! or a counter is not good enough. An image without RDRAND refuses to start, and to go on after it
//! was restored; one whose RDRAND fails later ends.

use core::arch::x86_64::_rdrand64_step;

use crate::mem::cpu;

/// CPUID 1, ECX bit 30: RDRAND.
const FEATURE_RDRAND: u32 = 1 << 30;

/// How often RDRAND is asked for one number. Intel's guide takes ten failures in a row for broken
/// hardware; a busy host deserves a few more.
const TRIES_MAX: u32 = 32;

/// How often an epoch is drawn anew, where a number did not come or the two halves were equal. By
/// chance the latter happens once in 2^64 draws.
const EPOCH_TRIES_MAX: u32 = 8;

/// Why there is no random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RandomError {
    /// The processor does not offer RDRAND, or the administrator masked it.
    Absent,
    /// RDRAND failed every time.
    Exhausted,
    /// RDRAND gave the same number twice, as some processors did after a resume.
    Stuck,
}

impl RandomError {
    /// The word that is printed.
    pub const fn word(self) -> &'static str {
        match self {
            RandomError::Absent => "rdrand-absent",
            RandomError::Exhausted => "rdrand-exhausted",
            RandomError::Stuck => "rdrand-stuck",
        }
    }
}

/// Checks that there are random numbers. To be called in each life of the domain, before any is
/// drawn: a domain may be restored on another processor, and some gave the same number for ever after
/// a resume.
pub(crate) fn check() -> Result<(), RandomError> {
    if cpu::cpuid(1).ecx & FEATURE_RDRAND == 0 {
        return Err(RandomError::Absent);
    }
    differing_halves(rdrand).map(drop)
}

/// 64 random bits.
///
/// # Errors
/// [`RandomError::Exhausted`]: `check` has seen to it that RDRAND is there.
pub fn draw() -> Result<u64, RandomError> {
    number(rdrand)
}

/// 128 random bits, for an epoch. They are none that a stuck processor gives.
///
/// # Errors
/// [`RandomError::Exhausted`] or [`RandomError::Stuck`], after some tries: an epoch that may not be
/// unique must not be used.
pub(crate) fn draw_u128() -> Result<u128, RandomError> {
    epoch(rdrand)
}

/// RDRAND, once.
fn rdrand() -> Option<u64> {
    let mut value = 0;
    // SAFETY: the processor has RDRAND: this module is used in an image only, which boot and resume end
    // where CPUID does not name it (`check`), before anything draws.
    let drawn = unsafe { _rdrand64_step(&mut value) };
    (drawn == 1).then_some(value)
}

fn number(mut source: impl FnMut() -> Option<u64>) -> Result<u64, RandomError> {
    (0..TRIES_MAX).find_map(|_| source()).ok_or(RandomError::Exhausted)
}

fn differing_halves(mut source: impl FnMut() -> Option<u64>) -> Result<[u64; 2], RandomError> {
    let halves = [number(&mut source)?, number(source)?];
    if halves[0] == halves[1] { Err(RandomError::Stuck) } else { Ok(halves) }
}

fn epoch(mut source: impl FnMut() -> Option<u64>) -> Result<u128, RandomError> {
    let mut drawn = differing_halves(&mut source);
    for _ in 1..EPOCH_TRIES_MAX {
        if drawn.is_err() {
            drawn = differing_halves(&mut source);
        }
    }
    drawn.map(|[high, low]| (u128::from(high) << 64) | u128::from(low))
}

#[cfg(test)]
mod tests {
    use super::{EPOCH_TRIES_MAX, RandomError, TRIES_MAX, differing_halves, epoch};

    /// Gives these, and the last of them for ever.
    fn source(numbers: &[Option<u64>]) -> impl FnMut() -> Option<u64> {
        let mut left = numbers.iter();
        let mut last = None;
        move || {
            last = left.next().copied().unwrap_or(last);
            last
        }
    }

    #[test]
    fn an_epoch_is_two_numbers() {
        let drawn = epoch(source(&[Some(1), Some(2), Some(3)]));
        assert_eq!(drawn, Ok((1 << 64) | 2));
    }

    #[test]
    fn a_stuck_processor_gives_no_epoch() {
        for stuck in [0, 7, u64::MAX] {
            assert_eq!(epoch(source(&[Some(stuck)])), Err(RandomError::Stuck));
            assert_eq!(differing_halves(source(&[Some(stuck)])), Err(RandomError::Stuck));
        }
    }

    #[test]
    fn equal_halves_are_drawn_again() {
        assert_eq!(epoch(source(&[Some(5), Some(5), Some(5), Some(6)])), Ok((5 << 64) | 6));
    }

    #[test]
    fn a_busy_processor_is_asked_again_and_an_exhausted_one_named_after_bounded_tries() {
        let mut late = std::vec![None; TRIES_MAX as usize + 3];
        late.extend([Some(1), Some(2)]);
        assert_eq!(epoch(source(&late)), Ok((1 << 64) | 2));
        let mut asked = 0;
        let nothing = epoch(|| {
            asked += 1;
            None
        });
        assert_eq!(nothing, Err(RandomError::Exhausted));
        assert_eq!(asked, TRIES_MAX * EPOCH_TRIES_MAX);
    }
}
