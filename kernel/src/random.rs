//! Random numbers from the processor: RDRAND, or nothing.
//!
//! Epochs must be unique for all time, also between two domains started from one snapshot; a clock
//! or a counter is not good enough. An image without RDRAND refuses to start (boot checks).

use core::arch::x86_64::_rdrand64_step;

use crate::cpu;

/// CPUID 1, ECX bit 30: RDRAND.
const FEATURE_RDRAND: u32 = 1 << 30;

/// How often RDRAND is asked for one number. Intel's guide takes ten failures in a row for broken
/// hardware; a busy host deserves a few more.
const TRIES_MAX: u32 = 32;

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

/// Checks that there are random numbers.
pub(crate) fn check() -> Result<(), RandomError> {
    if cpu::cpuid(1).ecx & FEATURE_RDRAND == 0 {
        return Err(RandomError::Absent);
    }
    let (first, second) = (draw()?, draw()?);
    if first == second { Err(RandomError::Stuck) } else { Ok(()) }
}

/// 64 random bits.
///
/// # Errors
/// [`RandomError::Exhausted`]: boot has seen to it that RDRAND is there.
pub fn draw() -> Result<u64, RandomError> {
    let mut value = 0;
    for _ in 0..TRIES_MAX {
        // SAFETY: boot goes on only if CPUID names RDRAND, and nothing draws before (`check`).
        if unsafe { _rdrand64_step(&mut value) } == 1 {
            return Ok(value);
        }
    }
    Err(RandomError::Exhausted)
}

/// 128 random bits, for an epoch.
///
/// # Panics
/// If RDRAND fails while the image runs: an epoch that may not be unique must not be used, and a
/// dead image does less harm than one that crosses sessions.
pub fn draw_u128() -> u128 {
    match (draw(), draw()) {
        (Ok(high), Ok(low)) => (u128::from(high) << 64) | u128::from(low),
        (Err(error), _) | (_, Err(error)) => panic!("no epoch: {}", error.word()),
    }
}
