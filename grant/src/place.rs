//! Access to a ring's bytes in place, without a buffer in between: [`Readable`] and [`Writable`].
//! Neither borrows the memory, because the peer may change it at any moment: bytes are copied
//! directly between the ring and the caller's memory.

use crate::ring::{Span, Spans};
use crate::shared_pages::SharedPages;

/// A range of a ring: [`Readable`] or [`Writable`].
#[derive(Debug)]
pub struct InPlace<'a, P, const WRITABLE: bool> {
    pages: &'a P,
    spans: Spans,
}

/// Bytes that the peer has written and that are not yet consumed.
pub type Readable<'a, P> = InPlace<'a, P, false>;

/// Free space in the ring, not yet committed.
pub type Writable<'a, P> = InPlace<'a, P, true>;

impl<'a, P: SharedPages, const WRITABLE: bool> InPlace<'a, P, WRITABLE> {
    pub(crate) const fn new(pages: &'a P, spans: Spans) -> Self {
        Self { pages, spans }
    }

    /// Length in bytes, at most the length that was requested.
    pub const fn len(&self) -> usize {
        self.spans.bytes()
    }

    /// Whether the range is empty.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<P: SharedPages> Readable<'_, P> {
    /// Copies bytes out, starting at byte `at` of the range. Two reads of the same bytes may
    /// differ, because a hostile peer can write at any time: copy once, then check and use the
    /// copy.
    ///
    /// # Panics
    /// If `at + into.len()` exceeds the range.
    pub fn get(&self, at: usize, into: &mut [u8]) {
        let [first, second] = self.spans.part(at, into.len());
        let (head, tail) = into.split_at_mut(first.bytes);
        self.pages.copy_from(first.at, head);
        if second.bytes > 0 {
            self.pages.copy_from(second.at, tail);
        }
    }
}

impl<P: SharedPages> Writable<'_, P> {
    /// Copies bytes in, starting at byte `at` of the range. The order is free and bytes may be
    /// overwritten: the peer does not see them before the commit.
    ///
    /// # Panics
    /// If `at + from.len()` exceeds the range.
    pub fn put(&self, at: usize, from: &[u8]) {
        let [first, second] = self.spans.part(at, from.len());
        let (head, tail) = from.split_at(first.bytes);
        self.pages.copy_to(first.at, head);
        if second.bytes > 0 {
            self.pages.copy_to(second.at, tail);
        }
    }
}

impl Spans {
    /// The `bytes` bytes that start at byte `at` of the range.
    fn part(&self, at: usize, bytes: usize) -> [Span; 2] {
        assert!(at <= self.bytes() && bytes <= self.bytes() - at, "the part exceeds the range");
        let skipped = at.min(self.first.bytes);
        let first = bytes.min(self.first.bytes - skipped);
        [
            Span { at: self.first.at + skipped, bytes: first },
            Span { at: self.second.at + (at - skipped), bytes: bytes - first },
        ]
    }
}
