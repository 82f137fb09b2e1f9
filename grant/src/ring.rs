//! A ring of bytes in shared pages, and its two ends (docs/protocol.md §10).
//!
//! Indices are u32 and run free. Each end keeps its own index and its position in the data in
//! private memory and only ever *writes* its line; of the peer's line it keeps a cached copy, read
//! again only when the cached one promises too little. What is read is checked at once: the peer's
//! index may move forward, and never past what we know to be possible.
//!
//! Data go with acquire and release alone. A notification must not be missed, though: whoever
//! asks for one stores its wish and then looks again, whoever moved its index then looks for a
//! wish, and between the store and the look both need a full barrier (without it each may miss the
//! other's store, and a side sleeps on a ring that is ready). That barrier is paid once a burst, in
//! [`crate::Stream::flush`] and [`crate::Stream::before_sleep`], never once a message.

use core::fmt;

use crate::layout::{LINE_EVENT, LINE_INDEX, RingPlace};
use crate::shared_pages::SharedPages;

/// Whether the peer must be notified over the event channel. The caller does it.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// The peer waits for what was just published.
    Due,
    /// The peer is awake, or waits for more.
    NotDue,
}

impl Notify {
    /// Due if either is.
    pub const fn or(self, other: Self) -> Self {
        match self {
            Self::Due => Self::Due,
            Self::NotDue => other,
        }
    }
}

/// The peer broke the ring; nothing it says in it can be believed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingError {
    /// Its index went backwards, or further than the ring allows.
    PeerIndex {
        /// The index found.
        found: u32,
        /// The last one believed.
        believed: u32,
        /// How far it could have moved at most.
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

/// A stretch of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset in the view.
    pub at: usize,
    /// Length in bytes.
    pub bytes: usize,
}

/// A stretch of the ring: two of the view, the second one empty unless the ring's end is crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    /// Where it begins.
    pub first: Span,
    /// Where it goes on.
    pub second: Span,
}

impl Spans {
    /// Length in bytes of both together.
    pub const fn bytes(&self) -> usize {
        self.first.bytes + self.second.bytes
    }
}

/// What one end knows of its ring, all of it in private memory. What a message passes through is
/// always inlined: a call costs as much as the work.
#[derive(Debug)]
struct End {
    place: RingPlace,
    /// Own free-running index, as published.
    own: u32,
    /// How far it may move: to the producer's index for the consumer, to a ring's size behind the
    /// consumer's index for the producer, as last believed.
    bound: u32,
    /// Own index when the peer's wish was last looked at.
    notified_index: u32,
    /// Where the own index points, as an offset in the view. Kept apart, because the size of the
    /// data need not divide 2^32.
    at: usize,
    /// The offset behind the data.
    end: usize,
}

impl End {
    const fn new(place: RingPlace, index: u32, left: u32) -> Self {
        let end = place.data + place.size as usize;
        let bound = index.wrapping_add(left);
        Self { place, own: index, bound, notified_index: index, at: place.data, end }
    }

    /// Bytes that may be moved: room for the producer, data for the consumer.
    #[inline(always)]
    const fn left(&self) -> u32 {
        self.bound.wrapping_sub(self.own)
    }

    /// Takes over that the own index may move up to `bound`, as the peer's index `found` has it, if
    /// that is forward, and no further than the ring allows.
    #[inline(always)]
    fn accept_index(&mut self, bound: u32, found: u32) -> Result<(), RingError> {
        let (left, before) = (bound.wrapping_sub(self.own), self.left());
        if left < before || left > self.place.size {
            let believed = found.wrapping_sub(left.wrapping_sub(before));
            return Err(RingError::PeerIndex { found, believed, reach: self.place.size - before });
        }
        self.bound = bound;
        Ok(())
    }

    /// The next bytes from the own position on: `wanted`, or as many as may be moved.
    #[inline(always)]
    fn spans(&self, wanted: usize) -> Spans {
        let bytes = wanted.min(self.left() as usize);
        let first = bytes.min(self.end - self.at);
        Spans {
            first: Span { at: self.at, bytes: first },
            second: Span { at: self.place.data, bytes: bytes - first },
        }
    }

    /// Moves the own index on by what was copied, and publishes it in the own line.
    #[inline(always)]
    fn advance(&mut self, pages: &impl SharedPages, line: usize, bytes: usize) {
        assert!(bytes <= self.left() as usize, "no more bytes are moved than may be");
        self.own = self.own.wrapping_add(bytes as u32);
        self.at += bytes;
        if self.at >= self.end {
            self.at -= self.place.size as usize;
        }
        pages.store_u32(line + LINE_INDEX, self.own);
    }

    /// Whether the own index has moved since the peer's wish was last looked at.
    #[inline(always)]
    const fn has_moved(&self) -> bool {
        self.own != self.notified_index
    }

    /// Looks whether the peer asked to be notified when the own index reaches a place that it has
    /// passed since the last look. A full barrier must lie between publishing and this.
    #[inline(always)]
    fn due(&mut self, wish: u32) -> Notify {
        let notified_index = core::mem::replace(&mut self.notified_index, self.own);
        let passed = self.own.wrapping_sub(notified_index);
        if wish.wrapping_sub(notified_index).wrapping_sub(1) < passed {
            Notify::Due
        } else {
            Notify::NotDue
        }
    }
}

/// The end that writes.
#[derive(Debug)]
pub struct Producer(End);

impl Producer {
    /// The producer of a ring whose pages were zeroed when the connection was made.
    pub const fn new(place: RingPlace) -> Self {
        Self(End::new(place, 0, place.size))
    }

    /// A producer whose indices begin elsewhere, to test the wrap; both lines must hold `index`.
    #[cfg(any(test, feature = "fake"))]
    pub const fn starting_at(place: RingPlace, index: u32) -> Self {
        Self(End::new(place, index, place.size))
    }

    /// Copies in as much as there is room for, and publishes it. No barrier, no notification: that
    /// is [`crate::Stream::flush`], once a burst.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
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

    /// Where up to `wanted` bytes may be written in place; fewer if the ring has less room.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
    #[inline(always)]
    pub fn writable(
        &mut self,
        pages: &impl SharedPages,
        wanted: usize,
    ) -> Result<Spans, RingError> {
        if (self.0.left() as usize) < wanted {
            self.refresh(pages)?;
        }
        Ok(self.0.spans(wanted))
    }

    /// Makes `bytes` bytes, written where [`Self::writable`] said, visible to the consumer.
    ///
    /// # Panics
    /// If they are more than there is room for.
    #[inline(always)]
    pub fn publish(&mut self, pages: &impl SharedPages, bytes: usize) {
        self.0.advance(pages, self.0.place.producer_line, bytes);
    }

    /// Bytes that the ring holds when full.
    pub const fn size(&self) -> u32 {
        self.0.place.size
    }

    /// Bytes that can be written, as far as known without a look.
    pub const fn room(&self) -> u32 {
        self.0.left()
    }

    /// How far the peer has let this end move: its index as last accepted, plus a constant.
    pub(crate) const fn accepted(&self) -> u32 {
        self.0.bound
    }

    /// Reads the consumer's index again: it may have moved up to our own.
    #[inline(always)]
    pub(crate) fn refresh(&mut self, pages: &impl SharedPages) -> Result<(), RingError> {
        let found = pages.load_u32(self.0.place.consumer_line + LINE_INDEX);
        self.0.accept_index(found.wrapping_add(self.0.place.size), found)
    }

    /// Whether anything was written since the last look at the consumer's wish.
    #[inline(always)]
    pub(crate) const fn has_moved(&self) -> bool {
        self.0.has_moved()
    }

    /// Whether the consumer asked to be notified of what was written since the last look. The
    /// caller has put a full barrier in between.
    #[inline(always)]
    pub(crate) fn due(&mut self, pages: &impl SharedPages) -> Notify {
        self.0.due(pages.load_u32(self.0.place.consumer_line + LINE_EVENT))
    }

    /// Asks the consumer to notify once `room` bytes can be written.
    pub(crate) fn ask(&self, pages: &impl SharedPages, room: u32) {
        let used_at_most = self.0.place.size - room.min(self.0.place.size);
        let wish = self.0.own.wrapping_sub(used_at_most);
        pages.store_u32(self.0.place.producer_line + LINE_EVENT, wish);
    }
}

/// The end that reads.
#[derive(Debug)]
pub struct Consumer(End);

impl Consumer {
    /// The consumer of a ring whose pages were zeroed when the connection was made.
    pub const fn new(place: RingPlace) -> Self {
        Self(End::new(place, 0, 0))
    }

    /// A consumer whose indices begin elsewhere, to test the wrap; both lines must hold `index`.
    #[cfg(any(test, feature = "fake"))]
    pub const fn starting_at(place: RingPlace, index: u32) -> Self {
        Self(End::new(place, index, 0))
    }

    /// Copies out as much as there is, at most `into.len()`, and gives its room back.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
    #[inline(always)]
    pub fn read(&mut self, pages: &impl SharedPages, into: &mut [u8]) -> Result<usize, RingError> {
        let bytes = self.peek(pages, into)?;
        self.consume(pages, bytes);
        Ok(bytes)
    }

    /// Copies out as [`Self::read`] does, but gives no room back: the same bytes can be read again.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
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

    /// Where up to `wanted` bytes can be read in place; fewer if the ring holds less. The peer may
    /// change them while they are looked at.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
    #[inline(always)]
    pub fn readable(
        &mut self,
        pages: &impl SharedPages,
        wanted: usize,
    ) -> Result<Spans, RingError> {
        if (self.0.left() as usize) < wanted {
            self.refresh(pages)?;
        }
        Ok(self.0.spans(wanted))
    }

    /// Gives the room of `bytes` bytes back to the producer.
    ///
    /// # Panics
    /// If they are more than are there.
    #[inline(always)]
    pub fn consume(&mut self, pages: &impl SharedPages, bytes: usize) {
        self.0.advance(pages, self.0.place.consumer_line, bytes);
    }

    /// Bytes that the ring holds when full.
    pub const fn size(&self) -> u32 {
        self.0.place.size
    }

    /// Bytes that can be read, as far as known without a look.
    pub const fn available(&self) -> u32 {
        self.0.left()
    }

    /// See [`Producer::accepted`].
    pub(crate) const fn accepted(&self) -> u32 {
        self.0.bound
    }

    /// Reads the producer's index again: it may have moved until the ring is full.
    #[inline(always)]
    pub(crate) fn refresh(&mut self, pages: &impl SharedPages) -> Result<(), RingError> {
        let found = pages.load_u32(self.0.place.producer_line + LINE_INDEX);
        self.0.accept_index(found, found)
    }

    /// Whether any room was given back since the last look at the producer's wish.
    #[inline(always)]
    pub(crate) const fn has_moved(&self) -> bool {
        self.0.has_moved()
    }

    /// Whether the producer asked to be notified of the room given back since the last look. The
    /// caller has put a full barrier in between.
    #[inline(always)]
    pub(crate) fn due(&mut self, pages: &impl SharedPages) -> Notify {
        self.0.due(pages.load_u32(self.0.place.producer_line + LINE_EVENT))
    }

    /// Asks the producer to notify once `bytes` bytes can be read.
    pub(crate) fn ask(&self, pages: &impl SharedPages, bytes: u32) {
        let wish = self.0.own.wrapping_add(bytes.min(self.0.place.size));
        pages.store_u32(self.0.place.consumer_line + LINE_EVENT, wish);
    }
}
