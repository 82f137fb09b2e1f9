//! The pages of one connection, and the references granted for them.

use xen_types::GrantRef;

use crate::layout::PAGES_MAX;
use crate::shared_pages::SharedPages;

/// The pages of one connection: a view of their memory, and their guest frames in the same order.
#[derive(Debug)]
pub struct PageSet<P> {
    pages: P,
    frames: [u32; PAGES_MAX],
}

impl<P: SharedPages> PageSet<P> {
    /// Combines a view with its frames. Frames beyond `pages.pages()` are ignored.
    ///
    /// # Panics
    /// If the view has no page, or more than [`PAGES_MAX`].
    pub fn new(pages: P, frames: [u32; PAGES_MAX]) -> Self {
        assert!(pages.pages() >= 1, "a page set has a page");
        assert!(pages.pages() <= PAGES_MAX, "a page set has too many pages");
        Self { pages, frames }
    }

    /// The view.
    pub const fn pages(&self) -> &P {
        &self.pages
    }

    /// Returns the view, to free its memory. An owned set has no active grants.
    pub fn into_pages(self) -> P {
        self.pages
    }

    /// The guest frames, one per page.
    pub fn frames(&self) -> &[u32] {
        self.frames.get(..self.pages.pages()).unwrap_or(&self.frames)
    }
}

/// Active references of one page set, at most one per page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    refs: [Option<GrantRef>; PAGES_MAX],
}

impl Granted {
    /// No references.
    pub const NONE: Self = Self { refs: [None; PAGES_MAX] };

    /// Adds a reference.
    ///
    /// # Panics
    /// If there are already [`PAGES_MAX`] references.
    pub fn add(&mut self, r: GrantRef) {
        let slot = self.refs.iter_mut().find(|slot| slot.is_none());
        *slot.expect("more references than pages") = Some(r);
    }

    /// The references, in the order of the pages.
    pub fn iter(&self) -> impl Iterator<Item = GrantRef> + '_ {
        self.refs.iter().copied().flatten()
    }

    /// Number of references.
    pub fn count(&self) -> usize {
        self.iter().count()
    }

    /// Keeps the references for which `keep` returns true.
    pub fn retain(&mut self, mut keep: impl FnMut(GrantRef) -> bool) {
        for slot in &mut self.refs {
            if slot.is_some_and(|r| !keep(r)) {
                *slot = None;
            }
        }
    }
}
