//! A byte ring in shared pages and its two ends (docs/protocol.md §10).
//!
//! Indices are `u32` and free-running. Each end keeps its own index and its position in the data in
//! private memory, and only ever *writes* its own line. It caches the peer's index and reads it
//! again only when the cached value allows too little. Every index read is checked at once: the
//! peer's index may only advance, and never beyond what the ring allows.
//!
//! Data needs acquire and release ordering only. Notifications need more: one side stores its event
//! index and then reads the peer's index, the other publishes its index and then reads the event
//! index. Both need a full barrier between the store and the load. Without it each load may miss
//! the other side's store, and a side sleeps although the ring is ready. The barrier is paid once
//! per burst, in [`crate::Stream::flush`] and [`crate::Stream::before_sleep`], not once per
//! message.

use core::fmt;

use crate::layout::{LINE_EVENT, LINE_INDEX, RingPlace};
use crate::shared_pages::SharedPages;

/// Whether the caller must notify the peer over the event channel.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// The peer waits for what was just published.
    Due,
    /// The peer is awake, or waits for more.
    NotDue,
}

impl Notify {
    /// [`Notify::Due`] if either is.
    pub const fn or(self, other: Self) -> Self {
        match self {
            Self::Due => Self::Due,
            Self::NotDue => other,
        }
    }
}

/// The peer violated the ring protocol. Nothing in this ring can be trusted any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingError {
    /// The peer's index moved backwards, or further than the ring allows.
    PeerIndex {
        /// The index read from the page.
        found: u32,
        /// The index accepted last.
        believed: u32,
        /// The most bytes by which it could have advanced.
        reach: u32,
    },
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerIndex { found, believed, reach } => write!(
                f,
                "the peer's ring index jumped from {believed} to {found}, at most {reach} further \
                 is possible"
            ),
        }
    }
}

/// A contiguous range of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset in the pages, in bytes.
    pub at: usize,
    /// Length in bytes.
    pub bytes: usize,
}

/// A range of the ring. The second span is empty unless the range wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    /// The range up to the end of the ring's data.
    pub first: Span,
    /// The rest, from the start of the ring's data.
    pub second: Span,
}

impl Spans {
    /// Length in bytes of both spans together.
    pub const fn bytes(&self) -> usize {
        self.first.bytes + self.second.bytes
    }
}

/// One end of a ring: a [`Producer`] or a [`Consumer`]. Its state is in private memory.
///
/// The methods called for each message are always inlined: a call would cost as much as the work.
#[derive(Debug)]
pub struct RingEnd<const PRODUCER: bool> {
    place: RingPlace,
    /// Own free-running index, as published.
    own: u32,
    /// Limit of the own index: the peer's index as last accepted, plus [`Self::lead`].
    bound: u32,
    /// Own index when the peer's event index was last read.
    notified_index: u32,
    /// Offset in the pages of the byte at the own index. Kept separately, because the size of the
    /// data need not divide 2^32.
    at: usize,
    /// Offset of the first byte after the data.
    end: usize,
}

/// The end that writes.
pub type Producer = RingEnd<true>;

/// The end that reads.
pub type Consumer = RingEnd<false>;

impl<const PRODUCER: bool> RingEnd<PRODUCER> {
    /// One end of a ring whose pages are zeroed.
    pub const fn new(place: RingPlace) -> Self {
        Self::at_index(place, 0)
    }

    /// One end of a ring whose indices start at `index`, to test wrapping. Both lines must hold
    /// `index`.
    #[cfg(any(test, feature = "fake"))]
    pub const fn starting_at(place: RingPlace, index: u32) -> Self {
        Self::at_index(place, index)
    }

    const fn at_index(place: RingPlace, index: u32) -> Self {
        let end = place.data + place.size as usize;
        let bound = index.wrapping_add(Self::lead(&place));
        Self { place, own: index, bound, notified_index: index, at: place.data, end }
    }

    /// Distance from the peer's index to the limit of the own index: the producer may be a whole
    /// ring ahead of the consumer, the consumer never passes the producer.
    #[inline(always)]
    const fn lead(place: &RingPlace) -> u32 {
        if PRODUCER { place.size } else { 0 }
    }

    #[inline(always)]
    const fn own_line(&self) -> usize {
        if PRODUCER { self.place.producer_line } else { self.place.consumer_line }
    }

    #[inline(always)]
    const fn peer_line(&self) -> usize {
        if PRODUCER { self.place.consumer_line } else { self.place.producer_line }
    }

    /// Capacity of the ring in bytes.
    pub const fn size(&self) -> u32 {
        self.place.size
    }

    /// Bytes that can be moved according to the cached index: space for the producer, data for the
    /// consumer.
    #[inline(always)]
    const fn left(&self) -> u32 {
        self.bound.wrapping_sub(self.own)
    }

    /// The peer's index as last accepted, plus a constant.
    pub(crate) const fn accepted(&self) -> u32 {
        self.bound
    }

    /// Reads the peer's index again, and accepts it if it has not moved backwards and leaves no
    /// more than a ring of bytes.
    #[inline(always)]
    pub(crate) fn refresh(&mut self, pages: &impl SharedPages) -> Result<(), RingError> {
        let found = pages.load_u32(self.peer_line() + LINE_INDEX);
        let bound = found.wrapping_add(Self::lead(&self.place));
        let (left, before) = (bound.wrapping_sub(self.own), self.left());
        if left < before || left > self.place.size {
            let believed = found.wrapping_sub(left.wrapping_sub(before));
            return Err(RingError::PeerIndex { found, believed, reach: self.place.size - before });
        }
        self.bound = bound;
        Ok(())
    }

    /// The next bytes from the own index on, at most `wanted`. Reads the peer's index only if the
    /// cached one allows fewer.
    #[inline(always)]
    fn spans(&mut self, pages: &impl SharedPages, wanted: usize) -> Result<Spans, RingError> {
        if (self.left() as usize) < wanted {
            self.refresh(pages)?;
        }
        let bytes = wanted.min(self.left() as usize);
        let first = bytes.min(self.end - self.at);
        Ok(Spans {
            first: Span { at: self.at, bytes: first },
            second: Span { at: self.place.data, bytes: bytes - first },
        })
    }

    /// Advances the own index by `bytes` and publishes it.
    #[inline(always)]
    fn advance(&mut self, pages: &impl SharedPages, bytes: usize) {
        assert!(bytes <= self.left() as usize, "the own index passes its limit");
        self.own = self.own.wrapping_add(bytes as u32);
        self.at += bytes;
        if self.at >= self.end {
            self.at -= self.place.size as usize;
        }
        pages.store_u32(self.own_line() + LINE_INDEX, self.own);
    }

    /// Whether the own index has moved since [`Self::due`] was last called.
    #[inline(always)]
    pub(crate) const fn has_moved(&self) -> bool {
        self.own != self.notified_index
    }

    /// Whether the own index has reached the peer's event index since the last call. The caller
    /// must execute a full barrier between publishing and this call.
    #[inline(always)]
    pub(crate) fn due(&mut self, pages: &impl SharedPages) -> Notify {
        let event_index = pages.load_u32(self.peer_line() + LINE_EVENT);
        let notified_index = core::mem::replace(&mut self.notified_index, self.own);
        let passed = self.own.wrapping_sub(notified_index);
        if event_index.wrapping_sub(notified_index).wrapping_sub(1) < passed {
            Notify::Due
        } else {
            Notify::NotDue
        }
    }

    /// Requests a notification once `bytes` bytes can be moved: stores the event index, which is
    /// the peer's index at that moment.
    pub(crate) fn request_event(&self, pages: &impl SharedPages, bytes: u32) {
        let limit = self.own.wrapping_add(bytes.min(self.place.size));
        pages.store_u32(self.own_line() + LINE_EVENT, limit.wrapping_sub(Self::lead(&self.place)));
    }
}

impl Producer {
    /// Writes as many bytes as there is space for, publishes them and returns their number.
    /// Executes no barrier and sends no notification; [`crate::Stream::flush`] does, once per
    /// burst.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index is invalid.
    #[inline(always)]
    pub fn write(&mut self, pages: &impl SharedPages, from: &[u8]) -> Result<usize, RingError> {
        let Spans { first, second } = self.writable(pages, from.len())?;
        let bytes = first.bytes + second.bytes;
        pages.copy_to(first.at, &from[..first.bytes]);
        if second.bytes > 0 {
            pages.copy_to(second.at, &from[first.bytes..bytes]);
        }
        self.publish(pages, bytes);
        Ok(bytes)
    }

    /// Space for up to `wanted` bytes, to write in place; less if the ring has less.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index is invalid.
    #[inline(always)]
    pub fn writable(
        &mut self,
        pages: &impl SharedPages,
        wanted: usize,
    ) -> Result<Spans, RingError> {
        self.spans(pages, wanted)
    }

    /// Publishes the next `bytes` bytes, written to the range that [`Self::writable`] returned.
    ///
    /// # Panics
    /// If there is less space than that.
    #[inline(always)]
    pub fn publish(&mut self, pages: &impl SharedPages, bytes: usize) {
        self.advance(pages, bytes);
    }

    /// Bytes that can be written, according to the cached index.
    pub const fn room(&self) -> u32 {
        self.left()
    }
}

impl Consumer {
    /// Reads as many bytes as there are, at most `into.len()`, consumes them and returns their
    /// number.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index is invalid.
    #[inline(always)]
    pub fn read(&mut self, pages: &impl SharedPages, into: &mut [u8]) -> Result<usize, RingError> {
        let bytes = self.peek(pages, into)?;
        self.consume(pages, bytes);
        Ok(bytes)
    }

    /// Reads as [`Self::read`] does, without consuming: the same bytes can be read again.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index is invalid.
    #[inline(always)]
    pub fn peek(&mut self, pages: &impl SharedPages, into: &mut [u8]) -> Result<usize, RingError> {
        let Spans { first, second } = self.readable(pages, into.len())?;
        let bytes = first.bytes + second.bytes;
        pages.copy_from(first.at, &mut into[..first.bytes]);
        if second.bytes > 0 {
            pages.copy_from(second.at, &mut into[first.bytes..bytes]);
        }
        Ok(bytes)
    }

    /// Up to `wanted` bytes to read in place; fewer if the ring holds fewer. The peer may change
    /// them at any time.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index is invalid.
    #[inline(always)]
    pub fn readable(
        &mut self,
        pages: &impl SharedPages,
        wanted: usize,
    ) -> Result<Spans, RingError> {
        self.spans(pages, wanted)
    }

    /// Returns the space of the next `bytes` bytes to the producer.
    ///
    /// # Panics
    /// If the ring holds fewer.
    #[inline(always)]
    pub fn consume(&mut self, pages: &impl SharedPages, bytes: usize) {
        self.advance(pages, bytes);
    }

    /// Bytes that can be read, according to the cached index.
    pub const fn available(&self) -> u32 {
        self.left()
    }
}
