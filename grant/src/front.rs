//! The granting side of one connection (docs/protocol.md §7): its pages, its grants and its ends of
//! the rings. Once it is released, each of its grants is either ended or in quarantine.

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

/// One connection whose pages are granted. End it with [`Self::release`]: dropping it leaves the
/// grants behind and leaks the pages. A dropped view frees no memory (see [`SharedPages`]); only
/// [`Self::release`] and [`Quarantine::sweep`] return the page set.
#[must_use = "a connection must be released, or its grants stay"]
#[derive(Debug)]
pub struct FrontConnection<P> {
    set: PageSet<P>,
    granted: Granted,
    stream: Stream,
}

/// A copy of the header fields that the back writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrontView {
    /// The back's stamp.
    pub stamp: Stamp,
    /// The back's words.
    pub words: PageWords,
    /// Whether the back requests a disconnect.
    pub closing: Closing,
}

/// A connection could not be opened.
#[derive(Debug)]
pub struct OpenError<P> {
    /// The reason.
    pub why: OpenRefusal,
    /// The pages. `None` if they are in quarantine, because a peer guessed a reference and has
    /// already mapped a page.
    pub set: Option<PageSet<P>>,
}

/// Why a connection could not be opened: always a limit of the own domain.
///
/// Exhaustive on purpose: the channel maps each one to its own reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenRefusal {
    /// All slots are reserved or hold pages that peers still map.
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
    /// Zeroes the pages, writes the header and grants them to `peer`. Afterwards the CONNECT may be
    /// sent.
    ///
    /// # Errors
    /// [`OpenError`]; grants made so far are ended or in quarantine.
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

    /// The references to send to the peer, in the order of the pages.
    pub fn refs(&self) -> impl Iterator<Item = GrantRef> + '_ {
        self.granted.iter()
    }

    /// Size of each ring in bytes, to send to the peer.
    pub const fn ring_bytes(&self) -> u32 {
        self.stream.size()
    }

    /// Closes the fence: the back stops after its current unit of work at the latest. The caller
    /// must notify it.
    pub fn fence(&self) {
        header::close_fence(self.set.pages());
    }

    /// Closes the fence and ends every grant that can be ended. Returns the zeroed pages if all
    /// grants are ended. Close the event channel first, so that a domain that reuses the domid
    /// cannot bind it.
    ///
    /// # Errors
    /// [`StillMapped`]: the pages are now in the quarantine.
    pub fn release(
        self,
        granter: &mut impl Granter<P>,
        quarantine: &mut Quarantine<P>,
    ) -> Result<PageSet<P>, StillMapped> {
        self.fence();
        quarantine.give_up(self.set, self.granted, granter)
    }

    /// Writes this side's words into the page.
    pub fn publish(&self, words: PageWords) {
        header::publish(self.set.pages(), Side::Front, words);
    }

    /// Requests a disconnect in the page. The caller must notify the peer.
    pub fn say_closing(&self) {
        header::say_closing(self.set.pages(), Side::Front);
    }

    /// Copies the fields that the back writes.
    pub fn observe(&self) -> FrontView {
        let (words, closing) = header::observe(self.set.pages(), Side::Back);
        FrontView { stamp: header::read_stamp(self.set.pages()), words, closing }
    }

    /// Reads as many bytes as there are, at most `into.len()`, and returns their number.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index is invalid.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, RingError> {
        self.stream.incoming().read(self.set.pages(), into)
    }

    /// Writes as many bytes as there is space for and returns their number.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index is invalid.
    pub fn write(&mut self, from: &[u8]) -> Result<usize, RingError> {
        self.stream.outgoing().write(self.set.pages(), from)
    }

    /// Up to `wanted` bytes from the back, in place. [`Self::consume`] returns their space.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index is invalid.
    pub fn data(&mut self, wanted: usize) -> Result<Readable<'_, P>, RingError> {
        let spans = self.stream.incoming().readable(self.set.pages(), wanted)?;
        Ok(Readable::new(self.set.pages(), spans))
    }

    /// Returns the space of the next `bytes` bytes to the back.
    ///
    /// # Panics
    /// If that exceeds the length that [`Self::data`] returned.
    pub fn consume(&mut self, bytes: usize) {
        self.stream.incoming().consume(self.set.pages(), bytes);
    }

    /// Space for up to `wanted` bytes. [`Self::commit`] publishes the bytes put there.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index is invalid.
    pub fn space(&mut self, wanted: usize) -> Result<Writable<'_, P>, RingError> {
        let spans = self.stream.outgoing().writable(self.set.pages(), wanted)?;
        Ok(Writable::new(self.set.pages(), spans))
    }

    /// Publishes the next `bytes` bytes to the back.
    ///
    /// # Panics
    /// If that exceeds the length that [`Self::space`] returned.
    pub fn commit(&mut self, bytes: usize) {
        self.stream.outgoing().publish(self.set.pages(), bytes);
    }

    /// The peer's progress on both rings, see [`Stream::accepted`].
    pub const fn accepted(&self) -> [u32; 2] {
        self.stream.accepted()
    }

    /// The shared pages, for an image that tests its peer. Writing to them breaks the connection.
    pub const fn pages(&self) -> &P {
        self.set.pages()
    }

    /// Ends a burst of reads and writes, see [`Stream::flush`].
    pub fn flush(&mut self) -> Notify {
        self.stream.flush(self.set.pages())
    }

    /// Bytes that can be written now. Reads the peer's index.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index is invalid.
    pub fn room(&mut self) -> Result<usize, RingError> {
        let all = self.ring_bytes() as usize;
        Ok(self.stream.outgoing().writable(self.set.pages(), all)?.bytes())
    }

    /// Polls for a bounded time, see [`Stream::spin_until_ready`].
    ///
    /// # Errors
    /// [`RingError`] if an index of the peer is invalid.
    pub fn spin_until_ready(&mut self, wake: WakeWhen) -> Result<Readiness, RingError> {
        self.stream.spin_until_ready(self.set.pages(), wake)
    }

    /// Flushes, requests a notification and checks again, see [`Stream::before_sleep`].
    ///
    /// # Errors
    /// [`RingError`] if an index of the peer is invalid.
    pub fn before_sleep(&mut self, wake: WakeWhen) -> Result<Sleep, RingError> {
        self.stream.before_sleep(self.set.pages(), wake)
    }
}
