//! The mapping side of one connection (docs/protocol.md §8): the peer's pages in the foreign
//! window and its end of the rings. It writes nothing before the header has been verified, looks
//! at the fence around each unit of work, and cannot be used once unmapped.

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

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Mapped; nothing known of the pages, nothing may be written.
    Mapped,
    /// The header is the announced one.
    Verified { number: ConnectionId, token: FenceToken },
    /// Stamped; data may flow.
    Serving { token: FenceToken },
}

/// One connection, from the mapping on. Given up by [`Self::unmap`]; merely dropping it would leave
/// the mapping behind, and the peer's pages in quarantine for ever.
#[must_use = "a connection must be unmapped, or the peer's pages stay pinned"]
#[derive(Debug)]
pub struct BackConnection<P> {
    pages: P,
    run: SlotRun,
    stage: Stage,
    stream: Stream,
}

/// What the back sees in the header, copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackView {
    /// Whether the front still stands by this connection.
    pub fence: Fence,
    /// The front's words.
    pub words: PageWords,
    /// Whether the front asks for a disconnect.
    pub closing: Closing,
}

/// Data cannot be moved any more.
///
/// Exhaustive on purpose: a closed fence is a normal end, a broken ring is the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// The front has given the connection up. What was copied out since the last unit is dropped.
    Fenced,
    /// The front broke the ring.
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
    /// Maps all pages that the peer offers, or none. `view` makes the view of the slots.
    ///
    /// # Errors
    /// [`MapError`].
    ///
    /// # Panics
    /// If the view has another number of pages than the run.
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
    /// If the view has another number of pages than the run.
    pub fn new(run: SlotRun, pages: P) -> Self {
        assert!(pages.pages() == run.count(), "the view shows exactly the mapped pages");
        let stream = Stream::back(&Layout::of(run.count()));
        Self { pages, run, stage: Stage::Mapped, stream }
    }

    /// Checks that these are the pages that the CONNECT announced. Writes nothing.
    ///
    /// # Errors
    /// [`VerifyError`]: unmap and refuse.
    ///
    /// # Panics
    /// If called twice.
    pub fn verify(&mut self, terms: &Terms) -> Result<(), VerifyError> {
        assert!(self.stage == Stage::Mapped, "a header is verified once");
        header::verify(&self.pages, terms)?;
        self.stage = Stage::Verified { number: terms.number, token: terms.fence_token() };
        Ok(())
    }

    /// Tells the front, in the page, that it is served. Everything that can fail has been done.
    ///
    /// # Panics
    /// If the header was not verified: that would write into a page of unknown purpose.
    pub fn stamp(&mut self, epoch: Epoch) {
        let Stage::Verified { number, token } = self.stage else {
            panic!("the stamp comes once, after the header was verified");
        };
        header::write_stamp(&self.pages, Stamp { epoch, number });
        self.stage = Stage::Serving { token };
    }

    /// Unmaps the pages. They cannot be touched any more, whatever the outcome.
    ///
    /// # Errors
    /// [`UnmapError`] if Xen refused; [`Window::sweep`] tries again.
    pub fn unmap(self, window: &mut Window, mapper: &mut impl Mapper) -> Result<(), UnmapError> {
        window.unmap(mapper, self.run)
    }

    /// As [`Self::unmap`], by `undo`, see [`Window::unmap_with`].
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

    /// Writes the own words.
    ///
    /// # Panics
    /// If the header was not verified.
    pub fn publish(&self, words: PageWords) {
        assert!(self.stage != Stage::Mapped, "nothing is written before the header is verified");
        header::publish(&self.pages, Side::Back, words);
    }

    /// Asks for a disconnect in the page; then notify.
    ///
    /// # Panics
    /// If the header was not verified.
    pub fn say_closing(&self) {
        assert!(self.stage != Stage::Mapped, "nothing is written before the header is verified");
        header::say_closing(&self.pages, Side::Back);
    }

    /// What the front wrote, copied. Before the header is verified the fence counts as closed.
    pub fn observe(&self) -> BackView {
        let (words, closing) = header::observe(&self.pages, Side::Front);
        BackView { fence: self.fence(), words, closing }
    }

    /// Reads from the front as much as there is, at most `into.len()` bytes: one unit of work. The
    /// fence is looked at before, and again after the bytes were copied: when it was closed in
    /// between, they are not to be acted on.
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

    /// Writes to the front as much as there is room for, after a look at the fence.
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

    /// Up to `wanted` bytes from the front, where they lie: one unit of work, which
    /// [`Self::consume`] ends.
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

    /// Gives the room of the next `bytes` bytes back, after a look at the fence.
    ///
    /// # Errors
    /// [`TransferError::Fenced`]: what was copied is not to be acted on.
    ///
    /// # Panics
    /// If they are more than [`Self::data`] showed, or if not stamped.
    pub fn consume(&mut self, bytes: usize) -> Result<(), TransferError> {
        self.check_fence(self.token())?;
        self.stream.incoming().consume(&self.pages, bytes);
        Ok(())
    }

    /// Room for up to `wanted` bytes to the front, after a look at the fence. [`Self::commit`] makes
    /// what was put there visible.
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

    /// Makes the next `bytes` bytes visible to the front.
    ///
    /// # Panics
    /// If they are more than [`Self::space`] gave.
    pub fn commit(&mut self, bytes: usize) {
        self.stream.outgoing().publish(&self.pages, bytes);
    }

    /// How far the peer has moved the two rings, see [`Stream::accepted`].
    pub const fn accepted(&self) -> [u32; 2] {
        self.stream.accepted()
    }

    /// The pages themselves. Who writes what this crate keeps there breaks the connection: for an
    /// image that puts its peer to the test.
    pub const fn pages(&self) -> &P {
        &self.pages
    }

    /// Ends a burst of reads and writes.
    pub fn flush(&mut self) -> Notify {
        self.stream.flush(&self.pages)
    }

    /// Bytes that can be written now, after a look at the peer's index.
    ///
    /// # Errors
    /// [`RingError`] if the peer's index lies.
    pub fn room(&mut self) -> Result<usize, RingError> {
        let all = self.stream.size() as usize;
        Ok(self.stream.outgoing().writable(&self.pages, all)?.bytes())
    }

    /// Looks for a moment whether a wish is fulfilled, see [`Stream::spin_until_ready`].
    ///
    /// # Errors
    /// [`TransferError`].
    ///
    /// # Panics
    /// If not stamped.
    pub fn spin_until_ready(&mut self, wish: WakeWhen) -> Result<Readiness, TransferError> {
        self.check_fence(self.token())?;
        Ok(self.stream.spin_until_ready(&self.pages, wish)?)
    }

    /// Flushes, asks to be woken and looks again, see [`Stream::before_sleep`].
    ///
    /// # Errors
    /// [`TransferError`].
    ///
    /// # Panics
    /// If not stamped.
    pub fn before_sleep(&mut self, wish: WakeWhen) -> Result<Sleep, TransferError> {
        self.check_fence(self.token())?;
        Ok(self.stream.before_sleep(&self.pages, wish)?)
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
