//! What this crate needs of Xen, as three traits: the own grant table, the map operation, and
//! memory that two domains share. The images implement them over hypercalls and raw pages, the
//! feature `fake` implements them in safe Rust and stricter than Xen is.

use core::fmt;

use xen_types::{DomId, GrantRef};

use crate::entry::GrantStatus;
use crate::page_set::{Granted, PageSet};
use crate::shared_pages::SharedPages;

/// The own domain's version-1 grant entries (`xen/include/public/grant_table.h`,
/// `grant_entry_v1`). A reference passed in is below [`Self::entries`].
pub trait GrantEntries {
    /// How many entries the mapped part of the table has.
    fn entries(&self) -> u32;

    /// The entry's present flags. Xen changes two of them at any time.
    fn flags(&self, r: GrantRef) -> u16;

    /// Writes domain and frame of an entry whose flags are invalid, thus invisible to Xen.
    fn write(&mut self, r: GrantRef, domid: DomId, frame: u32);

    /// Writes the flags with release order: whoever sees them sees domain and frame too.
    fn set_flags(&mut self, r: GrantRef, flags: u16);

    /// Atomically replaces the flags if they are `current`.
    ///
    /// # Errors
    /// The flags found instead.
    fn compare_exchange_flags(&mut self, r: GrantRef, current: u16, new: u16) -> Result<u16, u16>;
}

/// No grant could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GrantError {
    /// Every entry is granted; our own domain holds too many.
    Exhausted {
        /// Entries in the table, the reserved ones included.
        entries: u32,
    },
}

impl fmt::Display for GrantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted { entries } => write!(f, "all {entries} grant entries are in use"),
        }
    }
}

impl core::error::Error for GrantError {}

/// Shares own pages with another domain and takes them back: one level above the entries of a grant
/// table, which not every program has (a user process grants through its kernel).
///
/// [`GrantTable`](crate::GrantTable) implements it over [`GrantEntries`].
pub trait Granter<P: SharedPages> {
    /// Lets `peer` map each page of the set, for reading and writing. The references are added to
    /// `granted` in the order of the pages.
    ///
    /// # Errors
    /// No reference is left. What was granted until then stays in `granted`, to be ended.
    fn grant(
        &mut self,
        peer: DomId,
        set: &PageSet<P>,
        granted: &mut Granted,
    ) -> Result<(), GrantError>;

    /// Tries to end each grant, and removes from `granted` what is ended: from then on nobody can
    /// map the page. What stays is still mapped.
    fn end(&mut self, granted: &mut Granted);
}

/// Xen's name for one mapping (`grant_handle_t`); needed to undo it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapHandle(pub u32);

/// A mapping in the window: the slot that holds it, and Xen's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// A page index in the window.
    pub window_slot: u32,
    /// What mapping gave.
    pub handle: MapHandle,
}

/// Maps foreign grants at guest frames of a window that never had memory.
///
/// All operations must report the status *inside* each operation, not only the hypercall's.
pub trait Mapper {
    /// Maps the peer's grant, readable and writable, at `window_slot` (a page index).
    ///
    /// # Errors
    /// What Xen said; nothing is mapped then.
    fn map(&mut self, peer: DomId, r: GrantRef, window_slot: u32) -> Result<MapHandle, MapRefused>;

    /// Undoes a mapping. When it returns `Ok`, the page can no longer be reached.
    ///
    /// # Errors
    /// What Xen said; the mapping must be taken to exist still.
    fn unmap(&mut self, handle: MapHandle, window_slot: u32) -> Result<(), UnmapRefused>;

    /// Maps 1 to [`PAGES_MAX`](crate::PAGES_MAX) grants at consecutive slots from `first_slot` on, and
    /// leaves in `outcomes`, of the same length, what [`Self::map`] would have given for each. Who can
    /// asks Xen once for all of them.
    fn map_run(
        &mut self,
        peer: DomId,
        refs: &[GrantRef],
        first_slot: u32,
        outcomes: &mut [Result<MapHandle, MapRefused>],
    ) {
        for ((&r, outcome), slot) in refs.iter().zip(outcomes).zip(first_slot..) {
            *outcome = self.map(peer, r, slot);
        }
    }

    /// Undoes 1 to [`PAGES_MAX`](crate::PAGES_MAX) mappings, and leaves in `outcomes`, of the same
    /// length, what [`Self::unmap`] would have given for each. Who can asks Xen once for all of them.
    fn unmap_run(&mut self, mappings: &[Mapping], outcomes: &mut [Result<(), UnmapRefused>]) {
        for (mapping, outcome) in mappings.iter().zip(outcomes) {
            *outcome = self.unmap(mapping.handle, mapping.window_slot);
        }
    }
}

/// Why Xen did not map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapRefused {
    /// The operation was refused.
    Status(GrantStatus),
    /// The hypercall itself failed; the value is Xen's negative errno.
    Hypercall(i32),
}

impl MapRefused {
    /// Whether Xen's security module said no (SILO forbids grants between two domUs):
    /// `GNTST_permission_denied`, or `-EPERM` of the whole hypercall.
    pub fn is_denied(self) -> bool {
        const EPERM: i32 = 1;
        self == Self::Status(GrantStatus::PERMISSION_DENIED) || self == Self::Hypercall(-EPERM)
    }
}

impl fmt::Display for MapRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "map refused: {status}"),
            Self::Hypercall(errno) => write!(f, "map hypercall failed: {errno}"),
        }
    }
}

impl core::error::Error for MapRefused {}

/// Why Xen did not unmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnmapRefused {
    /// The operation was refused.
    Status(GrantStatus),
    /// The hypercall itself failed; the value is Xen's negative errno.
    Hypercall(i32),
}

impl fmt::Display for UnmapRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "unmap refused: {status}"),
            Self::Hypercall(errno) => write!(f, "unmap hypercall failed: {errno}"),
        }
    }
}

impl core::error::Error for UnmapRefused {}
