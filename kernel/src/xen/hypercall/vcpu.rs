//! The one-shot timer of this processor.
//!
//! Layouts and numbers in [`crate::xen::abi::vcpu`]. Used only by waits for more ports than SCHEDOP_poll
//! takes; a poll has a time limit of its own.

use xen_sys::__HYPERVISOR_vcpu_op;

use super::{Counted, Errno, count, require_page};
use crate::xen::abi::vcpu::{SET_SINGLESHOT_TIMER, SetSingleshotTimer};

/// Raises `VIRQ_TIMER` at an absolute system time in nanoseconds, at once if it is past.
pub(crate) fn set_singleshot_timer(at_ns: u64) -> Result<(), Errno> {
    // Xen's time is signed; its end is three centuries away.
    let timeout_abs_ns = at_ns.min(i64::MAX as u64);
    let mut arg = SetSingleshotTimer { timeout_abs_ns, flags: 0 };
    count(Counted::VcpuTimer);
    require_page()?;
    let address = (&raw mut arg).expose_provenance() as u64;
    // SAFETY: 1 and 3 as in `super::call`.
    // 2. This operation takes the processor's number, and then the address of its structure: integers
    //    whose layout is asserted in `abi`. Xen reads them and changes no memory.
    let result = unsafe {
        xen_sys::hypercall_3(__HYPERVISOR_vcpu_op, u64::from(SET_SINGLESHOT_TIMER), 0, address)
    };
    Errno::check(result).map(drop)
}
