//! The processor: CPUID, time-stamp counter, physical address width.
//!
//! Everything that asks the hardware a question without changing it; the answers are plain values.

use core::arch::x86_64::{__cpuid, __get_cpuid_max, _rdtsc, CpuidResult};

/// CPUID 0x80000001, EDX bit 20: the no-execute bit.
const FEATURE_NO_EXECUTE: u32 = 1 << 20;

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
