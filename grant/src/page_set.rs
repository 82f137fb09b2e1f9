//! The pages of one connection, and what is granted of them.

use xen_types::GrantRef;

use crate::layout::PAGES_MAX;
use crate::shared_pages::SharedPages;

/// The pages of one connection: the own view of them, and their guest frames in the same order.
#[derive(Debug)]
pub struct PageSet<P> {
    pages: P,
    frames: [u32; PAGES_MAX],
}

impl<P: SharedPages> PageSet<P> {
    /// Puts a view and the frames below it together; frames beyond `pages.pages()` are not used.
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

    /// Takes the view out, to give its memory back. An owned set has no grant.
    pub fn into_pages(self) -> P {
        self.pages
    }

    /// The guest frames, one a page.
    pub fn frames(&self) -> &[u32] {
        self.frames.get(..self.pages.pages()).unwrap_or(&self.frames)
    }
}

/// References granted for one page set and not yet ended, one a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    refs: [Option<GrantRef>; PAGES_MAX],
}

impl Granted {
    /// Nothing is granted.
    pub const NONE: Self = Self { refs: [None; PAGES_MAX] };

    /// Notes a reference.
    ///
    /// # Panics
    /// If there are [`PAGES_MAX`] already: more than pages.
    pub fn add(&mut self, r: GrantRef) {
        let slot = self.refs.iter_mut().find(|slot| slot.is_none());
        *slot.expect("no more references than pages") = Some(r);
    }

    /// The references, in the order of the pages.
    pub fn iter(&self) -> impl Iterator<Item = GrantRef> + '_ {
        self.refs.iter().copied().flatten()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.iter().count()
    }

    /// Keeps those for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(GrantRef) -> bool) {
        for slot in &mut self.refs {
            if slot.is_some_and(|r| !keep(r)) {
                *slot = None;
            }
        }
    }
}
