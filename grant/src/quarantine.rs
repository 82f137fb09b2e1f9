//! Pages and grant references that are out of use because a peer may still map them
//! (docs/protocol.md §11). Xen cannot revoke a mapped grant. The pages stay here, and a timer
//! retries the compare-exchange that ends the grant. Only its success frees them; nothing the peer
//! says does.
//!
//! The quarantine is bounded. A connection reserves a slot when it opens, so that giving it up
//! cannot fail for lack of space. When no slot is left, new connections are refused.

use alloc::vec::Vec;
use core::fmt;

use crate::page_set::{Granted, PageSet};
use crate::ports::Granter;
use crate::shared_pages::SharedPages;

/// The peer still maps pages of a connection that was given up. The page set is in the quarantine
/// until [`Quarantine::sweep`] has ended its last grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StillMapped {
    /// Number of mapped pages, at least 1.
    pub pages: usize,
}

impl fmt::Display for StillMapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the peer still maps {} pages", self.pages)
    }
}

impl core::error::Error for StillMapped {}

#[derive(Debug)]
struct Held<P> {
    set: PageSet<P>,
    granted: Granted,
}

/// A bounded number of slots for page sets. A slot is reserved by an open connection, or holds a
/// set that a peer still maps.
#[derive(Debug)]
pub struct Quarantine<P> {
    held: Vec<Held<P>>,
    reserved: usize,
    capacity: usize,
}

/// How full the quarantine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarantineState {
    /// Page sets held.
    pub sets: usize,
    /// Pages among them that a peer still maps.
    pub pages: usize,
    /// Pages that the sweep has freed; 0 in [`Quarantine::state`].
    pub freed: usize,
    /// Slots that open connections have reserved.
    pub reserved: usize,
    /// Number of all slots.
    pub capacity: usize,
}

impl<P: SharedPages> Quarantine<P> {
    /// An empty quarantine with `capacity` slots. Only this call allocates.
    pub fn new(capacity: usize) -> Self {
        Self { held: Vec::with_capacity(capacity), reserved: 0, capacity }
    }

    /// The current occupancy.
    pub fn state(&self) -> QuarantineState {
        QuarantineState {
            sets: self.held.len(),
            pages: self.held.iter().map(|held| held.granted.count()).sum(),
            freed: 0,
            reserved: self.reserved,
            capacity: self.capacity,
        }
    }

    /// Whether another connection can be opened.
    pub fn has_room(&self) -> bool {
        self.held.len() + self.reserved < self.capacity
    }

    /// Tries again to end every held grant. A page set whose last grant has ended is zeroed and
    /// passed to `give_back`.
    pub fn sweep<G: Granter<P>>(
        &mut self,
        granter: &mut G,
        mut give_back: impl FnMut(&mut G, PageSet<P>),
    ) -> QuarantineState {
        let mut freed = 0;
        for held in &mut self.held {
            granter.end(&mut held.granted);
        }
        for Held { set, .. } in self.held.extract_if(.., |held| held.granted.count() == 0) {
            set.pages().zero();
            freed += set.pages().pages();
            give_back(granter, set);
        }
        QuarantineState { freed, ..self.state() }
    }

    /// Reserves a slot for a connection, `None` if the quarantine is full.
    pub(crate) fn reserve(&mut self) -> Option<()> {
        if !self.has_room() {
            return None;
        }
        self.reserved += 1;
        Some(())
    }

    /// Ends every grant that can be ended. Returns the zeroed page set if that was all of them,
    /// else keeps the set. Uses up one reservation made by [`Self::reserve`].
    pub(crate) fn give_up(
        &mut self,
        set: PageSet<P>,
        mut granted: Granted,
        granter: &mut impl Granter<P>,
    ) -> Result<PageSet<P>, StillMapped> {
        assert!(self.reserved > 0, "a connection without a reserved slot was given up");
        self.reserved -= 1;
        granter.end(&mut granted);
        let pages = granted.count();
        if pages == 0 {
            set.pages().zero();
            return Ok(set);
        }
        assert!(self.held.len() < self.capacity, "a reserved slot is free");
        self.held.push(Held { set, granted });
        Err(StillMapped { pages })
    }
}
