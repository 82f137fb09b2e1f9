//! This domain's grants, as an image may have them: nothing but pages of the pool can be granted, in
//! which no Rust object lies.

use grant::{DomId, GrantEntries, GrantError, GrantRef, GrantTable, Granted, Granter, PageSet};

use super::frames::GrantFrames;
use super::own::OwnPages;

/// This domain's grant table, without a way to grant any other frame.
pub struct OwnGrants(pub(crate) GrantTable<GrantFrames>);

impl OwnGrants {
    pub(crate) fn new(frames: GrantFrames) -> OwnGrants {
        OwnGrants(GrantTable::new(frames))
    }

    /// Grants that are not ended, quarantined ones included.
    pub fn active(&self) -> usize {
        self.0.active().count()
    }

    /// Makes an entry grant nothing with a plain write. Xen forbids that while the grant is in use and
    /// does not prevent it (grant_table.h, "Invalidating an in-use r/w entry"): whoever has mapped the
    /// page keeps it, and this domain can no longer tell. For an image that puts its peer to the test.
    pub fn invalidate(&mut self, r: GrantRef) {
        self.0.entries_mut().set_flags(r, 0);
    }
}

impl Granter<OwnPages> for OwnGrants {
    /// # Panics
    /// If the set names other frames than those of its pages.
    fn grant(
        &mut self,
        peer: DomId,
        set: &PageSet<OwnPages>,
        granted: &mut Granted,
    ) -> Result<(), GrantError> {
        // Anybody can make a page set of any numbers; a peer that was granted a frame of the heap or
        // the stack would write Rust's own memory.
        assert!(set.pages().are_at(set.frames()), "the frames are those of the pages");
        self.0.grant(peer, set, granted)
    }

    fn end(&mut self, granted: &mut Granted) {
        Granter::<OwnPages>::end(&mut self.0, granted);
    }
}
