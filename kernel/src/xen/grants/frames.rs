//! This domain's grant table: its frames in the window, its entries as `grant/` wants them.
//!
//! Version-1 entries, eight bytes each (xen/include/public/grant_table.h, `grant_entry_v1`). Xen
//! sets and clears two flag bits at any time, so flags are only ever accessed atomically.

use core::sync::atomic::{AtomicBool, Ordering};

use grant::{DomId, GrantEntries, GrantRef};

use crate::mem::untyped::Untyped;
use crate::xen::abi::PAGE_BYTES;
use crate::xen::abi::grant_table::{ENTRY_BYTES, ENTRY_DOMID_AT, ENTRY_FLAGS_AT, ENTRY_FRAME_AT};
use crate::xen::hypercall::grant_table::{self, GrantError};
use crate::xen::hypercall::memory::{self, XenPage};
use crate::xen::window::{self, window_frame};

/// The window's slot of the first grant frame; slot 0 holds the shared info page.
const FIRST_SLOT: u32 = 1;
/// Most frames placed: Xen's own default limit (`gnttab_max_frames`). What the window has after
/// them is for foreign pages.
pub(super) const FRAMES_MAX: u32 = 64;
/// Entries in a frame.
const ENTRIES_PER_FRAME: u32 = (PAGE_BYTES / ENTRY_BYTES) as u32;

/// Whether they have been placed in the window.
static PLACED: AtomicBool = AtomicBool::new(false);

/// The part of the grant table that lies in the window, once it was placed there: until then nothing is
/// granted, and every entry looks as if it were in use.
pub(crate) struct GrantFrames {
    table: Untyped,
    entries: u32,
}

impl GrantFrames {
    /// Enough frames for `wanted` entries.
    ///
    /// # Panics
    /// If that is no frame, or more than [`FRAMES_MAX`].
    pub(crate) fn of(wanted: u32) -> GrantFrames {
        let frames = wanted.div_ceil(ENTRIES_PER_FRAME);
        assert!((1..=FRAMES_MAX).contains(&frames));
        let table = window::window(FIRST_SLOT, frames as usize);
        GrantFrames { table, entries: frames * ENTRIES_PER_FRAME }
    }

    /// Has Xen place them. Called once in each life of the domain: a restored one has a new, empty
    /// table.
    ///
    /// # Errors
    /// As Xen says, also where it allows this domain fewer frames.
    pub(crate) fn place(&self) -> Result<(), GrantError> {
        grant_table::choose_version_1()?;
        for frame in 0..self.entries / ENTRIES_PER_FRAME {
            let place = window_frame(FIRST_SLOT + frame);
            memory::place(XenPage::GrantFrame(frame), place).map_err(GrantError::Hypercall)?;
        }
        PLACED.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Has Xen place them, unless it has done so: whoever grants first asks for it.
    ///
    /// # Errors
    /// As [`Self::place`].
    pub(crate) fn place_once(&self) -> Result<(), GrantError> {
        if PLACED.load(Ordering::Relaxed) { Ok(()) } else { self.place() }
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
