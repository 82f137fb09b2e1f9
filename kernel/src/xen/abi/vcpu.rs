//! The vCPU's one-shot timer: xen/include/public/vcpu.h.
//!
//! It fires `VIRQ_TIMER` (xen.h), which wakes an image that waits in HLT.

use core::mem::{offset_of, size_of};

/// `VCPUOP_set_singleshot_timer`.
pub const SET_SINGLESHOT_TIMER: u32 = 8;

/// `struct vcpu_set_singleshot_timer`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct SetSingleshotTimer {
    /// Absolute system time, nanoseconds.
    pub timeout_abs_ns: u64,
    /// `VCPU_SSHOTTMR_*`; 0 fires at once when the time is past.
    pub flags: u32,
}
const _: () = assert!(size_of::<SetSingleshotTimer>() == 16);
const _: () = assert!(offset_of!(SetSingleshotTimer, flags) == 8);
