//! Pages of our own that a peer may map: a run of the page pool, seen as `grant/` wants it.
//!
//! The peer reads and writes them at any time, so they are only ever copied from and to.

use grant::{PAGES_MAX, PageSet};

use super::shared::shared_pages;

use crate::mem::pages::Pages;

/// Pages of our own.
pub struct OwnPages(Pages);

impl OwnPages {
    /// So many pages in a row, with their frames; `None` where the pool has no such run.
    ///
    /// # Panics
    /// If `count` is 0 or more than [`PAGES_MAX`].
    pub fn allocate(count: usize) -> Option<PageSet<OwnPages>> {
        assert!((1..=PAGES_MAX).contains(&count));
        let pages = Pages::allocate(count)?;
        let mut frames = [0; PAGES_MAX];
        for (index, frame) in frames.iter_mut().enumerate().take(count) {
            *frame = pages.frame(index);
        }
        Some(PageSet::new(OwnPages(pages), frames))
    }

    /// Whether these are the frames of the pages, in their order.
    pub(super) fn are_at(&self, frames: &[u32]) -> bool {
        (0..self.0.count()).map(|index| self.0.frame(index)).eq(frames.iter().copied())
    }

    /// Gives the run back to the pool. What owns the view is an owned page set, so nothing is granted.
    pub fn give_back(self) {
        self.0.give_back();
    }
}

shared_pages!(OwnPages, |pages| pages.0.memory());

#[cfg(test)]
mod tests {
    use core::cell::Cell;
    use std::vec::Vec;

    use grant::{
        ConnectionId, DomId, Epoch, FrontConnection, GrantEntries, GrantRef, GrantTable, LinkTag,
        OpenError, OpenRefusal, Quarantine, StillMapped, Terms,
    };

    use super::*;
    use crate::mem::pages::tests::lend_memory;

    const READING: u16 = 8;
    /// The references that Xen keeps for itself, and two.
    const ENTRIES: usize = 10;

    /// A grant table whose entries a peer maps as soon as they are granted, until it lets go.
    struct Entries<'a> {
        flags: [u16; ENTRIES],
        maps: &'a Cell<bool>,
    }

    impl GrantEntries for Entries<'_> {
        fn entries(&self) -> u32 {
            ENTRIES as u32
        }
        fn flags(&self, r: GrantRef) -> u16 {
            let flags = self.flags[r.0 as usize];
            if flags != 0 && self.maps.get() { flags | READING } else { flags }
        }
        fn write(&mut self, _: GrantRef, _: DomId, _: u32) {}
        fn set_flags(&mut self, r: GrantRef, flags: u16) {
            self.flags[r.0 as usize] = flags;
        }
        fn compare_exchange_flags(&mut self, r: GrantRef, now: u16, new: u16) -> Result<u16, u16> {
            let found = self.flags(r);
            if found != now {
                return Err(found);
            }
            self.flags[r.0 as usize] = new;
            Ok(found)
        }
    }

    fn table(maps: &Cell<bool>) -> GrantTable<Entries<'_>> {
        GrantTable::new(Entries { flags: [0; ENTRIES], maps })
    }

    fn terms() -> Terms {
        let link = LinkTag::new("a").expect("a valid name");
        Terms { epoch: Epoch::from_bytes([7; 16]), number: ConnectionId(1), link }
    }

    type Opened = Result<FrontConnection<OwnPages>, OpenError<OwnPages>>;

    fn opened(outcome: Opened) -> FrontConnection<OwnPages> {
        outcome.unwrap_or_else(|error| panic!("not opened: {}", error.why))
    }

    fn open(
        pages: usize,
        table: &mut GrantTable<Entries<'_>>,
        quarantine: &mut Quarantine<OwnPages>,
    ) -> Opened {
        let set = OwnPages::allocate(pages).expect("the pool has pages");
        FrontConnection::open(set, DomId(5), &terms(), table, quarantine)
    }

    /// Takes everything that the pool has left; whether this frame is among it.
    fn is_free(frame: u32) -> bool {
        let rest: Vec<Pages> = core::iter::from_fn(|| Pages::allocate(1)).collect();
        let found = rest.iter().any(|page| page.frame(0) == frame);
        rest.into_iter().for_each(Pages::give_back);
        found
    }

    #[test]
    fn a_set_with_other_frames_than_its_pages_is_found_out() {
        let _pool = lend_memory(2);
        let set = OwnPages::allocate(2).expect("the pool has pages");
        assert!(set.pages().are_at(set.frames()));
        let mut frames = [0; PAGES_MAX];
        frames[..2].copy_from_slice(set.frames());
        frames[1] += 1;
        let forged = PageSet::new(set.into_pages(), frames);
        assert!(!forged.pages().are_at(forged.frames()));
        forged.into_pages().give_back();
    }

    /// The frame that is allocated next.
    fn next_frame() -> u32 {
        let page = Pages::allocate(1).expect("the pool has pages");
        let frame = page.frame(0);
        page.give_back();
        frame
    }

    #[test]
    fn a_dropped_connection_returns_no_granted_page() {
        let _pool = lend_memory(16);
        let maps = Cell::new(true);
        let (frame, mut grants) = (next_frame(), table(&maps));
        drop(opened(open(1, &mut grants, &mut Quarantine::new(1))));
        assert_eq!(grants.active().count(), 1);
        assert!(!is_free(frame));
    }

    #[test]
    fn a_dropped_quarantine_returns_no_granted_page() {
        let _pool = lend_memory(16);
        let maps = Cell::new(true);
        let (frame, mut grants, mut quarantine) = (next_frame(), table(&maps), Quarantine::new(1));
        let connection = opened(open(1, &mut grants, &mut quarantine));
        let released = connection.release(&mut grants, &mut quarantine);
        assert!(matches!(released, Err(StillMapped { pages: 1 })));
        drop(quarantine);
        assert_eq!(grants.active().count(), 1);
        assert!(!is_free(frame));
    }

    #[test]
    fn a_refused_connection_returns_no_granted_page() {
        let _pool = lend_memory(16);
        let maps = Cell::new(true);
        let (frame, mut grants, mut quarantine) = (next_frame(), table(&maps), Quarantine::new(1));
        // Three pages, and references for two of them.
        let Err(error) = open(3, &mut grants, &mut quarantine) else { panic!("the table is full") };
        assert!(matches!(error.why, OpenRefusal::Grant(_)) && error.set.is_none());
        drop((error, quarantine));
        assert_eq!(grants.active().count(), 2);
        assert!(!is_free(frame));
    }

    #[test]
    fn pages_that_were_freed_can_be_used_again() {
        let _pool = lend_memory(16);
        let maps = Cell::new(false);
        let (frame, mut grants, mut quarantine) = (next_frame(), table(&maps), Quarantine::new(1));
        let connection = opened(open(2, &mut grants, &mut quarantine));
        let Ok(set) = connection.release(&mut grants, &mut quarantine) else {
            panic!("nobody maps them");
        };
        assert!(!is_free(frame), "the set still owns them");
        set.into_pages().give_back();
        assert!(is_free(frame));
    }
}
