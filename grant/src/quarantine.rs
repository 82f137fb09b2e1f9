//! Pages and grant references out of use because a peer may still map them (docs/protocol.md §11).
//! A grant cannot be taken away by force, so the page waits here, retried by timer, until the
//! compare-exchange succeeds; that and nothing else (no word of the peer) sets it free.
//!
//! The place is bounded. A connection reserves its slot when it opens, so that giving up can never
//! fail for want of room; when none is left, new connections are refused by name.

use crate::entry::GrantRef;
use crate::layout::PAGES_MAX;
use crate::ports::{GrantEntries, SharedPages};
use crate::table::{EndError, GrantTable};

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

/// References granted for one page set and not yet ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    refs: [Option<GrantRef>; PAGES_MAX],
}

impl Granted {
    pub(crate) const NONE: Self = Self { refs: [None; PAGES_MAX] };

    /// Notes a reference; there are never more than pages.
    pub(crate) fn add(&mut self, r: GrantRef) {
        let slot = self.refs.iter_mut().find(|slot| slot.is_none());
        *slot.expect("no more references than pages: both are counted by the same page set") =
            Some(r);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = GrantRef> + '_ {
        self.refs.iter().copied().flatten()
    }

    pub(crate) fn count(&self) -> usize {
        self.iter().count()
    }

    /// Tries to end each; forgets those that are ended, keeps those in use.
    pub(crate) fn end_all<E: GrantEntries>(&mut self, table: &mut GrantTable<E>) {
        for slot in &mut self.refs {
            if let Some(r) = *slot {
                match table.end(r) {
                    Ok(()) | Err(EndError::NotGranted) => *slot = None,
                    Err(EndError::InUse { .. }) => {}
                }
            }
        }
    }
}

/// What became of a connection's pages.
#[derive(Debug)]
pub enum Released<P> {
    /// All grants are ended; the pages are zeroed and free.
    Freed(PageSet<P>),
    /// Somebody maps some of them; [`Quarantine::sweep`] hands the set back when nobody does.
    Quarantined {
        /// How many are mapped, at least 1.
        pages: usize,
    },
}

#[derive(Debug)]
struct Held<P> {
    set: PageSet<P>,
    granted: Granted,
}

/// At most `N` page sets that are either in use (reserved) or held because a peer maps them.
#[derive(Debug)]
pub struct Quarantine<P, const N: usize> {
    held: [Option<Held<P>>; N],
    reserved: usize,
}

/// How full the quarantine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarantineState {
    /// Page sets held.
    pub sets: usize,
    /// Pages among them that a peer still maps.
    pub pages: usize,
    /// Pages that the sweep which returned this has handed back.
    pub freed: usize,
    /// Slots reserved by open connections.
    pub reserved: usize,
    /// All slots.
    pub capacity: usize,
}

impl<P: SharedPages, const N: usize> Quarantine<P, N> {
    /// An empty quarantine.
    pub const fn new() -> Self {
        Self { held: [const { None }; N], reserved: 0 }
    }

    /// How full it is.
    pub fn state(&self) -> QuarantineState {
        let sets = self.held.iter().flatten();
        QuarantineState {
            sets: sets.clone().count(),
            pages: sets.map(|held| held.granted.count()).sum(),
            freed: 0,
            reserved: self.reserved,
            capacity: N,
        }
    }

    /// Tries again to end every grant that is held. A page set without any left is zeroed and
    /// handed back.
    pub fn sweep<E: GrantEntries>(
        &mut self,
        table: &mut GrantTable<E>,
        mut give_back: impl FnMut(PageSet<P>),
    ) -> QuarantineState {
        let mut freed = 0;
        for slot in &mut self.held {
            if let Some(held) = slot {
                held.granted.end_all(table);
            }
            if let Some(Held { set, .. }) = slot.take_if(|held| held.granted.count() == 0) {
                set.pages.zero();
                freed += set.pages.pages();
                give_back(set);
            }
        }
        QuarantineState { freed, ..self.state() }
    }

    /// Makes sure that one more connection can be given up. `None`: the quarantine is full.
    pub(crate) fn reserve(&mut self) -> Option<()> {
        let taken = self.held.iter().flatten().count() + self.reserved;
        assert!(taken <= N, "the quarantine holds more than it can");
        if taken == N {
            return None;
        }
        self.reserved += 1;
        Some(())
    }

    /// Ends what can be ended. Returns the page set if all was; else keeps it and says how many
    /// pages are still mapped. Either way the reservation made by [`Self::reserve`] is used up.
    pub(crate) fn give_up<E: GrantEntries>(
        &mut self,
        set: PageSet<P>,
        mut granted: Granted,
        table: &mut GrantTable<E>,
    ) -> Released<P> {
        assert!(self.reserved > 0, "a connection was given up that had reserved no slot");
        self.reserved -= 1;
        granted.end_all(table);
        let pages = granted.count();
        if pages == 0 {
            set.pages.zero();
            return Released::Freed(set);
        }
        let slot = self.held.iter_mut().find(|slot| slot.is_none());
        *slot.expect("a slot was reserved when the connection was opened") =
            Some(Held { set, granted });
        Released::Quarantined { pages }
    }
}

impl<P: SharedPages, const N: usize> Default for Quarantine<P, N> {
    fn default() -> Self {
        Self::new()
    }
}
