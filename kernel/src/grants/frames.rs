//! This domain's grant table: its frames in the window, its entries as `grant/` wants them.
//!
//! Version-1 entries, eight bytes each (xen/include/public/grant_table.h, `grant_entry_v1`). Xen
//! sets and clears two flag bits at any time, so flags are only ever accessed atomically.

use core::sync::atomic::Ordering;

use grant::{DomId, GrantEntries, GrantRef};

use crate::abi::PAGE_BYTES;
use crate::abi::grant_table::{ENTRY_BYTES, ENTRY_DOMID_AT, ENTRY_FLAGS_AT, ENTRY_FRAME_AT};
use crate::boot::paging;
use crate::hypercall::grant_table::{self, GrantError};
use crate::hypercall::memory::{self, XenPage};
use crate::untyped::Untyped;

/// The window's slot of the first grant frame; slot 0 holds the shared info page.
const FIRST_SLOT: u32 = 1;
/// Most frames placed: Xen's own default limit (`gnttab_max_frames`). What the window has after
/// them is for foreign pages.
pub(super) const FRAMES_MAX: u32 = 64;
/// Entries in a frame.
const ENTRIES_PER_FRAME: u32 = (PAGE_BYTES / ENTRY_BYTES) as u32;

/// The placed part of the grant table.
pub struct GrantFrames {
    table: Untyped,
    entries: u32,
}

impl GrantFrames {
    /// Places enough frames for `wanted` entries. Called once in each life of the domain: a restored
    /// one has a new, empty table.
    ///
    /// # Errors
    /// As Xen says, also where it allows this domain fewer frames.
    ///
    /// # Panics
    /// If that is no frame, or more than [`FRAMES_MAX`].
    pub(crate) fn place(wanted: u32) -> Result<GrantFrames, GrantError> {
        grant_table::choose_version_1()?;
        let frames = wanted.div_ceil(ENTRIES_PER_FRAME);
        assert!((1..=FRAMES_MAX).contains(&frames));
        for frame in 0..frames {
            let address = paging::window_address(FIRST_SLOT + frame);
            memory::place(XenPage::GrantFrame(frame), address).map_err(GrantError::Hypercall)?;
        }
        let table = paging::window(FIRST_SLOT, frames as usize);
        Ok(GrantFrames { table, entries: frames * ENTRIES_PER_FRAME })
    }

    fn at(&self, r: GrantRef, field: usize) -> usize {
        assert!(r.0 < self.entries);
        r.0 as usize * ENTRY_BYTES + field
    }
}

impl GrantEntries for GrantFrames {
    fn entries(&self) -> u32 {
        self.entries
    }

    fn flags(&self, r: GrantRef) -> u16 {
        self.table.half_word(self.at(r, ENTRY_FLAGS_AT)).load(Ordering::Acquire)
    }

    fn write(&mut self, r: GrantRef, domid: DomId, frame: u32) {
        self.table.half_word(self.at(r, ENTRY_DOMID_AT)).store(domid.0, Ordering::Relaxed);
        self.table.word(self.at(r, ENTRY_FRAME_AT)).store(frame, Ordering::Relaxed);
    }

    fn set_flags(&mut self, r: GrantRef, flags: u16) {
        self.table.half_word(self.at(r, ENTRY_FLAGS_AT)).store(flags, Ordering::Release);
    }

    fn compare_exchange_flags(&mut self, r: GrantRef, current: u16, new: u16) -> Result<u16, u16> {
        self.table.half_word(self.at(r, ENTRY_FLAGS_AT)).compare_exchange(
            current,
            new,
            Ordering::AcqRel,
            Ordering::Acquire,
        )
    }
}
