//! The granting side of one connection (docs/protocol.md §7): its pages, its grants and its end of
//! the rings. Everything that it ever granted is either ended or in quarantine when it is gone.

use core::fmt;

use crate::header::{self, Closing, PageWords, Side, Stamp, Terms};
use crate::layout::Layout;
use crate::page_set::{Granted, PageSet};
use crate::place::{Readable, Writable};
use crate::ports::GrantError;
use crate::ports::Granter;
use crate::quarantine::{Quarantine, StillMapped};
use crate::ring::{Notify, RingError};
use crate::shared_pages::SharedPages;
use crate::stream::{Readiness, Sleep, Stream, WakeWhen};
use xen_types::{DomId, GrantRef};

/// One connection, from the grants on. Given up by [`Self::release`]; merely dropping it would
/// leave the grants behind, and lose the pages: a view gives no memory back when it is dropped (see
/// [`SharedPages`]), and only [`Self::release`] and [`Quarantine::sweep`] hand the set out again.
#[must_use = "a connection must be released, or its grants stay"]
#[derive(Debug)]
pub struct FrontConnection<P> {
    set: PageSet<P>,
    granted: Granted,
    stream: Stream,
}

/// What the front sees in the header, copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrontView {
    /// What the back has stamped so far.
    pub stamp: Stamp,
    /// The back's words.
    pub words: PageWords,
    /// Whether the back asks for a disconnect.
    pub closing: Closing,
}

/// A connection could not be opened.
#[derive(Debug)]
pub struct OpenError<P> {
    /// Why.
    pub why: OpenRefusal,
    /// The pages; `None` if a peer that guessed a reference has mapped one already, so that they
    /// went into quarantine.
    pub set: Option<PageSet<P>>,
}

/// Why a connection could not be opened. All of these are our own domain's limits.
///
/// Exhaustive on purpose: the channel maps each one to its own reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenRefusal {
    /// Too many page sets are in use or still mapped by peers.
    QuarantineFull,
    /// The grant table is full.
    Grant(GrantError),
}

impl fmt::Display for OpenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QuarantineFull => write!(f, "the quarantine is full"),
            Self::Grant(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for OpenRefusal {}

impl<P> fmt::Display for OpenError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl<P: fmt::Debug> core::error::Error for OpenError<P> {}

impl<P: SharedPages> FrontConnection<P> {
    /// Zeroes the pages, writes the header and grants them to `peer`. The CONNECT may go out.
    ///
    /// # Errors
    /// [`OpenError`]; what had been granted is ended, or in quarantine.
    pub fn open(
        set: PageSet<P>,
        peer: DomId,
        terms: &Terms,
        granter: &mut impl Granter<P>,
        quarantine: &mut Quarantine<P>,
    ) -> Result<Self, OpenError<P>> {
        if quarantine.reserve().is_none() {
            return Err(OpenError { why: OpenRefusal::QuarantineFull, set: Some(set) });
        }
        set.pages().zero();
        header::write(set.pages(), terms);
        let mut granted = Granted::NONE;
        if let Err(error) = granter.grant(peer, &set, &mut granted) {
            header::close_fence(set.pages());
            let set = quarantine.give_up(set, granted, granter).ok();
            return Err(OpenError { why: OpenRefusal::Grant(error), set });
        }
        let stream = Stream::front(&Layout::of(set.pages().pages()));
        Ok(Self { set, granted, stream })
    }

    /// The references to tell the peer, in the order of the pages.
    pub fn refs(&self) -> impl Iterator<Item = GrantRef> + '_ {
        self.granted.iter()
    }

    /// Bytes of each ring, to tell the peer.
    pub const fn ring_bytes(&self) -> u32 {
        self.stream.size()
    }

    /// Closes the fence: the back stops at the latest after the unit of work that it is in. Then
    /// notify it.
    pub fn fence(&self) {
        header::close_fence(self.set.pages());
    }

    /// Fences, ends every grant that can be ended, and lets go of the pages: zeroed, if all grants
    /// are ended. Close the event channel before, so that a reused domain cannot take it up.
    ///
    /// # Errors
    /// [`StillMapped`]: the pages went into the quarantine.
    pub fn release(
        self,
        granter: &mut impl Granter<P>,
        quarantine: &mut Quarantine<P>,
    ) -> Result<PageSet<P>, StillMapped> {
        self.fence();
        quarantine.give_up(self.set, self.granted, granter)
    }

    /// Writes the own words.
    pub fn publish(&self, words: PageWords) {
        header::publish(self.set.pages(), Side::Front, words);
    }

    /// Asks for a disconnect in the page; then notify.
    pub fn say_closing(&self) {
        header::say_closing(self.set.pages(), Side::Front);
    }

    /// What the back wrote, copied.
    pub fn observe(&self) -> FrontView {
        let (words, closing) = header::observe(self.set.pages(), Side::Back);
        FrontView { stamp: header::read_stamp(self.set.pages()), words, closing }
    }

    /// Reads from the back as much as there is, at most `into.len()` bytes.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, RingError> {
        self.stream.incoming().read(self.set.pages(), into)
    }

    /// Writes to the back as much as there is room for.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
    pub fn write(&mut self, from: &[u8]) -> Result<usize, RingError> {
        self.stream.outgoing().write(self.set.pages(), from)
    }

    /// Up to `wanted` bytes from the back, where they lie. [`Self::consume`] gives their room back.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
    pub fn data(&mut self, wanted: usize) -> Result<Readable<'_, P>, RingError> {
        let spans = self.stream.incoming().readable(self.set.pages(), wanted)?;
        Ok(Readable::new(self.set.pages(), spans))
    }

    /// Gives the room of the next `bytes` bytes back.
    ///
    /// # Panics
    /// If they are more than [`Self::data`] showed.
    pub fn consume(&mut self, bytes: usize) {
        self.stream.incoming().consume(self.set.pages(), bytes);
    }

    /// Room for up to `wanted` bytes to the back. [`Self::commit`] makes what was put there visible.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
    pub fn space(&mut self, wanted: usize) -> Result<Writable<'_, P>, RingError> {
        let spans = self.stream.outgoing().writable(self.set.pages(), wanted)?;
        Ok(Writable::new(self.set.pages(), spans))
    }

    /// Makes the next `bytes` bytes visible to the back.
    ///
    /// # Panics
    /// If they are more than [`Self::space`] gave.
    pub fn commit(&mut self, bytes: usize) {
        self.stream.outgoing().publish(self.set.pages(), bytes);
    }

    /// How far the peer has moved the two rings, see [`Stream::accepted`].
    pub const fn accepted(&self) -> [u32; 2] {
        self.stream.accepted()
    }

    /// The pages themselves. Who writes what this crate keeps there breaks the connection: for an
    /// image that puts its peer to the test.
    pub const fn pages(&self) -> &P {
        self.set.pages()
    }

    /// Ends a burst of reads and writes.
    pub fn flush(&mut self) -> Notify {
        self.stream.flush(self.set.pages())
    }

    /// Bytes that can be written now, after a look at the peer's index.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
    pub fn room(&mut self) -> Result<usize, RingError> {
        let all = self.ring_bytes() as usize;
        Ok(self.stream.outgoing().writable(self.set.pages(), all)?.bytes())
    }

    /// Looks for a moment whether a wish is fulfilled, see [`Stream::spin_until_ready`].
    ///
    /// # Errors
    /// [`RingError`] if a peer's index lies.
    pub fn spin_until_ready(&mut self, wish: WakeWhen) -> Result<Readiness, RingError> {
        self.stream.spin_until_ready(self.set.pages(), wish)
    }

    /// Flushes, asks to be woken and looks again, see [`Stream::before_sleep`].
    ///
    /// # Errors
    /// [`RingError`] if a peer's index lies.
    pub fn before_sleep(&mut self, wish: WakeWhen) -> Result<Sleep, RingError> {
        self.stream.before_sleep(self.set.pages(), wish)
    }
}
