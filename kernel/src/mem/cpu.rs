//! The processor: CPUID, time-stamp counter, and the end.

use core::arch::x86_64::{__cpuid, _rdtsc, CpuidResult};

use x86_64::instructions::{hlt, interrupts};

/// A CPUID leaf that every processor has, or one of the hypervisor's (0x4000_0000), which no maximum
/// announces. Each costs an exit.
pub(crate) fn cpuid(leaf: u32) -> CpuidResult {
    __cpuid(leaf)
}

/// The time-stamp counter.
pub(crate) fn time_stamp() -> u64 {
    // SAFETY: RDTSC reads a counter; every x86-64 processor has it and CR4.TSD is clear.
    unsafe { _rdtsc() }
}

/// Stops for good. Interrupts are off (they are on within a wait's HLT only), so that nothing but an
/// NMI ends a HLT. Xen powers a domain off whose only processor does that.
pub(crate) fn halt() -> ! {
    loop {
        interrupts::disable();
        hlt();
    }
}
