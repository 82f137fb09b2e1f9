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
use crate::ports::SharedPages;

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

/// What one end knows of its ring, all of it in private memory.
#[derive(Debug)]
struct End {
    place: RingPlace,
    /// Own free-running index, as published.
    own: u32,
    /// Where `own` points into the data. Kept apart, because the size need not divide 2^32.
    offset: u32,
    /// The peer's index, as last read and believed.
    peer: u32,
    /// Own index when the peer's wish was last looked at.
    told: u32,
}

impl End {
    const fn new(place: RingPlace, index: u32) -> Self {
        Self { place, own: index, offset: 0, peer: index, told: index }
    }

    /// Takes the peer's index over if it is at most `reach` further than the last one.
    fn believe(&mut self, found: u32, reach: u32) -> Result<(), RingError> {
        if found.wrapping_sub(self.peer) > reach {
            return Err(RingError::PeerIndex { found, believed: self.peer, reach });
        }
        self.peer = found;
        Ok(())
    }

    /// The next `bytes` bytes from the own position on.
    fn spans(&self, bytes: u32) -> Spans {
        assert!(bytes <= self.place.size, "a stretch is no longer than the ring");
        let first = bytes.min(self.place.size - self.offset);
        let at = self.place.data + self.offset as usize;
        Spans {
            first: Span { at, bytes: first as usize },
            second: Span { at: self.place.data, bytes: (bytes - first) as usize },
        }
    }

    fn advance(&mut self, bytes: u32) {
        let to_end = self.place.size - self.offset;
        self.offset = if bytes < to_end { self.offset + bytes } else { bytes - to_end };
        self.own = self.own.wrapping_add(bytes);
        assert!(self.offset < self.place.size, "the position lies in the ring");
    }

    /// Looks whether the peer asked to be notified when the own index reaches a place that it has
    /// passed since the last look. A full barrier must lie between publishing and this.
    fn due(&mut self, wish: u32) -> Notify {
        let told = core::mem::replace(&mut self.told, self.own);
        let passed = self.own.wrapping_sub(told);
        if wish.wrapping_sub(told).wrapping_sub(1) < passed { Notify::Due } else { Notify::NotDue }
    }
}

/// The end that writes.
#[derive(Debug)]
pub struct Producer(End);

impl Producer {
    /// The producer of a ring whose pages were zeroed when the connection was made.
    pub const fn new(place: RingPlace) -> Self {
        Self(End::new(place, 0))
    }

    /// A producer whose indices begin elsewhere, to test the wrap; both lines must hold `index`.
    #[cfg(any(test, feature = "fake"))]
    pub const fn starting_at(place: RingPlace, index: u32) -> Self {
        Self(End::new(place, index))
    }

    /// Copies in as much as there is room for, and publishes it. No barrier, no notification: see
    /// [`Self::due`].
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
    pub fn write(&mut self, pages: &impl SharedPages, from: &[u8]) -> Result<usize, RingError> {
        let spans = self.writable(pages, from.len())?;
        let (first, rest) = from.split_at(spans.first.bytes);
        pages.copy_to(spans.first.at, first);
        if spans.second.bytes > 0 {
            pages.copy_to(spans.second.at, &rest[..spans.second.bytes]);
        }
        self.publish(pages, spans.bytes());
        Ok(spans.bytes())
    }

    /// Where up to `wanted` bytes may be written in place; fewer if the ring has less room.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
    pub fn writable(
        &mut self,
        pages: &impl SharedPages,
        wanted: usize,
    ) -> Result<Spans, RingError> {
        let wanted = clamp(wanted, self.0.place.size);
        if self.room() < wanted {
            self.refresh(pages)?;
        }
        Ok(self.0.spans(self.room().min(wanted)))
    }

    /// Makes `bytes` bytes, written where [`Self::writable`] said, visible to the consumer.
    ///
    /// # Panics
    /// If they are more than there is room for.
    pub fn publish(&mut self, pages: &impl SharedPages, bytes: usize) {
        let bytes = clamp(bytes, u32::MAX);
        assert!(bytes <= self.room(), "no more is published than there was room for");
        if bytes > 0 {
            self.0.advance(bytes);
            pages.store_u32(self.0.place.producer_line + LINE_INDEX, self.0.own);
        }
    }

    /// Bytes that the ring holds when full.
    pub const fn size(&self) -> u32 {
        self.0.place.size
    }

    /// Bytes that can be written, as far as known without a look.
    pub const fn room(&self) -> u32 {
        self.0.place.size - self.0.own.wrapping_sub(self.0.peer)
    }

    /// Reads the consumer's index again: it may have moved up to our own.
    pub(crate) fn refresh(&mut self, pages: &impl SharedPages) -> Result<(), RingError> {
        let found = pages.load_u32(self.0.place.consumer_line + LINE_INDEX);
        self.0.believe(found, self.0.own.wrapping_sub(self.0.peer))
    }

    /// Whether the consumer asked to be notified of what was written since the last look. The
    /// caller has put a full barrier in between.
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
        Self(End::new(place, 0))
    }

    /// A consumer whose indices begin elsewhere, to test the wrap; both lines must hold `index`.
    #[cfg(any(test, feature = "fake"))]
    pub const fn starting_at(place: RingPlace, index: u32) -> Self {
        Self(End::new(place, index))
    }

    /// Copies out as much as there is, at most `into.len()`, and gives its room back.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
    pub fn read(&mut self, pages: &impl SharedPages, into: &mut [u8]) -> Result<usize, RingError> {
        let bytes = self.peek(pages, into)?;
        self.consume(pages, bytes);
        Ok(bytes)
    }

    /// Copies out as [`Self::read`] does, but gives no room back: the same bytes can be read again.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
    pub fn peek(&mut self, pages: &impl SharedPages, into: &mut [u8]) -> Result<usize, RingError> {
        let spans = self.readable(pages, into.len())?;
        let (first, rest) = into.split_at_mut(spans.first.bytes);
        pages.copy_from(spans.first.at, first);
        if spans.second.bytes > 0 {
            pages.copy_from(spans.second.at, &mut rest[..spans.second.bytes]);
        }
        Ok(spans.bytes())
    }

    /// Where up to `wanted` bytes can be read in place; fewer if the ring holds less. The peer may
    /// change them while they are looked at.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
    pub fn readable(
        &mut self,
        pages: &impl SharedPages,
        wanted: usize,
    ) -> Result<Spans, RingError> {
        let wanted = clamp(wanted, self.0.place.size);
        if self.available() < wanted {
            self.refresh(pages)?;
        }
        Ok(self.0.spans(self.available().min(wanted)))
    }

    /// Gives the room of `bytes` bytes back to the producer.
    ///
    /// # Panics
    /// If they are more than are there.
    pub fn consume(&mut self, pages: &impl SharedPages, bytes: usize) {
        let bytes = clamp(bytes, u32::MAX);
        assert!(bytes <= self.available(), "no more is consumed than was there");
        if bytes > 0 {
            self.0.advance(bytes);
            pages.store_u32(self.0.place.consumer_line + LINE_INDEX, self.0.own);
        }
    }

    /// Bytes that the ring holds when full.
    pub const fn size(&self) -> u32 {
        self.0.place.size
    }

    /// Bytes that can be read, as far as known without a look.
    pub const fn available(&self) -> u32 {
        self.0.peer.wrapping_sub(self.0.own)
    }

    /// Reads the producer's index again: it may have moved until the ring is full.
    pub(crate) fn refresh(&mut self, pages: &impl SharedPages) -> Result<(), RingError> {
        let found = pages.load_u32(self.0.place.producer_line + LINE_INDEX);
        self.0.believe(found, self.0.place.size - self.available())
    }

    /// Whether the producer asked to be notified of the room given back since the last look. The
    /// caller has put a full barrier in between.
    pub(crate) fn due(&mut self, pages: &impl SharedPages) -> Notify {
        self.0.due(pages.load_u32(self.0.place.producer_line + LINE_EVENT))
    }

    /// Asks the producer to notify once `bytes` bytes can be read.
    pub(crate) fn ask(&self, pages: &impl SharedPages, bytes: u32) {
        let wish = self.0.own.wrapping_add(bytes.min(self.0.place.size));
        pages.store_u32(self.0.place.consumer_line + LINE_EVENT, wish);
    }
}

/// The smaller of a length and a limit, as the ring counts.
fn clamp(bytes: usize, limit: u32) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX).min(limit)
}
