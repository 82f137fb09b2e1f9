//! Makes and ends grants in the own grant table. Only the table records which entries are free, so
//! a restart loses nothing: an entry that a domain may still map has non-zero flags and is skipped
//! until the grant is ended (docs/protocol.md §11).

use core::fmt;

use xen_types::{DomId, GrantRef};

use crate::entry::{GrantFlags, RESERVED_REFS};
use crate::page_set::{Granted, PageSet};
use crate::ports::{GrantEntries, GrantError, Granter};
use crate::shared_pages::SharedPages;

/// Most tries of the compare-exchange that ends a grant. It fails when Xen changes the flags,
/// because the peer maps or unmaps the page, and a hostile peer can do that for ever. After this
/// many tries the grant counts as in use, and the caller retries later.
const END_TRIES_MAX: u32 = 4;

/// The own domain's grant table.
#[derive(Debug)]
pub struct GrantTable<E> {
    entries: E,
    /// First candidate of the next search for a free entry. It only advances, so that a reference
    /// that a slow peer may still hold is reused as late as possible.
    next: u32,
}

/// A grant could not be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndError {
    /// The peer maps the page, or its mapping changed during every try.
    InUse {
        /// The entry's flags, as last seen.
        flags: GrantFlags,
    },
    /// The entry is free. After a restore the table is empty: the grants from before no longer
    /// exist, and no domain maps them.
    NotGranted,
}

impl fmt::Display for EndError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { flags } => {
                write!(f, "the peer still maps the page (flags {:#x})", flags.0)
            }
            Self::NotGranted => write!(f, "the entry grants nothing"),
        }
    }
}

impl core::error::Error for EndError {}

impl<E: GrantEntries> GrantTable<E> {
    /// Uses the table as it is: entries in use stay untouched until they are ended.
    ///
    /// # Panics
    /// If the table has no entry besides the reserved ones.
    pub fn new(entries: E) -> Self {
        assert!(entries.entries() > RESERVED_REFS, "the grant table has no usable entry");
        Self { entries, next: RESERVED_REFS }
    }

    /// Lets `peer` map `frame` for reading and writing.
    ///
    /// # Errors
    /// [`GrantError::Exhausted`] if no entry is free.
    pub fn grant_frame(&mut self, peer: DomId, frame: u32) -> Result<GrantRef, GrantError> {
        let entries = self.entries.entries();
        for _ in RESERVED_REFS..entries {
            let candidate = GrantRef(self.next);
            self.next = if self.next + 1 < entries { self.next + 1 } else { RESERVED_REFS };
            if GrantFlags(self.entries.flags(candidate)).is_free() {
                // Domain and frame first, flags last: from the flags on, Xen honours the entry
                // (grant_table.h, "Introducing a valid entry into the grant table").
                self.entries.write(candidate, peer, frame);
                self.entries.set_flags(candidate, GrantFlags::PERMIT_ACCESS.0);
                return Ok(candidate);
            }
        }
        Err(GrantError::Exhausted { entries })
    }

    /// Ends a grant if no domain maps the page. After `Ok` no domain can map it.
    ///
    /// This is one compare-exchange, not a read and a store: the peer could map the page in
    /// between, and would see the data of its next use (XSA-396).
    ///
    /// # Errors
    /// [`EndError`]; the entry is unchanged. The page must not be reused after [`EndError::InUse`].
    ///
    /// # Panics
    /// If the reference is reserved or outside the table: this table never granted it.
    pub fn end_grant(&mut self, r: GrantRef) -> Result<(), EndError> {
        assert!(r.0 >= RESERVED_REFS, "a reserved grant is not ours to end");
        assert!(r.0 < self.entries.entries(), "the reference is outside the table");
        let mut flags = GrantFlags(self.entries.flags(r));
        for _ in 0..END_TRIES_MAX {
            if flags.is_free() {
                return Err(EndError::NotGranted);
            }
            if flags.in_use() {
                return Err(EndError::InUse { flags });
            }
            match self.entries.compare_exchange_flags(r, flags.0, GrantFlags::INVALID.0) {
                Ok(_) => return Ok(()),
                Err(found) => flags = GrantFlags(found),
            }
        }
        Err(EndError::InUse { flags })
    }

    /// All active grants, mapped or not. A restarted endpoint finds its earlier grants here, and a
    /// leak check counts them.
    pub fn active(&self) -> impl Iterator<Item = (GrantRef, GrantFlags)> + '_ {
        (RESERVED_REFS..self.entries.entries())
            .map(|r| (GrantRef(r), GrantFlags(self.entries.flags(GrantRef(r)))))
            .filter(|(_, flags)| !flags.is_free())
    }

    /// The entries, for self-tests and statistics.
    pub const fn entries(&self) -> &E {
        &self.entries
    }

    /// The entries without any checks, for an image that tests its peer.
    pub const fn entries_mut(&mut self) -> &mut E {
        &mut self.entries
    }
}

impl<P: SharedPages, E: GrantEntries> Granter<P> for GrantTable<E> {
    fn grant(
        &mut self,
        peer: DomId,
        set: &PageSet<P>,
        granted: &mut Granted,
    ) -> Result<(), GrantError> {
        for &frame in set.frames() {
            granted.add(self.grant_frame(peer, frame)?);
        }
        Ok(())
    }

    fn end(&mut self, granted: &mut Granted) {
        granted.retain(|r| matches!(self.end_grant(r), Err(EndError::InUse { .. })));
    }
}
