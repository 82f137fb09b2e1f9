//! Two rings as a duplex byte stream, and the rules for sleeping on it (docs/protocol.md §10):
//! publish at any time, flush once per burst, and before sleeping request a notification and check
//! the rings again. [`crate::FrontConnection`] and [`crate::BackConnection`] each own one stream.

use core::hint::spin_loop;

use crate::layout::Layout;
use crate::ring::{Consumer, Notify, Producer, RingError};
use crate::shared_pages::SharedPages;

/// One side of a connection's two rings.
#[derive(Debug)]
pub struct Stream {
    outgoing: Producer,
    incoming: Consumer,
}

/// When to wake a side. Zero disables a condition.
///
/// A reader that requests more than one byte keeps sleeping if the peer stops short of it. Request
/// more only if that much is certain to arrive. A writer may request much space, because the peer
/// reads everything in the end: requesting the whole ring costs one notification per ring of data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WakeWhen {
    /// Wake when this many bytes can be read; more than the ring's size means a full ring.
    pub readable: u32,
    /// Wake when this many bytes can be written; more than the ring's size means an empty ring.
    pub writable: u32,
}

/// Whether a wake condition holds already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// At least one condition holds: do not sleep.
    Ready,
    /// No condition holds.
    MaySleep,
}

/// Most polls of [`Stream::spin_until_ready`]. They take about as long as sleeping and waking up,
/// so a fruitless spin at most doubles the cost
/// (docs/decisions/0015-look-before-sleeping-on-data.md).
pub const SPIN_LIMIT: u32 = 500;

/// Outcome of [`Stream::before_sleep`].
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sleep {
    /// Whether the peer must be notified first.
    pub notify: Notify,
    /// Whether to sleep at all.
    pub readiness: Readiness,
}

impl Stream {
    /// The front's side, over zeroed pages.
    pub const fn front(layout: &Layout) -> Self {
        Self { outgoing: Producer::new(layout.to_back), incoming: Consumer::new(layout.to_front) }
    }

    /// The back's side, over zeroed pages.
    pub const fn back(layout: &Layout) -> Self {
        Self { outgoing: Producer::new(layout.to_front), incoming: Consumer::new(layout.to_back) }
    }

    /// One side over the given ends, to test rings whose indices do not start at zero.
    #[cfg(any(test, feature = "fake"))]
    pub const fn of(outgoing: Producer, incoming: Consumer) -> Self {
        Self { outgoing, incoming }
    }

    /// Size of each ring in bytes.
    pub const fn size(&self) -> u32 {
        self.outgoing.size()
    }

    /// The peer's progress on each ring, as last accepted. Two equal results mean that the peer has
    /// neither written nor read in between. An index in the page counts only after a read, a write
    /// or a poll has checked it.
    pub const fn accepted(&self) -> [u32; 2] {
        [self.outgoing.accepted(), self.incoming.accepted()]
    }

    /// The ring that this side writes.
    pub const fn outgoing(&mut self) -> &mut Producer {
        &mut self.outgoing
    }

    /// The ring that this side reads.
    pub const fn incoming(&mut self) -> &mut Consumer {
        &mut self.incoming
    }

    /// Ends a burst of reads and writes: executes one full barrier and reads the peer's event
    /// indices. Does nothing if no index has moved since the last flush. After the last read or
    /// write, the caller must call this or [`Self::before_sleep`].
    #[inline(always)]
    pub fn flush(&mut self, pages: &impl SharedPages) -> Notify {
        if !self.outgoing.has_moved() && !self.incoming.has_moved() {
            return Notify::NotDue;
        }
        pages.full_barrier();
        self.due(pages)
    }

    /// Polls the rings up to [`SPIN_LIMIT`] times, with a pause in between, and requests no
    /// notification. Sleeping and waking up cost both sides an exit or two; a short wait may avoid
    /// them. Flush first.
    ///
    /// # Errors
    /// [`RingError`] if an index of the peer is invalid.
    pub fn spin_until_ready(
        &mut self,
        pages: &impl SharedPages,
        wake: WakeWhen,
    ) -> Result<Readiness, RingError> {
        for _ in 0..SPIN_LIMIT {
            self.incoming.refresh(pages)?;
            self.outgoing.refresh(pages)?;
            if self.readiness(wake) == Readiness::Ready {
                return Ok(Readiness::Ready);
            }
            // Yields to the core's other thread, and to an emulator of this processor.
            spin_loop();
        }
        Ok(Readiness::MaySleep)
    }

    /// Requests a notification, flushes, and checks whether the request came too late. One full
    /// barrier serves both.
    ///
    /// # Errors
    /// [`RingError`] if an index of the peer is invalid.
    pub fn before_sleep(
        &mut self,
        pages: &impl SharedPages,
        wake: WakeWhen,
    ) -> Result<Sleep, RingError> {
        if wake.readable > 0 {
            self.incoming.request_event(pages, wake.readable);
        }
        if wake.writable > 0 {
            self.outgoing.request_event(pages, wake.writable);
        }
        // Orders the stores of our indices and event indices before the loads of the peer's.
        pages.full_barrier();
        let notify = self.due(pages);
        self.incoming.refresh(pages)?;
        self.outgoing.refresh(pages)?;
        Ok(Sleep { notify, readiness: self.readiness(wake) })
    }

    #[inline(always)]
    fn due(&mut self, pages: &impl SharedPages) -> Notify {
        // An end that moved nothing owes no notification. Skipping it saves a load on a side that
        // only reads or only writes.
        let mut notify = Notify::NotDue;
        if self.outgoing.has_moved() {
            notify = self.outgoing.due(pages);
        }
        if self.incoming.has_moved() {
            notify = notify.or(self.incoming.due(pages));
        }
        notify
    }

    fn readiness(&self, wake: WakeWhen) -> Readiness {
        let readable = wake.readable.min(self.incoming.size());
        let writable = wake.writable.min(self.outgoing.size());
        let can_read = readable > 0 && self.incoming.available() >= readable;
        let can_write = writable > 0 && self.outgoing.room() >= writable;
        if can_read || can_write { Readiness::Ready } else { Readiness::MaySleep }
    }
}
