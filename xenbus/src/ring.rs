//! The page shared with the daemon and its two byte rings. The caller implements [`RingPage`];
//! [`RequestRing`] and [`ReplyRing`] stream bytes through it and decide when a doorbell is needed.

use crate::error::Ended;

/// Bytes in each of the two rings (xen/include/public/io/xs_wire.h, XENSTORE_RING_SIZE).
pub const RING_BYTES: u32 = 1024;

/// Bytes in the shared page (struct xenstore_domain_interface fills the first 2080 of them).
pub const PAGE_BYTES: usize = 4096;

/// Where the ring of requests starts in the page (xs_wire.h, `req`).
pub const REQUESTS_AT: usize = 0;

/// Where the ring of replies starts in the page (xs_wire.h, `rsp`).
pub const REPLIES_AT: usize = 1024;

// The indices run freely over 2^32, so the ring's size must divide it.
const _: () = assert!(RING_BYTES.is_power_of_two());

/// A word of the shared page, and its byte offset there (xs_wire.h, struct
/// xenstore_domain_interface).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RingWord {
    /// The daemon's consumer index of requests (`req_cons`).
    RequestConsumer = 2048,
    /// Our producer index of requests (`req_prod`).
    RequestProducer = 2052,
    /// Our consumer index of replies (`rsp_cons`).
    ReplyConsumer = 2056,
    /// The daemon's producer index of replies (`rsp_prod`).
    ReplyProducer = 2060,
    /// The daemon's features (`server_features`); see [`Features`].
    ServerFeatures = 2064,
    /// [`CONNECTED`] or [`RECONNECT`] (`connection`).
    Connection = 2068,
    /// Why the daemon gave up this connection, 0 if it did not (`error`).
    Error = 2072,
}

impl RingWord {
    /// The byte offset of the word in the page.
    pub const fn offset(self) -> usize {
        self as usize
    }
}

/// Value of [`RingWord::Connection`] in the steady state (xs_wire.h, XENSTORE_CONNECTED).
pub const CONNECTED: u32 = 0;

/// Value of [`RingWord::Connection`] while the daemon resets the ring, or has not yet connected to
/// it (xs_wire.h, XENSTORE_RECONNECT).
pub const RECONNECT: u32 = 1;

/// The page shared with the daemon (xen/include/public/io/xs_wire.h, struct
/// xenstore_domain_interface). The daemon may write it at any time, so nothing borrows from it:
/// bytes and words are copied and checked, and only the copy is used.
pub trait RingPage {
    /// Reads a word in one access, with acquire ordering.
    fn load(&self, word: RingWord) -> u32;
    /// Writes a word in one access, with release ordering.
    fn store(&mut self, word: RingWord, value: u32);
    /// Copies out of the page, starting at byte `offset`. `offset + into.len()` never
    /// exceeds [`PAGE_BYTES`].
    fn copy_from(&self, offset: usize, into: &mut [u8]);
    /// Copies into the page, starting at byte `offset`. `offset + from.len()` never exceeds
    /// [`PAGE_BYTES`].
    fn copy_to(&mut self, offset: usize, from: &[u8]);
    /// A sequentially consistent fence: orders all accesses before it against all after it,
    /// including stores before loads.
    fn full_barrier(&self);
}

/// Features of the daemon (docs/misc/xenstore-ring.txt, "Server feature bitmap").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Features(u32);

impl Features {
    /// Reads the bitmap of the page. Bits may appear later but never go away.
    pub fn of(page: &impl RingPage) -> Features {
        Features(page.load(RingWord::ServerFeatures))
    }

    /// The bitmap. Ignore unknown bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The guest can reset the ring (XENSTORE_SERVER_FEATURE_RECONNECTION).
    pub const fn reconnection(self) -> bool {
        self.0 & 1 != 0
    }

    /// The daemon reports why it gave up (XENSTORE_SERVER_FEATURE_ERROR).
    pub const fn error(self) -> bool {
        self.0 & 2 != 0
    }

    /// WATCH takes a depth (docs/misc/xenstore-ring.txt, bit 2; Xen 4.22 and later).
    pub const fn watch_depth(self) -> bool {
        self.0 & 4 != 0
    }
}

/// Whether an event-channel notification must follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doorbell {
    /// The daemon may be asleep and may not have seen the published index.
    Needed,
    /// The daemon will read the index again by itself.
    Suppressed,
}

/// A free-running index: the position of a byte in the endless stream, modulo 2^32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingIndex(pub u32);

impl RingIndex {
    /// Distance in bytes from `earlier` to `self`.
    pub const fn since(self, earlier: RingIndex) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// The index `bytes` further on.
    pub const fn plus(self, bytes: u32) -> RingIndex {
        RingIndex(self.0.wrapping_add(bytes))
    }

    /// Offset of this byte in its ring, below [`RING_BYTES`].
    pub const fn place(self) -> u32 {
        self.0 & (RING_BYTES - 1)
    }
}

/// Our end of the request ring: we produce, the daemon consumes.
#[derive(Clone, Debug)]
pub struct RequestRing {
    /// Producer index as published. The page must hold the same value, because only we write it.
    published: RingIndex,
    /// Producer index including bytes not yet published.
    produced: RingIndex,
}

impl RequestRing {
    /// A ring whose indices are not known yet; [`RequestRing::adopt`] reads them.
    pub const fn new() -> RequestRing {
        RequestRing { published: RingIndex(0), produced: RingIndex(0) }
    }

    /// Continues at the page's indices, which need not start at zero.
    pub fn adopt(&mut self, page: &impl RingPage) {
        self.produced = RingIndex(page.load(RingWord::RequestProducer));
        self.published = self.produced;
    }

    /// Whether the page still holds the producer index that we left there.
    pub fn undisturbed(&self, page: &impl RingPage) -> bool {
        page.load(RingWord::RequestProducer) == self.published.0
    }

    /// Number of bytes that can be put now, 0..=[`RING_BYTES`].
    ///
    /// # Errors
    /// [`Ended::RequestIndex`] if the daemon's index is invalid.
    pub fn space(&self, page: &impl RingPage) -> Result<u32, Ended> {
        let used = self.produced.since(RingIndex(page.load(RingWord::RequestConsumer)));
        RING_BYTES.checked_sub(used).ok_or(Ended::RequestIndex { used })
    }

    /// Copies `bytes` into the ring without publishing them. At most [`RequestRing::space`] bytes.
    pub fn put(&mut self, page: &mut impl RingPage, bytes: &[u8]) {
        assert!(bytes.len() <= RING_BYTES as usize);
        let place = self.produced.place() as usize;
        let (before_wrap, after_wrap) =
            bytes.split_at(bytes.len().min(RING_BYTES as usize - place));
        page.copy_to(REQUESTS_AT + place, before_wrap);
        if !after_wrap.is_empty() {
            page.copy_to(REQUESTS_AT, after_wrap);
        }
        self.produced = self.produced.plus(bytes.len() as u32);
    }

    /// Publishes the bytes put since the last call.
    ///
    /// The daemon sleeps only after it has read a producer index equal to its consumer index. If it
    /// has not consumed all earlier bytes *after the barrier*, that read is still to come and will
    /// see the new index: no doorbell is needed. Without the barrier our load could overtake our
    /// store, and both sides would wait for each other for ever.
    pub fn publish(&mut self, page: &mut impl RingPage) -> Doorbell {
        let before = self.published;
        if self.produced == before {
            return Doorbell::Suppressed;
        }
        page.store(RingWord::RequestProducer, self.produced.0);
        self.published = self.produced;
        page.full_barrier();
        let unread = before.since(RingIndex(page.load(RingWord::RequestConsumer)));
        if (1..=RING_BYTES).contains(&unread) { Doorbell::Suppressed } else { Doorbell::Needed }
    }
}

impl Default for RequestRing {
    fn default() -> RequestRing {
        RequestRing::new()
    }
}

/// Our end of the reply ring: the daemon produces, we consume.
#[derive(Clone, Debug)]
pub struct ReplyRing {
    /// Consumer index as published.
    published: RingIndex,
    /// Consumer index including bytes not yet published.
    consumed: RingIndex,
    /// The daemon's producer index as last read and checked.
    seen: RingIndex,
}

impl ReplyRing {
    /// A ring whose indices are not known yet; [`ReplyRing::adopt`] reads them.
    pub const fn new() -> ReplyRing {
        ReplyRing { published: RingIndex(0), consumed: RingIndex(0), seen: RingIndex(0) }
    }

    /// Continues at the page's indices, which need not start at zero. Bytes that an earlier owner
    /// of the page has not consumed are read now.
    pub fn adopt(&mut self, page: &impl RingPage) {
        self.consumed = RingIndex(page.load(RingWord::ReplyConsumer));
        self.published = self.consumed;
        self.seen = self.consumed;
    }

    /// Whether the page still holds the consumer index that we left there.
    pub fn undisturbed(&self, page: &impl RingPage) -> bool {
        page.load(RingWord::ReplyConsumer) == self.published.0
    }

    /// Whether bytes were consumed and not yet published.
    pub fn has_unpublished(&self) -> bool {
        self.consumed != self.published
    }

    /// Reads the daemon's producer index.
    ///
    /// # Errors
    /// [`Ended::ReplyIndex`] if it is more than a ring ahead of our published index, or moved
    /// backwards.
    pub fn refresh(&mut self, page: &impl RingPage) -> Result<(), Ended> {
        let producer = RingIndex(page.load(RingWord::ReplyProducer));
        let used = producer.since(self.published);
        if used > RING_BYTES || used < self.seen.since(self.published) {
            return Err(Ended::ReplyIndex { used });
        }
        self.seen = producer;
        Ok(())
    }

    /// Copies the bytes known since the last [`ReplyRing::refresh`] to the front of `into` and
    /// returns their number.
    pub fn take(&mut self, page: &impl RingPage, into: &mut [u8]) -> usize {
        let available = self.seen.since(self.consumed);
        assert!(available <= RING_BYTES);
        let length = into.len().min(available as usize);
        let place = self.consumed.place() as usize;
        let (into, _) = into.split_at_mut(length);
        let (before_wrap, after_wrap) = into.split_at_mut(length.min(RING_BYTES as usize - place));
        if !before_wrap.is_empty() {
            page.copy_from(REPLIES_AT + place, before_wrap);
        }
        if !after_wrap.is_empty() {
            page.copy_from(REPLIES_AT, after_wrap);
        }
        self.consumed = self.consumed.plus(length as u32);
        length
    }

    /// Publishes the bytes consumed since the last call, and reads the daemon's index again.
    ///
    /// The daemon sleeps with output left only if it found the ring full: its producer index is
    /// then a whole ring ahead of the consumer index that we now replace. We must read its index
    /// after the barrier. Without it our load could overtake our store, and the daemon could fill
    /// the ring in between, find it full against the old index, and sleep without a doorbell.
    ///
    /// # Errors
    /// [`Ended::ReplyIndex`] if the daemon's index is invalid.
    pub fn publish(&mut self, page: &mut impl RingPage) -> Result<Doorbell, Ended> {
        let before = self.published;
        if self.consumed == before {
            self.refresh(page)?;
            return Ok(Doorbell::Suppressed);
        }
        page.store(RingWord::ReplyConsumer, self.consumed.0);
        self.published = self.consumed;
        page.full_barrier();
        self.refresh(page)?;
        if self.seen.since(before) >= RING_BYTES {
            return Ok(Doorbell::Needed);
        }
        Ok(Doorbell::Suppressed)
    }
}

impl Default for ReplyRing {
    fn default() -> ReplyRing {
        ReplyRing::new()
    }
}
