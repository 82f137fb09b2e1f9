//! Makes and ends grants in the own table. The table itself is the truth about which entries are
//! free, so a restarted endpoint forgets nothing: an entry that some domain may still map has flags
//! that are not zero, and is passed over until it has been ended (docs/protocol.md §11).

use core::fmt;

use xen_types::{DomId, GrantRef};

use crate::entry::{GrantFlags, RESERVED_REFS};
use crate::page_set::{Granted, PageSet};
use crate::ports::{GrantEntries, GrantError, Granter};
use crate::shared_pages::SharedPages;

/// How often ending a grant is tried when the flags change under the compare-exchange. Only Xen
/// changes them, by mapping and unmapping: a peer that does so on purpose could go on for ever, so
/// after this many tries the grant counts as in use and is tried again later.
const END_TRIES_MAX: u32 = 4;

/// The own domain's grant table.
#[derive(Debug)]
pub struct GrantTable<E> {
    entries: E,
    /// Where the search for a free entry begins. It only moves forward, so a reference that a late
    /// peer may still remember is reused as late as possible.
    next: u32,
}

/// A grant could not be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndError {
    /// The peer maps the page, or mapped and unmapped it during every try.
    InUse {
        /// The entry's flags, as last seen.
        flags: GrantFlags,
    },
    /// The entry grants nothing. After a restore the new domain's table is empty: what was granted
    /// in the old life is gone, and nobody maps it.
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
    /// Takes the table as it is: entries that are not free are left alone until ended.
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

    /// Ends a grant, if nobody maps the page. From `Ok` on nobody can.
    ///
    /// One compare-exchange decides, never a read followed by a store: in between the peer could
    /// map the page, and we would reuse it under its eyes (XSA-396).
    ///
    /// # Errors
    /// [`EndError`]; the entry is unchanged and must stay out of use if it is in use.
    ///
    /// # Panics
    /// If the reference is a reserved one or outside the table: we never granted that.
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

    /// The references that grant something now, mapped or not. An endpoint that restarted without
    /// its own records finds here what its earlier life left behind; a leak check counts them.
    pub fn active(&self) -> impl Iterator<Item = (GrantRef, GrantFlags)> + '_ {
        (RESERVED_REFS..self.entries.entries())
            .map(|r| (GrantRef(r), GrantFlags(self.entries.flags(GrantRef(r)))))
            .filter(|(_, flags)| !flags.is_free())
    }

    /// The entries themselves, for self-tests and figures.
    pub const fn entries(&self) -> &E {
        &self.entries
    }

    /// The same, to change them past all rules: for an image that puts its peer to the test.
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
