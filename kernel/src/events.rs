//! Event channels as an image sees them: pending bits, and waiting for them with a deadline.
//!
//! Ports are never handled in the upcall: whoever waits clears a port's pending bit *before* it
//! looks at what the port announces, so that a notification in between is seen by the next wait.
//! Up to 128 ports are waited for by SCHEDOP_poll with everything masked; more than that by HLT,
//! with an upcall vector and the one-shot timer.

use core::sync::atomic::{AtomicU32, Ordering};

use spin::Mutex;
use x86_64::instructions::interrupts;

use crate::abi::hvm::{CALLBACK_IRQ, CALLBACK_TYPE_SHIFT, CALLBACK_TYPE_VECTOR};
use crate::hypercall::event_channel::{self, Port};
use crate::hypercall::{Errno, hvm, sched, vcpu};
use crate::{clock, console, shared_info};

/// The vector of the upcall: any that is not an exception will do.
pub(crate) const UPCALL_VECTOR: u8 = 0x20;

static WAKE_UPS_USEFUL: AtomicU32 = AtomicU32::new(0);
static WAKE_UPS_EMPTY: AtomicU32 = AtomicU32::new(0);

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// At least one of the ports is pending.
    Pending,
    /// The deadline is past.
    Deadline,
}

/// Clears a port's pending bit; was it set? To be called before looking at what the port announces.
pub fn take_pending(port: Port) -> bool {
    shared_info::take_pending(port.0)
}

/// Waits until one of `ports` is pending or the clock shows `deadline_ns`, whichever is first. The
/// console daemon is rung first if it has something to read.
pub fn wait(ports: &[Port], deadline_ns: u64) -> Woken {
    if any_pending(ports) {
        return count(Woken::Pending);
    }
    console::flush();
    // A wait may end early (another port, or the raw clock ahead of the clamped one): look, wait
    // again. Each turn blocks, so this is no busy loop.
    loop {
        if clock::now_ns() >= deadline_ns {
            return count(Woken::Deadline);
        }
        if ports.len() <= sched::POLL_PORTS_MAX {
            let outcome = sched::poll(ports, clock::system_ns(deadline_ns));
            assert!(outcome.is_ok(), "SCHEDOP_poll refused our own ports");
        } else {
            halt_until(ports, deadline_ns);
        }
        if any_pending(ports) {
            return count(Woken::Pending);
        }
    }
}

/// Wake-ups so far: with something to do, and for nothing.
pub fn wake_ups() -> (u32, u32) {
    (WAKE_UPS_USEFUL.load(Ordering::Relaxed), WAKE_UPS_EMPTY.load(Ordering::Relaxed))
}

fn count(woken: Woken) -> Woken {
    let counter = match woken {
        Woken::Pending => &WAKE_UPS_USEFUL,
        Woken::Deadline => &WAKE_UPS_EMPTY,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    woken
}

fn any_pending(ports: &[Port]) -> bool {
    ports.iter().any(|port| shared_info::is_pending(port.0))
}

/// Tells the toolstack that this domain obeys `control/shutdown`. libxl looks at the callback
/// parameter alone (`libxl__domain_pvcontrol_available`), and refuses `xl shutdown` while it is 0.
/// Nothing is delivered by it: every port is masked, and GSI 1 has no controller here.
///
/// # Errors
/// As Xen says; then only `xl destroy` ends the domain.
pub fn announce_obedience() -> Result<(), Errno> {
    const GSI_1: u64 = 1;
    hvm::set_param(CALLBACK_IRQ, GSI_1)
}

/// The timer's port, once waiting by HLT has been set up.
static TIMER: Mutex<Option<Port>> = Mutex::new(None);

/// The domain was restored: the timer's port went with its former life, and is bound again when it
/// is needed.
pub(crate) fn forget_ports() {
    *TIMER.lock() = None;
}

/// One HLT, ended by an upcall of one of `ports` or by the timer.
fn halt_until(ports: &[Port], deadline_ns: u64) {
    let timer = *TIMER.lock().get_or_insert_with(|| {
        set_up_upcalls().expect("Xen gives every domain a timer and an upcall vector")
    });
    shared_info::take_pending(timer.0);
    // From here on an event of an unmasked port raises the upcall, which interrupts nothing but the
    // HLT: interrupts are off until that very instruction, and it ends at once if one is waiting.
    shared_info::clear_upcall();
    for port in ports.iter().chain([&timer]) {
        shared_info::unmask(port.0);
    }
    // A port that became pending while it was masked raised nothing: hence this look.
    if !any_pending(ports) {
        vcpu::set_singleshot_timer(clock::system_ns(deadline_ns))
            .expect("Xen gives every domain a timer");
        interrupts::enable_and_hlt();
        interrupts::disable();
    }
    for port in ports.iter().chain([&timer]) {
        shared_info::mask(port.0);
    }
}

fn set_up_upcalls() -> Result<Port, Errno> {
    let callback = (CALLBACK_TYPE_VECTOR << CALLBACK_TYPE_SHIFT) | u64::from(UPCALL_VECTOR);
    hvm::set_param(CALLBACK_IRQ, callback)?;
    event_channel::bind_virq(xen_sys::VIRQ_TIMER)
}
