//! The operations of Xen that this crate needs, as traits: the own grant table and the map
//! operation (shared memory is [`SharedPages`]). The images implement them with hypercalls; the
//! feature `fake` implements them in safe Rust, stricter than Xen.

use core::fmt;

use xen_types::{DomId, GrantRef};

use crate::entry::GrantStatus;
use crate::page_set::{Granted, PageSet};
use crate::shared_pages::SharedPages;

/// The own domain's version-1 grant entries (`xen/include/public/grant_table.h`,
/// `grant_entry_v1`). A reference passed in is below [`Self::entries`].
pub trait GrantEntries {
    /// Number of entries in the mapped part of the table.
    fn entries(&self) -> u32;

    /// The entry's current flags. Xen may change two of them at any time.
    fn flags(&self, r: GrantRef) -> u16;

    /// Writes domain and frame of an entry whose flags are invalid, which Xen ignores.
    fn write(&mut self, r: GrantRef, domid: DomId, frame: u32);

    /// Writes the flags with release order, so that they become visible after domain and frame.
    fn set_flags(&mut self, r: GrantRef, flags: u16);

    /// Atomically replaces the flags if they are `current`.
    ///
    /// # Errors
    /// The current flags, if they differ.
    fn compare_exchange_flags(&mut self, r: GrantRef, current: u16, new: u16) -> Result<u16, u16>;
}

/// Why a page could not be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GrantError {
    /// No entry is free: the own domain holds too many grants.
    Exhausted {
        /// Number of entries in the table, including the reserved ones.
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

/// Grants own pages to another domain and ends the grants. This is one level above grant table
/// entries, because not every program has them: a user process grants through its kernel.
///
/// [`GrantTable`](crate::GrantTable) implements it over [`GrantEntries`].
pub trait Granter<P: SharedPages> {
    /// Lets `peer` map each page of the set, for reading and writing. The references are added to
    /// `granted` in the order of the pages.
    ///
    /// # Errors
    /// No reference is left. `granted` holds the grants made so far, which the caller must end.
    fn grant(
        &mut self,
        peer: DomId,
        set: &PageSet<P>,
        granted: &mut Granted,
    ) -> Result<(), GrantError>;

    /// Tries to end each grant, and removes the ended ones from `granted`. No domain can map their
    /// pages any more. The pages of the remaining grants are still mapped.
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
    /// Xen's answer. Nothing is mapped.
    fn map(&mut self, peer: DomId, r: GrantRef, window_slot: u32) -> Result<MapHandle, MapRefused>;

    /// Removes a mapping. After `Ok` the page can no longer be accessed.
    ///
    /// # Errors
    /// Xen's answer. The mapping must be assumed to exist still.
    fn unmap(&mut self, handle: MapHandle, window_slot: u32) -> Result<(), UnmapRefused>;

    /// Maps 1 to [`PAGES_MAX`](crate::PAGES_MAX) grants at consecutive slots from `first_slot` on.
    /// Writes to `outcomes`, which has the same length, the result that [`Self::map`] returns for
    /// each. Implementations should batch these into one hypercall.
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

    /// Removes 1 to [`PAGES_MAX`](crate::PAGES_MAX) mappings. Writes to `outcomes`, which has the
    /// same length, the result that [`Self::unmap`] returns for each. Implementations should batch
    /// these into one hypercall.
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
    /// Whether Xen's security module denied it (SILO forbids grants between two domUs):
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
