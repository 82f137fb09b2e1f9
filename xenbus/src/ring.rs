//! The page shared with the daemon and the arithmetic of its two byte rings. [`RingPage`] is what
//! the caller supplies; [`RequestRing`] and [`ReplyRing`] stream bytes of any length through it and
//! decide when a doorbell is needed. Neighbours: `outgoing` feeds the one, `decoder` is fed by the
//! other, `client` owns both.

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
    /// How many request bytes the daemon has taken (`req_cons`).
    RequestConsumer = 2048,
    /// How many request bytes we have produced (`req_prod`).
    RequestProducer = 2052,
    /// How many reply bytes we have taken (`rsp_cons`).
    ReplyConsumer = 2056,
    /// How many reply bytes the daemon has produced (`rsp_prod`).
    ReplyProducer = 2060,
    /// What the daemon offers (`server_features`); see [`Features`].
    ServerFeatures = 2064,
    /// [`CONNECTED`] or [`RECONNECT`] (`connection`).
    Connection = 2068,
    /// Why the daemon gave this connection up, 0 for not at all (`error`).
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

/// Value of [`RingWord::Connection`] while the daemon resets the ring, or has not yet taken it up
/// (xs_wire.h, XENSTORE_RECONNECT).
pub const RECONNECT: u32 = 1;

/// The page shared with the daemon (xen/include/public/io/xs_wire.h, struct
/// xenstore_domain_interface). The daemon writes it at any time, so nothing ever borrows from it:
/// bytes and words are copied, checked, and only the copy is used.
pub trait RingPage {
    /// Reads a word, once and whole, with acquire ordering.
    fn load(&self, word: RingWord) -> u32;
    /// Writes a word, once and whole, with release ordering.
    fn store(&mut self, word: RingWord, value: u32);
    /// Copies out of the page, from the byte `offset` of the page. `offset + into.len()` never
    /// exceeds [`PAGE_BYTES`].
    fn copy_from(&self, offset: usize, into: &mut [u8]);
    /// Copies into the page, to the byte `offset` of the page. `offset + from.len()` never exceeds
    /// [`PAGE_BYTES`].
    fn copy_to(&mut self, offset: usize, from: &[u8]);
    /// Orders all that went before against all that follows, a store against a later load too
    /// (a sequentially consistent fence).
    fn full_barrier(&self);
}

/// What the daemon says it can do (docs/misc/xenstore-ring.txt, "Server feature bitmap").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Features(u32);

impl Features {
    /// Reads the bitmap of the page. Bits may appear later but never go away.
    pub fn of(page: &impl RingPage) -> Features {
        Features(page.load(RingWord::ServerFeatures))
    }

    /// The bitmap itself; unknown bits are to be ignored.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The ring can be reset from our side (XENSTORE_SERVER_FEATURE_RECONNECTION).
    pub const fn reconnection(self) -> bool {
        self.0 & 1 != 0
    }

    /// The daemon tells why it gave up (XENSTORE_SERVER_FEATURE_ERROR).
    pub const fn error(self) -> bool {
        self.0 & 2 != 0
    }

    /// WATCH takes a depth (docs/misc/xenstore-ring.txt, bit 2; Xen 4.22 and later).
    pub const fn watch_depth(self) -> bool {
        self.0 & 4 != 0
    }
}

/// Whether an event-channel notification has to follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doorbell {
    /// The daemon may be asleep without having seen what we published.
    Needed,
    /// The daemon is bound to look again by itself.
    Suppressed,
}

/// A free-running index: the position of a byte in the endless stream, modulo 2^32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingIndex(pub u32);

impl RingIndex {
    /// How far `self` is ahead of `earlier`.
    pub const fn since(self, earlier: RingIndex) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// The index `bytes` further on.
    pub const fn plus(self, bytes: u32) -> RingIndex {
        RingIndex(self.0.wrapping_add(bytes))
    }

    /// The place of this byte in its ring, below [`RING_BYTES`].
    pub const fn place(self) -> u32 {
        self.0 & (RING_BYTES - 1)
    }
}

/// Our end of the request ring: we produce, the daemon consumes.
#[derive(Clone, Debug)]
pub struct RequestRing {
    /// What the daemon has been told; the page's copy must agree, for nobody else writes it.
    published: RingIndex,
    /// What has been copied into the ring, told or not.
    produced: RingIndex,
}

impl RequestRing {
    /// A ring whose indices are not known yet; [`RequestRing::adopt`] reads them.
    pub const fn new() -> RequestRing {
        RequestRing { published: RingIndex(0), produced: RingIndex(0) }
    }

    /// Goes on from where the page stands: indices need not start at zero.
    pub fn adopt(&mut self, page: &impl RingPage) {
        self.produced = RingIndex(page.load(RingWord::RequestProducer));
        self.published = self.produced;
    }

    /// Whether the page still holds the producer index that we left there.
    pub fn undisturbed(&self, page: &impl RingPage) -> bool {
        page.load(RingWord::RequestProducer) == self.published.0
    }

    /// How many bytes can be put now, 0..=[`RING_BYTES`].
    ///
    /// # Errors
    /// [`Ended::RequestIndex`] if the daemon's index cannot be true.
    pub fn space(&self, page: &impl RingPage) -> Result<u32, Ended> {
        let used = self.produced.since(RingIndex(page.load(RingWord::RequestConsumer)));
        RING_BYTES.checked_sub(used).ok_or(Ended::RequestIndex { used })
    }

    /// Copies `bytes`, at most what [`RequestRing::space`] has granted, without telling the daemon.
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

    /// Tells the daemon what has been put since the last time.
    ///
    /// The daemon goes to sleep only after a look that found its consumer index equal to the
    /// producer index. If, *after the barrier*, it has not yet taken all that we published before,
    /// that look is still to come and will see the new index: no doorbell. Without the barrier our
    /// load could overtake our store, and both sides would rely on each other for ever.
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
    /// What the daemon has been told that we took.
    published: RingIndex,
    /// What we have copied out, told or not.
    consumed: RingIndex,
    /// The daemon's producer index when we last looked, already checked.
    seen: RingIndex,
}

impl ReplyRing {
    /// A ring whose indices are not known yet; [`ReplyRing::adopt`] reads them.
    pub const fn new() -> ReplyRing {
        ReplyRing { published: RingIndex(0), consumed: RingIndex(0), seen: RingIndex(0) }
    }

    /// Goes on from where the page stands: indices need not start at zero, and what an earlier
    /// owner of the page has not read is read now.
    pub fn adopt(&mut self, page: &impl RingPage) {
        self.consumed = RingIndex(page.load(RingWord::ReplyConsumer));
        self.published = self.consumed;
        self.seen = self.consumed;
    }

    /// Whether the page still holds the consumer index that we left there.
    pub fn undisturbed(&self, page: &impl RingPage) -> bool {
        page.load(RingWord::ReplyConsumer) == self.published.0
    }

    /// Whether something was taken that the daemon has not been told about.
    pub fn has_untold(&self) -> bool {
        self.consumed != self.published
    }

    /// Looks how far the daemon has got.
    ///
    /// # Errors
    /// [`Ended::ReplyIndex`] if its index cannot be true: more than a ring ahead of what it knows
    /// to be taken, or behind where it was before.
    pub fn look(&mut self, page: &impl RingPage) -> Result<(), Ended> {
        let producer = RingIndex(page.load(RingWord::ReplyProducer));
        let used = producer.since(self.published);
        if used > RING_BYTES || used < self.seen.since(self.published) {
            return Err(Ended::ReplyIndex { used });
        }
        self.seen = producer;
        Ok(())
    }

    /// Copies what is there, as of the last look, into the front of `into`; returns how many
    /// bytes, 0 if nothing is there.
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

    /// Tells the daemon what has been taken since the last time, and looks again.
    ///
    /// The daemon sleeps with output left only after a look that found the ring full. It can have
    /// found it full only against the consumer index that we now replace, and only if its producer
    /// index is a whole ring ahead of that. The look for it must come after the barrier: without
    /// it our load could overtake our store, the daemon could fill the ring in between, find it
    /// full against the old index, and sleep without a doorbell.
    ///
    /// # Errors
    /// [`Ended::ReplyIndex`] if the daemon's index cannot be true.
    pub fn publish(&mut self, page: &mut impl RingPage) -> Result<Doorbell, Ended> {
        let before = self.published;
        if self.consumed == before {
            self.look(page)?;
            return Ok(Doorbell::Suppressed);
        }
        page.store(RingWord::ReplyConsumer, self.consumed.0);
        self.published = self.consumed;
        page.full_barrier();
        self.look(page)?;
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
