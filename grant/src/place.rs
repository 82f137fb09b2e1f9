//! The ring's bytes where they lie, without a buffer in between: [`Data`] to read, [`Writable`] to
//! write. Neither lends memory out, since the peer may change it at any moment: bytes are copied
//! straight to or from wherever the caller has them, each once.

use crate::ring::{Span, Spans};
use crate::shared_pages::SharedPages;

/// Bytes that the peer has written and that were not consumed yet.
#[derive(Debug)]
pub struct Readable<'a, P> {
    pages: &'a P,
    spans: Spans,
}

/// Room that the peer has given, not written or not committed yet.
#[derive(Debug)]
pub struct Writable<'a, P> {
    pages: &'a P,
    spans: Spans,
}

impl<'a, P: SharedPages> Readable<'a, P> {
    pub(crate) const fn new(pages: &'a P, spans: Spans) -> Self {
        Self { pages, spans }
    }

    /// How many bytes there are, at most as many as were wanted.
    pub const fn len(&self) -> usize {
        self.spans.bytes()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies bytes out, from byte `at` of these on. Looked at twice, they may differ: a hostile
    /// peer writes on. What is to be checked and then used is copied once.
    ///
    /// # Panics
    /// If that is more than there are.
    pub fn get(&self, at: usize, into: &mut [u8]) {
        let [first, second] = self.spans.part(at, into.len());
        let (head, tail) = into.split_at_mut(first.bytes);
        self.pages.copy_from(first.at, head);
        if second.bytes > 0 {
            self.pages.copy_from(second.at, tail);
        }
    }
}

impl<'a, P: SharedPages> Writable<'a, P> {
    pub(crate) const fn new(pages: &'a P, spans: Spans) -> Self {
        Self { pages, spans }
    }

    /// How many bytes have room, at most as many as were wanted.
    pub const fn len(&self) -> usize {
        self.spans.bytes()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies bytes in, at byte `at` of the room. In any order, and more than once if need be: the
    /// peer is told of nothing before the commit.
    ///
    /// # Panics
    /// If that is more than there is room for.
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
    /// The part of so many bytes from byte `at` on.
    fn part(&self, at: usize, bytes: usize) -> [Span; 2] {
        assert!(at <= self.bytes() && bytes <= self.bytes() - at, "a part of what there is");
        let skipped = at.min(self.first.bytes);
        let first = bytes.min(self.first.bytes - skipped);
        [
            Span { at: self.first.at + skipped, bytes: first },
            Span { at: self.second.at + (at - skipped), bytes: bytes - first },
        ]
    }
}
