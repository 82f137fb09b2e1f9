//! The processor: CPUID, time-stamp counter, physical address width.
//!
//! Everything that asks the hardware a question without changing it; the answers are plain values.

use core::arch::x86_64::{__cpuid, __get_cpuid_max, _rdtsc, CpuidResult};

/// A CPUID leaf that every processor has, or one of the hypervisor's (0x4000_0000), which no maximum
/// announces. Each costs an exit.
pub(crate) fn cpuid(leaf: u32) -> CpuidResult {
    __cpuid(leaf)
}

/// Physical address bits; 36 where the processor does not say.
pub(crate) fn physical_address_bits() -> u32 {
    const LEAF: u32 = 0x8000_0008;
    let (max, _) = __get_cpuid_max(0x8000_0000);
    match if max < LEAF { 0 } else { __cpuid(LEAF).eax & 0xff } {
        0 => 36,
        bits => bits,
    }
}

/// The time-stamp counter.
pub(crate) fn time_stamp() -> u64 {
    // SAFETY: RDTSC reads a counter; every x86-64 processor has it and CR4.TSD is clear.
    unsafe { _rdtsc() }
}
