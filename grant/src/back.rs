//! The mapping side of one connection (docs/protocol.md §8): the peer's pages in the foreign
//! window, and this side's ends of the rings. It writes nothing before the header is verified,
//! checks the fence around each unit of work, and cannot be used after unmapping.

use core::fmt;

use crate::epoch::Epoch;
use crate::foreign::{MapError, SlotRun, UnmapError, Window};
use crate::header::{
    self, Closing, ConnectionId, Fence, FenceToken, PageWords, Side, Stamp, Terms, VerifyError,
};
use crate::layout::Layout;
use crate::place::{Readable, Writable};
use crate::ports::{Mapper, Mapping, UnmapRefused};
use crate::ring::{Notify, RingError};
use crate::shared_pages::SharedPages;
use crate::stream::{Readiness, Sleep, Stream, WakeWhen};
use xen_types::{DomId, GrantRef};

/// Progress of setting up a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Mapped. The contents are unknown and nothing may be written.
    Mapped,
    /// The header matches the CONNECT.
    Verified { number: ConnectionId, token: FenceToken },
    /// Stamped; data may flow.
    Serving { token: FenceToken },
}

/// One connection whose pages are mapped. End it with [`Self::unmap`]: dropping it leaves the
/// mapping behind, and the peer's pages in quarantine for ever.
#[must_use = "a connection must be unmapped, or the peer's pages stay pinned"]
#[derive(Debug)]
pub struct BackConnection<P> {
    pages: P,
    run: SlotRun,
    stage: Stage,
    stream: Stream,
}

/// A copy of the header fields that the front writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackView {
    /// Whether the front keeps this connection open.
    pub fence: Fence,
    /// The front's words.
    pub words: PageWords,
    /// Whether the front requests a disconnect.
    pub closing: Closing,
}

/// Reason why no more data can be moved.
///
/// Exhaustive on purpose: a closed fence is a normal end, a broken ring is the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// The front has given up the connection. Bytes copied in the current unit of work must be
    /// discarded.
    Fenced,
    /// The front violated the ring protocol.
    Ring(RingError),
}

impl From<RingError> for TransferError {
    fn from(error: RingError) -> Self {
        Self::Ring(error)
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fenced => write!(f, "the peer has fenced the page"),
            Self::Ring(error) => write!(f, "{error}"),
        }
    }
}

impl<P: SharedPages> BackConnection<P> {
    /// Maps all pages that the peer offers, or none. `view` creates the view of the mapped slots.
    ///
    /// # Errors
    /// [`MapError`].
    ///
    /// # Panics
    /// If the view and the run have different numbers of pages.
    pub fn map(
        window: &mut Window,
        mapper: &mut impl Mapper,
        peer: DomId,
        refs: &[GrantRef],
        view: impl FnOnce(&SlotRun) -> P,
    ) -> Result<Self, MapError> {
        let run = window.map(mapper, peer, refs)?;
        let pages = view(&run);
        Ok(Self::new(run, pages))
    }

    /// A connection over pages that were just mapped.
    ///
    /// # Panics
    /// If the view and the run have different numbers of pages.
    pub fn new(run: SlotRun, pages: P) -> Self {
        assert!(
            pages.pages() == run.count(),
            "the view and the run differ in their number of pages"
        );
        let stream = Stream::back(&Layout::of(run.count()));
        Self { pages, run, stage: Stage::Mapped, stream }
    }

    /// Checks that the header matches the CONNECT. Writes nothing.
    ///
    /// # Errors
    /// [`VerifyError`]; unmap the pages and refuse the connection.
    ///
    /// # Panics
    /// If called twice.
    pub fn verify(&mut self, terms: &Terms) -> Result<(), VerifyError> {
        assert!(self.stage == Stage::Mapped, "a header is verified once");
        header::verify(&self.pages, terms)?;
        self.stage = Stage::Verified { number: terms.number, token: terms.fence_token() };
        Ok(())
    }

    /// Writes the stamp, by which the front learns that this side serves the connection. Every step
    /// that can fail must be done before.
    ///
    /// # Panics
    /// If the header was not verified, since the page may then serve another purpose.
    pub fn stamp(&mut self, epoch: Epoch) {
        let Stage::Verified { number, token } = self.stage else {
            panic!("the stamp comes once, after the header was verified");
        };
        header::write_stamp(&self.pages, Stamp { epoch, number });
        self.stage = Stage::Serving { token };
    }

    /// Unmaps the pages. They must not be accessed afterwards, not even after an error.
    ///
    /// # Errors
    /// [`UnmapError`] if Xen refused; [`Window::sweep`] tries again.
    pub fn unmap(self, window: &mut Window, mapper: &mut impl Mapper) -> Result<(), UnmapError> {
        window.unmap(mapper, self.run)
    }

    /// Like [`Self::unmap`], but unmaps by calling `undo`, see [`Window::unmap_with`].
    ///
    /// # Errors
    /// [`UnmapError`] if Xen refused; [`Window::sweep`] tries again.
    pub fn unmap_with(
        self,
        window: &mut Window,
        undo: impl FnMut(&[Mapping], &mut [Result<(), UnmapRefused>]),
    ) -> Result<(), UnmapError> {
        window.unmap_with(self.run, undo)
    }

    /// Writes this side's words into the page.
    ///
    /// # Panics
    /// If the header was not verified.
    pub fn publish(&self, words: PageWords) {
        assert!(self.stage != Stage::Mapped, "nothing is written before the header is verified");
        header::publish(&self.pages, Side::Back, words);
    }

    /// Requests a disconnect in the page. The caller must notify the peer.
    ///
    /// # Panics
    /// If the header was not verified.
    pub fn say_closing(&self) {
        assert!(self.stage != Stage::Mapped, "nothing is written before the header is verified");
        header::say_closing(&self.pages, Side::Back);
    }

    /// Copies the fields that the front writes. The fence counts as closed until the header is
    /// verified.
    pub fn observe(&self) -> BackView {
        let (words, closing) = header::observe(&self.pages, Side::Front);
        BackView { fence: self.fence(), words, closing }
    }

    /// Reads as many bytes as there are, at most `into.len()`, and returns their number: one unit
    /// of work. Checks the fence before and after copying. If the front closed it in between, the
    /// bytes must be discarded.
    ///
    /// # Errors
    /// [`TransferError`].
    ///
    /// # Panics
    /// If not stamped.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, TransferError> {
        let token = self.token();
        self.check_fence(token)?;
        let bytes = self.stream.incoming().peek(&self.pages, into)?;
        self.check_fence(token)?;
        self.stream.incoming().consume(&self.pages, bytes);
        Ok(bytes)
    }

    /// Checks the fence, writes as many bytes as there is space for and returns their number.
    ///
    /// # Errors
    /// [`TransferError`].
    ///
    /// # Panics
    /// If not stamped.
    pub fn write(&mut self, from: &[u8]) -> Result<usize, TransferError> {
        self.check_fence(self.token())?;
        Ok(self.stream.outgoing().write(&self.pages, from)?)
    }

    /// Up to `wanted` bytes from the front, in place. Begins a unit of work that [`Self::consume`]
    /// ends.
    ///
    /// # Errors
    /// [`TransferError`].
    ///
    /// # Panics
    /// If not stamped.
    pub fn data(&mut self, wanted: usize) -> Result<Readable<'_, P>, TransferError> {
        self.check_fence(self.token())?;
        let spans = self.stream.incoming().readable(&self.pages, wanted)?;
        Ok(Readable::new(&self.pages, spans))
    }

    /// Checks the fence and returns the space of the next `bytes` bytes to the front.
    ///
    /// # Errors
    /// [`TransferError::Fenced`]: the copied bytes must be discarded.
    ///
    /// # Panics
    /// If that exceeds the length that [`Self::data`] returned, or if not stamped.
    pub fn consume(&mut self, bytes: usize) -> Result<(), TransferError> {
        self.check_fence(self.token())?;
        self.stream.incoming().consume(&self.pages, bytes);
        Ok(())
    }

    /// Checks the fence and returns space for up to `wanted` bytes. [`Self::commit`] publishes the
    /// bytes put there.
    ///
    /// # Errors
    /// [`TransferError`].
    ///
    /// # Panics
    /// If not stamped.
    pub fn space(&mut self, wanted: usize) -> Result<Writable<'_, P>, TransferError> {
        self.check_fence(self.token())?;
        let spans = self.stream.outgoing().writable(&self.pages, wanted)?;
        Ok(Writable::new(&self.pages, spans))
    }

    /// Publishes the next `bytes` bytes to the front.
    ///
    /// # Panics
    /// If that exceeds the length that [`Self::space`] returned.
    pub fn commit(&mut self, bytes: usize) {
        self.stream.outgoing().publish(&self.pages, bytes);
    }

    /// The peer's progress on both rings, see [`Stream::accepted`].
    pub const fn accepted(&self) -> [u32; 2] {
        self.stream.accepted()
    }

    /// The shared pages, for an image that tests its peer. Writing to them breaks the connection.
    pub const fn pages(&self) -> &P {
        &self.pages
    }

    /// Ends a burst of reads and writes, see [`Stream::flush`].
    pub fn flush(&mut self) -> Notify {
        self.stream.flush(&self.pages)
    }

    /// Bytes that can be written now. Reads the peer's index.
    ///
    /// # Errors
    /// [`TransferError::Ring`] if the peer's index is invalid.
    pub fn room(&mut self) -> Result<usize, TransferError> {
        let all = self.stream.size() as usize;
        Ok(self.stream.outgoing().writable(&self.pages, all)?.bytes())
    }

    /// Polls for a bounded time, see [`Stream::spin_until_ready`].
    ///
    /// # Errors
    /// [`TransferError`].
    ///
    /// # Panics
    /// If not stamped.
    pub fn spin_until_ready(&mut self, wake: WakeWhen) -> Result<Readiness, TransferError> {
        self.check_fence(self.token())?;
        Ok(self.stream.spin_until_ready(&self.pages, wake)?)
    }

    /// Flushes, requests a notification and checks again, see [`Stream::before_sleep`].
    ///
    /// # Errors
    /// [`TransferError`].
    ///
    /// # Panics
    /// If not stamped.
    pub fn before_sleep(&mut self, wake: WakeWhen) -> Result<Sleep, TransferError> {
        self.check_fence(self.token())?;
        Ok(self.stream.before_sleep(&self.pages, wake)?)
    }

    fn fence(&self) -> Fence {
        match self.stage {
            Stage::Mapped => Fence::Closed,
            Stage::Verified { token, .. } | Stage::Serving { token } => {
                header::fence(&self.pages, token)
            }
        }
    }

    fn token(&self) -> FenceToken {
        let Stage::Serving { token } = self.stage else {
            panic!("data flow only once stamped");
        };
        token
    }

    fn check_fence(&self, token: FenceToken) -> Result<(), TransferError> {
        match header::fence(&self.pages, token) {
            Fence::Open => Ok(()),
            Fence::Closed => Err(TransferError::Fenced),
        }
    }
}
