//! Scheduler operations: waiting, ending (xen/include/public/sched.h).
//!
//! `poll` is the one place where an image waits, apart from HLT in [`crate::xen::events`].

use xen_sys::{
    __HYPERVISOR_sched_op, SCHEDOP_poll, SCHEDOP_shutdown, SHUTDOWN_crash, SHUTDOWN_poweroff,
    SHUTDOWN_reboot, SHUTDOWN_suspend, evtchn_port_t, sched_poll, sched_shutdown,
};

use super::event_channel::Port;
use super::{Errno, call, operation};
use crate::mem::cpu;

/// Most ports of one `SCHEDOP_poll`: Xen refuses more with EINVAL (xen/common/sched/core.c,
/// `do_poll`).
pub const POLL_PORTS_MAX: usize = 128;

// `Operation`:
// 1. bindgen's `repr(C)` integers and a pointer to ports.
// 2. Xen writes nothing. Through the pointer it reads, and refuses an address that is not mapped.
// 3. Waiting and ending change no memory. A suspension leaves RAM as it is; what it does to Xen's own
//    pages in the window is `image::resume`'s.
operation! {
    sched_poll: __HYPERVISOR_sched_op, SCHEDOP_poll, SchedPoll;
    sched_shutdown: __HYPERVISOR_sched_op, SCHEDOP_shutdown, SchedShutdown;
}

/// Why the domain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownReason {
    /// All done.
    PowerOff,
    /// All done, and the toolstack is to start the domain again (`on_reboot=`).
    Reboot,
    /// A bug of ours: the toolstack does what `on_crash=` says.
    Crash,
}

/// Ends this domain.
///
/// Where no hypercall can be made the processor is halted for good, which Xen takes for power-off
/// (xen/arch/x86/hvm/hvm.c, `hvm_hlt`). The other way out, a triple fault, is a reboot to Xen: the
/// toolstack would start the domain again and again, where it cannot come up.
pub fn shutdown(reason: ShutdownReason) -> ! {
    let reason = match reason {
        ShutdownReason::PowerOff => SHUTDOWN_poweroff,
        ShutdownReason::Reboot => SHUTDOWN_reboot,
        ShutdownReason::Crash => SHUTDOWN_crash,
    };
    // Does not return but where it fails.
    let _ = call(&mut sched_shutdown { reason });
    cpu::halt()
}

/// How a suspension ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suspended {
    /// This is a new domain with the old one's memory: nothing else of it is left.
    Restored,
    /// The toolstack let the same domain go on: nothing has changed but the time.
    Cancelled,
}

/// Suspends this domain, until the toolstack restores it or lets it go on. Xen itself returns 0;
/// libxl makes it 1 where it lets the domain go on, and for a domain that has no callback parameter
/// it cannot (tools/libs/guest/xg_resume.c, `modify_returncode`): see
/// [`crate::xen::events::advertise_shutdown`].
pub(crate) fn suspend() -> Result<Suspended, Errno> {
    let mut arg = sched_shutdown { reason: SHUTDOWN_suspend };
    let returned = call(&mut arg)?;
    Ok(if returned == 0 { Suspended::Restored } else { Suspended::Cancelled })
}

/// Waits until one of `ports` is pending or the system time is `until_ns`. At most
/// [`POLL_PORTS_MAX`] ports; returns at once when one is pending already.
pub(crate) fn poll(ports: &[Port], until_ns: u64) -> Result<(), Errno> {
    assert!(ports.len() <= POLL_PORTS_MAX);
    let mut numbers: [evtchn_port_t; POLL_PORTS_MAX] = [0; POLL_PORTS_MAX];
    for (number, port) in numbers.iter_mut().zip(ports) {
        *number = port.0;
    }
    // Xen only reads the numbers, through an address that it is given as such.
    let address = numbers.as_mut_ptr();
    let _ = address.expose_provenance();
    // Xen's time is signed: what lies behind its end means no limit, which is written as 0.
    let timeout = if until_ns > i64::MAX as u64 { 0 } else { until_ns };
    let mut arg = sched_poll { ports: address, nr_ports: ports.len() as u32, timeout };
    call(&mut arg).map(drop)
}
