//! The PV console's two rings (xen/include/public/io/console.h).
//!
//! The daemon reads behind our back and may be slow, absent or wrong: its index is checked at each
//! read, a full ring is waited for with a limit, and what does not fit after that is counted, not
//! waited for. Bytes are written before the producer index that announces them.

use core::sync::atomic::Ordering;

use crate::mem::untyped::Untyped;
use crate::xen::abi::console::{
    IN_AT, IN_BYTES, IN_CONSUMER_AT, IN_PRODUCER_AT, OUT_AT, OUT_BYTES, OUT_CONSUMER_AT,
    OUT_PRODUCER_AT,
};
use crate::xen::abi::hvm::{CONSOLE_EVTCHN, CONSOLE_PFN};
use crate::xen::boot_error::BootError;
use crate::xen::hypercall::event_channel::{self, Port};
use crate::xen::hypercall::sched;
use crate::xen::special_page::SpecialPage;
use crate::xen::{clock, shared_info};

/// How long a full ring is waited for in all before its image gives up on the daemon: it usually
/// reads within milliseconds, and a lost line is better than a stopped image.
const WAIT_MAX_NS: u64 = 2_000_000_000;
/// One wait in between: the daemon rings after reading, but nobody should trust that alone.
const WAIT_STEP_NS: u64 = 50_000_000;
/// Waits in all: a clock that stands still must not keep an image from ending.
const WAITS_MAX: u32 = 10_000;

/// The ring.
pub(crate) struct Ring {
    page: Untyped,
    port: Port,
    /// Our own index: what the page says is never read back.
    producer: u32,
    /// Something was written since the last doorbell.
    unannounced: bool,
    /// The daemon did not read for `WAIT_MAX_NS`: it is not waited for again until it does.
    stalled: bool,
    bytes_lost: u64,
}

impl Ring {
    /// Finds the ring. To be called once in each life of the domain.
    pub(crate) fn find() -> Result<Ring, BootError> {
        let SpecialPage { page, port } =
            SpecialPage::find("console-page", CONSOLE_PFN, CONSOLE_EVTCHN)?;
        let mut ring =
            Ring { page, port, producer: 0, unannounced: false, stalled: false, bytes_lost: 0 };
        ring.producer = ring.page.word(OUT_PRODUCER_AT).load(Ordering::Relaxed);
        Ok(ring)
    }

    /// Writes everything, waiting (bounded) for room; counts what is lost.
    pub(super) fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let written = self.write_some(bytes);
            bytes = bytes.get(written..).unwrap_or(&[]);
            if !bytes.is_empty() && !self.wait_for_room() {
                self.bytes_lost = self.bytes_lost.saturating_add(bytes.len() as u64);
                return;
            }
        }
    }

    /// Writes what fits now.
    pub(super) fn write_what_fits(&mut self, bytes: &[u8]) {
        let written = self.write_some(bytes);
        self.bytes_lost = self.bytes_lost.saturating_add((bytes.len() - written) as u64);
    }

    /// See [`super::read`].
    pub(super) fn read(&mut self, into: &mut [u8]) -> usize {
        // Only this side moves the consumer index; the daemon's is checked.
        let consumer = self.page.word(IN_CONSUMER_AT).load(Ordering::Relaxed);
        let producer = self.page.word(IN_PRODUCER_AT).load(Ordering::Acquire);
        let waiting = producer.wrapping_sub(consumer);
        if waiting == 0 || waiting > IN_BYTES {
            return 0;
        }
        let offset = (consumer % IN_BYTES) as usize;
        let count = into.len().min(waiting as usize).min(IN_BYTES as usize - offset);
        let (into, _) = into.split_at_mut(count);
        self.page.copy_from(IN_AT + offset, into);
        let consumer = consumer.wrapping_add(count as u32);
        // Release: the bytes are taken before the index that gives their room back.
        self.page.word(IN_CONSUMER_AT).store(consumer, Ordering::Release);
        // A daemon that found the ring full waits for this.
        self.unannounced |= waiting == IN_BYTES;
        count
    }

    /// See [`super::port`].
    pub(super) fn port(&self) -> Port {
        self.port
    }

    /// See [`super::flush`].
    pub(super) fn flush(&mut self) {
        if core::mem::take(&mut self.unannounced) {
            // Nothing can be said about a failure here: this is the console.
            let _ = event_channel::send(self.port);
        }
    }

    /// See [`super::drain`].
    pub(super) fn drain(&mut self) {
        let until = clock::now_ns().saturating_add(WAIT_MAX_NS);
        for _ in 0..WAITS_MAX {
            if self.used() == 0 || clock::now_ns() >= until {
                return;
            }
            self.wait_once();
        }
    }

    /// Goes on counting where the ring of the domain's former life has stopped.
    pub(super) fn follow(&mut self, former: &Ring) {
        self.bytes_lost = former.bytes_lost;
    }

    /// See [`super::bytes_lost`].
    pub(super) fn bytes_lost(&self) -> u64 {
        self.bytes_lost
    }

    fn write_some(&mut self, bytes: &[u8]) -> usize {
        let room = OUT_BYTES - self.used();
        let count = bytes.len().min(room as usize);
        let offset = (self.producer % OUT_BYTES) as usize;
        let (before_wrap, after_wrap) =
            bytes[..count].split_at(count.min(OUT_BYTES as usize - offset));
        self.page.copy_to(OUT_AT + offset, before_wrap);
        self.page.copy_to(OUT_AT, after_wrap);
        if count > 0 {
            self.producer = self.producer.wrapping_add(count as u32);
            // Release: the bytes are there before the index that announces them.
            self.page.word(OUT_PRODUCER_AT).store(self.producer, Ordering::Release);
            self.unannounced = true;
        }
        count
    }

    /// Bytes that the daemon has not read yet. A daemon whose index is impossible counts as one
    /// that has read everything: it is wrong, and losing its text is its affair.
    fn used(&self) -> u32 {
        let consumer = self.page.word(OUT_CONSUMER_AT).load(Ordering::Acquire);
        let used = self.producer.wrapping_sub(consumer);
        if used > OUT_BYTES { 0 } else { used }
    }

    /// Waits until there is room. False when the daemon took too long.
    fn wait_for_room(&mut self) -> bool {
        let until = clock::now_ns().saturating_add(WAIT_MAX_NS);
        for _ in 0..WAITS_MAX {
            if self.used() < OUT_BYTES {
                self.stalled = false;
                return true;
            }
            if self.stalled || clock::now_ns() >= until {
                break;
            }
            self.wait_once();
        }
        self.stalled = true;
        false
    }

    fn wait_once(&mut self) {
        self.flush();
        shared_info::take_pending(self.port.0);
        if self.used() == 0 {
            return;
        }
        let until = clock::now_ns().saturating_add(WAIT_STEP_NS);
        let _ = sched::poll(&[self.port], clock::system_ns(until));
    }
}
