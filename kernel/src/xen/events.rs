//! Event channels as an image sees them: pending bits, and waiting for them with a deadline.
//!
//! Ports are never handled in the upcall: whoever waits clears a port's pending bit *before* it
//! looks at what the port announces, so that a notification in between is seen by the next wait.
//! Up to 128 ports are waited for by SCHEDOP_poll with everything masked; more than that by HLT,
//! with an upcall vector and the one-shot timer.

use core::sync::atomic::{AtomicU64, Ordering};

use spin::Mutex;
use x86_64::instructions::interrupts;

use crate::xen::abi::hvm::{CALLBACK_TYPE_SHIFT, CALLBACK_TYPE_VECTOR};
use crate::xen::hypercall::event_channel::{self, Port};
use crate::xen::hypercall::{Errno, hvm, sched, vcpu};
use crate::xen::{clock, shared_info};

/// The vector of the upcall: any that is not an exception will do.
pub(crate) const UPCALL_VECTOR: u8 = 0x20;

/// 64 bits each: a peer that rings in a loop passes 32 bits within hours.
static WAKE_UPS_USEFUL: AtomicU64 = AtomicU64::new(0);
static WAKE_UPS_EMPTY: AtomicU64 = AtomicU64::new(0);

/// Is called before the image goes to sleep.
static BEFORE_SLEEP: Mutex<fn()> = Mutex::new(|| {});

/// From now on `hook` is called before the image goes to sleep: by the console, whose daemon is to be
/// rung if it has something to read.
pub(crate) fn before_sleep(hook: fn()) {
    *BEFORE_SLEEP.lock() = hook;
}

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
/// console daemon is rung first if it has something to read. No port's pending bit is cleared.
pub fn wait(ports: &[Port], deadline_ns: u64) -> Woken {
    count(wait_on(&mut ThisDomain, ports, deadline_ns))
}

pub(crate) fn count(woken: Woken) -> Woken {
    let counter = match woken {
        Woken::Pending => &WAKE_UPS_USEFUL,
        Woken::Deadline => &WAKE_UPS_EMPTY,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    woken
}

/// The steps that a wait is made of. Events may come between any two of them, which the tests try.
trait Steps {
    fn now_ns(&mut self) -> u64;
    fn is_pending(&mut self, port: Port) -> bool;
    fn take_pending(&mut self, port: Port) -> bool;
    fn mask(&mut self, port: Port);
    fn unmask(&mut self, port: Port);
    fn clear_upcall(&mut self);
    fn flush_console(&mut self);
    /// SCHEDOP_poll: returns when a port is pending, masked or not, and at the deadline.
    fn poll(&mut self, ports: &[Port], deadline_ns: u64);
    /// The timer's port, which is bound when it is first asked for.
    fn timer(&mut self) -> Port;
    fn set_timer(&mut self, at_ns: u64);
    /// HLT: returns at once when an upcall is pending, else with the next one.
    fn halt(&mut self);
}

fn wait_on(xen: &mut impl Steps, ports: &[Port], deadline_ns: u64) -> Woken {
    if any_pending(xen, ports) {
        return Woken::Pending;
    }
    xen.flush_console();
    // A wait may end early (another port, or the raw clock ahead of the clamped one): look, wait
    // again. Each turn blocks, so this is no busy loop.
    loop {
        if xen.now_ns() >= deadline_ns {
            return Woken::Deadline;
        }
        if ports.len() <= sched::POLL_PORTS_MAX {
            xen.poll(ports, deadline_ns);
        } else {
            halt_until(xen, ports, deadline_ns);
        }
        if any_pending(xen, ports) {
            return Woken::Pending;
        }
    }
}

fn any_pending(xen: &mut impl Steps, ports: &[Port]) -> bool {
    ports.iter().any(|&port| xen.is_pending(port))
}

/// One HLT, ended by an upcall of one of `ports` or by the timer.
fn halt_until(xen: &mut impl Steps, ports: &[Port], deadline_ns: u64) {
    let timer = xen.timer();
    xen.take_pending(timer);
    // From here on an event of an unmasked port raises the upcall, which interrupts nothing but the
    // HLT: interrupts are off until that very instruction, and it ends at once if one is waiting.
    xen.clear_upcall();
    for &port in ports.iter().chain([&timer]) {
        xen.unmask(port);
    }
    // A port that became pending while it was masked raised nothing: hence this look.
    if !any_pending(xen, ports) {
        xen.set_timer(deadline_ns);
        xen.halt();
    }
    for &port in ports.iter().chain([&timer]) {
        xen.mask(port);
    }
}

/// The steps on real Xen.
struct ThisDomain;

impl Steps for ThisDomain {
    fn now_ns(&mut self) -> u64 {
        clock::now_ns()
    }

    fn is_pending(&mut self, port: Port) -> bool {
        shared_info::is_pending(port.0)
    }

    fn take_pending(&mut self, port: Port) -> bool {
        shared_info::take_pending(port.0)
    }

    fn mask(&mut self, port: Port) {
        shared_info::mask(port.0);
    }

    fn unmask(&mut self, port: Port) {
        shared_info::unmask(port.0);
    }

    fn clear_upcall(&mut self) {
        shared_info::clear_upcall();
    }

    fn flush_console(&mut self) {
        let flush = *BEFORE_SLEEP.lock();
        flush();
    }

    fn poll(&mut self, ports: &[Port], deadline_ns: u64) {
        let outcome = sched::poll(ports, clock::system_ns(deadline_ns));
        assert!(outcome.is_ok(), "SCHEDOP_poll refused our own ports");
    }

    fn timer(&mut self) -> Port {
        *TIMER.lock().get_or_insert_with(|| {
            set_up_upcalls().expect("Xen gives every domain a timer and an upcall vector")
        })
    }

    fn set_timer(&mut self, at_ns: u64) {
        vcpu::set_singleshot_timer(clock::system_ns(at_ns))
            .expect("Xen gives every domain a timer");
    }

    fn halt(&mut self) {
        interrupts::enable_and_hlt();
        interrupts::disable();
    }
}

/// Wake-ups so far: with something to do, and for nothing.
pub fn wake_ups() -> (u64, u64) {
    (WAKE_UPS_USEFUL.load(Ordering::Relaxed), WAKE_UPS_EMPTY.load(Ordering::Relaxed))
}

/// Makes the counters stand where 32 bits end.
#[cfg(test)]
pub(crate) fn count_to_32_bits() {
    for counter in [&WAKE_UPS_USEFUL, &WAKE_UPS_EMPTY] {
        counter.fetch_add(u32::MAX.into(), Ordering::Relaxed);
    }
}

/// Tells the toolstack that this domain obeys `control/shutdown`. libxl looks at the callback
/// parameter alone (`libxl__domain_pvcontrol_available`), and refuses `xl shutdown` while it is 0.
/// Nothing is delivered by it: every port is masked, and GSI 1 has no controller here.
///
/// # Errors
/// As Xen says; then only `xl destroy` ends the domain.
pub fn advertise_shutdown() -> Result<(), Errno> {
    const GSI_1: u64 = 1;
    hvm::set_callback(GSI_1)
}

/// The timer's port, once waiting by HLT has been set up.
static TIMER: Mutex<Option<Port>> = Mutex::new(None);

/// The domain was restored: the timer's port went with its former life, and is bound again when it
/// is needed.
pub(crate) fn forget_ports() {
    *TIMER.lock() = None;
}

fn set_up_upcalls() -> Result<Port, Errno> {
    let callback = (CALLBACK_TYPE_VECTOR << CALLBACK_TYPE_SHIFT) | u64::from(UPCALL_VECTOR);
    hvm::set_callback(callback)?;
    event_channel::bind_virq(xen_sys::VIRQ_TIMER)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::vec::Vec;

    use super::*;

    const DEADLINE_NS: u64 = 1000;
    const TIMER_PORT: Port = Port(4000);

    /// Xen with one event that comes right before a chosen step, or while the domain is blocked.
    struct Xen {
        event: Option<Port>,
        /// Steps until it comes.
        steps: usize,
        /// Times that a blocking step returns for nothing.
        early: usize,
        now_ns: u64,
        pending: BTreeSet<u32>,
        unmasked: BTreeSet<u32>,
        upcall: bool,
        timer_ns: Option<u64>,
    }

    impl Xen {
        fn new(event: Option<Port>, steps: usize) -> Self {
            Self {
                event,
                steps,
                early: 0,
                now_ns: 0,
                pending: BTreeSet::new(),
                unmasked: BTreeSet::new(),
                upcall: false,
                timer_ns: None,
            }
        }

        /// As Xen's `evtchn_port_set_pending`: what is pending already, or masked, raises nothing.
        fn send(&mut self, port: Port) {
            let fresh = self.pending.insert(port.0);
            self.upcall |= fresh && self.unmasked.contains(&port.0);
        }

        fn step(&mut self) {
            if self.steps == 0
                && let Some(port) = self.event.take()
            {
                self.send(port);
            }
            self.steps = self.steps.saturating_sub(1);
        }

        /// Nothing else happens until this time, unless the event is still to come.
        fn block(&mut self, until_ns: u64) {
            if self.early > 0 {
                self.early -= 1;
            } else if let Some(port) = self.event.take() {
                self.send(port);
            } else {
                self.now_ns = self.now_ns.max(until_ns);
            }
        }
    }

    impl Steps for Xen {
        fn now_ns(&mut self) -> u64 {
            self.step();
            self.now_ns
        }
        fn is_pending(&mut self, port: Port) -> bool {
            self.step();
            self.pending.contains(&port.0)
        }
        fn take_pending(&mut self, port: Port) -> bool {
            self.step();
            self.pending.remove(&port.0)
        }
        fn mask(&mut self, port: Port) {
            self.step();
            self.unmasked.remove(&port.0);
        }
        fn unmask(&mut self, port: Port) {
            self.step();
            self.unmasked.insert(port.0);
        }
        fn clear_upcall(&mut self) {
            self.step();
            self.upcall = false;
        }
        fn flush_console(&mut self) {
            self.step();
        }
        fn poll(&mut self, ports: &[Port], deadline_ns: u64) {
            self.step();
            if !ports.iter().any(|port| self.pending.contains(&port.0)) {
                self.block(deadline_ns);
            }
        }
        fn timer(&mut self) -> Port {
            self.step();
            TIMER_PORT
        }
        fn set_timer(&mut self, at_ns: u64) {
            self.step();
            self.timer_ns = Some(at_ns);
        }
        fn halt(&mut self) {
            self.step();
            if !self.upcall {
                let until_ns = self.timer_ns.expect("it sleeps for ever");
                self.block(until_ns);
            }
            if self.timer_ns.is_some_and(|at_ns| at_ns <= self.now_ns) {
                self.timer_ns = None;
                self.send(TIMER_PORT);
            }
            self.upcall = false;
        }
    }

    /// So few that they are polled, and one more than that.
    fn port_lists() -> [Vec<Port>; 2] {
        [3, sched::POLL_PORTS_MAX + 1].map(|count| (1..=count as u32).map(Port).collect())
    }

    #[test]
    fn an_event_at_any_moment_ends_the_wait_and_stays_pending() {
        for ports in port_lists() {
            for event in [ports[0], ports[ports.len() - 1]] {
                for early in 0..3 {
                    for steps in 0..8 * ports.len() {
                        let mut xen = Xen { early, ..Xen::new(Some(event), steps) };
                        let woken = wait_on(&mut xen, &ports, DEADLINE_NS);
                        let when = std::format!("{} ports, {steps} steps, {early}", ports.len());
                        assert_eq!((woken, xen.now_ns), (Woken::Pending, 0), "lost: {when}");
                        assert!(xen.pending.contains(&event.0), "cleared: {when}");
                        assert!(xen.unmasked.is_empty(), "left unmasked: {when}");
                    }
                }
            }
        }
    }

    #[test]
    fn without_an_event_the_wait_ends_at_the_deadline() {
        for ports in port_lists() {
            for early in 0..3 {
                let mut xen = Xen { early, ..Xen::new(None, 0) };
                let woken = wait_on(&mut xen, &ports, DEADLINE_NS);
                assert_eq!((woken, xen.now_ns), (Woken::Deadline, DEADLINE_NS));
                assert!(xen.unmasked.is_empty());
            }
        }
    }

    #[test]
    fn a_port_that_is_not_waited_for_does_not_end_the_wait() {
        for ports in port_lists() {
            let mut xen = Xen::new(None, 0);
            xen.send(Port(3999));
            assert_eq!(wait_on(&mut xen, &ports, DEADLINE_NS), Woken::Deadline);
            assert!(xen.pending.contains(&3999));
        }
    }
}
