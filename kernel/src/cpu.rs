//! The processor: CPUID, time-stamp counter, random numbers, physical address width.
//!
//! Everything that asks the hardware a question without changing it; the answers are plain values.

use core::arch::x86_64::{__cpuid, __get_cpuid_max, _rdrand64_step, _rdtsc, CpuidResult};

/// CPUID 1, ECX bit 30: RDRAND.
const FEATURE_RDRAND: u32 = 1 << 30;
/// CPUID 0x80000001, EDX bit 20: the no-execute bit.
const FEATURE_NO_EXECUTE: u32 = 1 << 20;

/// How often RDRAND is asked for one number. Intel's guide says that ten failures in a row mean
/// broken hardware; a hypervisor under load deserves a few more.
const RDRAND_TRIES_MAX: u32 = 32;

/// The CPUID leaf, or zeroes where the processor has no such leaf.
pub(crate) fn cpuid(leaf: u32) -> CpuidResult {
    let (max, _) = __get_cpuid_max(leaf & 0x8000_0000);
    // The hypervisor's leaves (0x4000_0000) are not announced by the basic maximum.
    if leaf > max && leaf & 0x4000_0000 == 0 {
        return CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 };
    }
    __cpuid(leaf)
}

/// Does the processor know the no-execute bit?
pub(crate) fn has_no_execute() -> bool {
    cpuid(0x8000_0001).edx & FEATURE_NO_EXECUTE != 0
}

/// Physical address bits; 36 where the processor does not say.
pub(crate) fn physical_address_bits() -> u32 {
    match cpuid(0x8000_0008).eax & 0xff {
        0 => 36,
        bits => bits,
    }
}

/// The time-stamp counter.
pub(crate) fn time_stamp() -> u64 {
    // SAFETY: RDTSC reads a counter; every x86-64 processor has it and CR4.TSD is clear.
    unsafe { _rdtsc() }
}

/// Why there is no random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RandomError {
    /// The processor does not offer RDRAND (or the administrator masked it).
    Absent,
    /// RDRAND failed [`RDRAND_TRIES_MAX`](self) times in a row.
    Exhausted,
}

impl core::fmt::Display for RandomError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            RandomError::Absent => "rdrand-absent",
            RandomError::Exhausted => "rdrand-exhausted",
        })
    }
}

/// Can this processor make random numbers at all?
pub(crate) fn has_random() -> bool {
    cpuid(1).ecx & FEATURE_RDRAND != 0
}

/// 64 random bits. Only to be called where [`has_random`] said yes; boot refuses to go on else.
pub(crate) fn random() -> Result<u64, RandomError> {
    let mut value = 0;
    for _ in 0..RDRAND_TRIES_MAX {
        // SAFETY: boot went on only because CPUID names RDRAND.
        if unsafe { _rdrand64_step(&mut value) } == 1 {
            return Ok(value);
        }
    }
    Err(RandomError::Exhausted)
}
