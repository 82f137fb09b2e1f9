//! Two rings as a duplex stream of bytes, and the discipline of sleeping on it (docs/protocol.md
//! §10): publish freely, flush once a burst, and before sleeping say what to be woken for and look
//! again. [`crate::FrontConnection`] and [`crate::BackConnection`] each own one.

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

/// What a side wants to be woken for. Zero: not for that.
///
/// A reader that wants more than one byte sleeps on when the peer stops short of it, so only who
/// knows how much will come may ask for more. A writer may well wait for much room, since the peer
/// reads everything in the end: to ask for the whole ring costs one notification a ring-full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WakeWhen {
    /// Wake when this many bytes can be read; more than the ring holds means a full ring.
    pub readable: u32,
    /// Wake when this many bytes can be written; more than the ring holds means an empty ring.
    pub writable: u32,
}

/// Whether a wish is fulfilled already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// One of the wishes is: do not sleep.
    Ready,
    /// None is. The peer has been asked to notify.
    MaySleep,
}

/// Most looks of [`Stream::spin_until_ready`]. They take about as long as sleeping and being woken: who looks for
/// nothing loses as much again, and no more (docs/decisions/0015-look-before-sleeping-on-data.md).
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
    /// The front's side of fresh pages.
    pub const fn front(layout: &Layout) -> Self {
        Self { outgoing: Producer::new(layout.to_back), incoming: Consumer::new(layout.to_front) }
    }

    /// The back's side of fresh pages.
    pub const fn back(layout: &Layout) -> Self {
        Self { outgoing: Producer::new(layout.to_front), incoming: Consumer::new(layout.to_back) }
    }

    /// A side made of two ends, to test rings whose indices do not begin at zero.
    #[cfg(any(test, feature = "fake"))]
    pub const fn of(outgoing: Producer, incoming: Consumer) -> Self {
        Self { outgoing, incoming }
    }

    /// Bytes of each ring.
    pub const fn size(&self) -> u32 {
        self.outgoing.size()
    }

    /// How far the peer has moved each ring, as this side has accepted it. Equal values mean that the
    /// peer has neither written nor read since. What stands in the page counts for nothing until a
    /// read, a write or a look has checked it.
    pub const fn accepted(&self) -> [u32; 2] {
        [self.outgoing.accepted(), self.incoming.accepted()]
    }

    /// The ring that is written.
    pub const fn outgoing(&mut self) -> &mut Producer {
        &mut self.outgoing
    }

    /// The ring that is read.
    pub const fn incoming(&mut self) -> &mut Consumer {
        &mut self.incoming
    }

    /// Ends a burst of reads and writes: one full barrier, then one look at each of the peer's
    /// wishes; nothing at all where nothing was moved since the last one. Must be called, or
    /// [`Self::before_sleep`], after the last of them.
    #[inline(always)]
    pub fn flush(&mut self, pages: &impl SharedPages) -> Notify {
        if !self.outgoing.has_moved() && !self.incoming.has_moved() {
            return Notify::NotDue;
        }
        pages.full_barrier();
        self.due(pages)
    }

    /// Looks up to [`SPIN_LIMIT`] times whether a wish is fulfilled, with a pause in between; asks for
    /// nothing. For who has flushed and would rather wait a moment than sleep and be woken, which
    /// takes both sides an exit or two.
    ///
    /// # Errors
    /// [`RingError`] if a peer's index lies.
    pub fn spin_until_ready(
        &mut self,
        pages: &impl SharedPages,
        wish: WakeWhen,
    ) -> Result<Readiness, RingError> {
        for _ in 0..SPIN_LIMIT {
            self.incoming.refresh(pages)?;
            self.outgoing.refresh(pages)?;
            if self.readiness(wish) == Readiness::Ready {
                return Ok(Readiness::Ready);
            }
            // Gives way to the other thread of the core, and to whoever emulates this one.
            spin_loop();
        }
        Ok(Readiness::MaySleep)
    }

    /// Asks the peer to notify, then looks whether that came too late; flushes on the way. One
    /// full barrier serves both.
    ///
    /// # Errors
    /// [`RingError`] if a peer's index lies.
    pub fn before_sleep(
        &mut self,
        pages: &impl SharedPages,
        wish: WakeWhen,
    ) -> Result<Sleep, RingError> {
        if wish.readable > 0 {
            self.incoming.ask(pages, wish.readable);
        }
        if wish.writable > 0 {
            self.outgoing.ask(pages, wish.writable);
        }
        // Stores before it: our indices and wishes. Loads after it: the peer's wishes and indices.
        pages.full_barrier();
        let notify = self.due(pages);
        self.incoming.refresh(pages)?;
        self.outgoing.refresh(pages)?;
        Ok(Sleep { notify, readiness: self.readiness(wish) })
    }

    #[inline(always)]
    fn due(&mut self, pages: &impl SharedPages) -> Notify {
        // Who has not moved cannot owe anything: one look less for a side that only reads or writes.
        let mut notify = Notify::NotDue;
        if self.outgoing.has_moved() {
            notify = self.outgoing.due(pages);
        }
        if self.incoming.has_moved() {
            notify = notify.or(self.incoming.due(pages));
        }
        notify
    }

    fn readiness(&self, wish: WakeWhen) -> Readiness {
        let readable = wish.readable.min(self.incoming.size());
        let writable = wish.writable.min(self.outgoing.size());
        let can_read = readable > 0 && self.incoming.available() >= readable;
        let can_write = writable > 0 && self.outgoing.room() >= writable;
        if can_read || can_write { Readiness::Ready } else { Readiness::MaySleep }
    }
}
