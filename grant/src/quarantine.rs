//! Pages and grant references out of use because a peer may still map them (docs/protocol.md §11).
//! A grant cannot be taken away by force, so the page waits here, retried by timer, until the
//! compare-exchange succeeds; that and nothing else (no word of the peer) sets it free.
//!
//! The place is bounded. A connection reserves its slot when it opens, so that giving up can never
//! fail for want of room; when none is left, new connections are refused by name.

use alloc::vec::Vec;
use core::fmt;

use crate::page_set::{Granted, PageSet};
use crate::ports::Granter;
use crate::shared_pages::SharedPages;

/// The peer still maps some pages of a connection that was given up. They stay in the quarantine;
/// [`Quarantine::sweep`] hands the set back when nobody maps any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StillMapped {
    /// How many are mapped, at least 1.
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

/// Page sets that are either in use (reserved) or held because a peer maps them; a bounded number.
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
    /// Pages that the sweep which returned this has handed back.
    pub freed: usize,
    /// Slots reserved by open connections.
    pub reserved: usize,
    /// All slots.
    pub capacity: usize,
}

impl<P: SharedPages> Quarantine<P> {
    /// An empty quarantine for at most `capacity` page sets. This is the only allocation.
    pub fn new(capacity: usize) -> Self {
        Self { held: Vec::with_capacity(capacity), reserved: 0, capacity }
    }

    /// How full it is.
    pub fn state(&self) -> QuarantineState {
        QuarantineState {
            sets: self.held.len(),
            pages: self.held.iter().map(|held| held.granted.count()).sum(),
            freed: 0,
            reserved: self.reserved,
            capacity: self.capacity,
        }
    }

    /// Whether one more connection can be opened.
    pub fn has_room(&self) -> bool {
        self.held.len() + self.reserved < self.capacity
    }

    /// Tries again to end every grant that is held. A page set without any left is zeroed and
    /// handed back.
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

    /// Makes sure that one more connection can be given up. `None`: the quarantine is full.
    pub(crate) fn reserve(&mut self) -> Option<()> {
        if !self.has_room() {
            return None;
        }
        self.reserved += 1;
        Some(())
    }

    /// Ends what can be ended. Returns the page set if all was; else keeps it and says how many
    /// pages are still mapped. Either way the reservation made by [`Self::reserve`] is used up.
    pub(crate) fn give_up(
        &mut self,
        set: PageSet<P>,
        mut granted: Granted,
        granter: &mut impl Granter<P>,
    ) -> Result<PageSet<P>, StillMapped> {
        assert!(self.reserved > 0, "a connection was given up that had reserved no slot");
        self.reserved -= 1;
        granter.end(&mut granted);
        let pages = granted.count();
        if pages == 0 {
            set.pages().zero();
            return Ok(set);
        }
        assert!(self.held.len() < self.capacity, "a slot was reserved when the connection opened");
        self.held.push(Held { set, granted });
        Err(StillMapped { pages })
    }
}
