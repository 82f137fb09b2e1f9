//! Other domains' pages in the window: mapping them, and reading and writing what is mapped.
//!
//! The frames behind the grant table's are for this. They never held RAM, so mapping loses nothing,
//! and [`grant::Window`] never names a slot twice, which Xen would answer by ending the domain.

use core::sync::atomic::{Ordering, fence};

use grant::{
    DomId, GrantRef, GrantStatus, MapHandle, MapRefused, Mapper, SharedPages, SlotRun, UnmapRefused,
};

use super::frames::FRAMES_MAX;
use crate::boot::paging;
use crate::hypercall::grant_table::{self, GrantError};
use crate::untyped::Untyped;

/// The window's slot of `grant/`'s slot 0: behind shared info and the grant frames.
const FIRST_SLOT: u32 = 1 + FRAMES_MAX;

/// Maps and unmaps by hypercall.
pub struct WindowMapper;

impl Mapper for WindowMapper {
    fn map(&mut self, peer: DomId, r: GrantRef, window_slot: u32) -> Result<MapHandle, MapRefused> {
        let address = paging::window_address(FIRST_SLOT + window_slot);
        match grant_table::map(peer.0, r.0, address) {
            Ok(handle) => Ok(MapHandle(handle)),
            Err(GrantError::Status(status)) => Err(MapRefused::Status(GrantStatus(status))),
            Err(GrantError::Hypercall(errno)) => Err(MapRefused::Hypercall(errno.negative())),
        }
    }

    fn unmap(&mut self, handle: MapHandle, window_slot: u32) -> Result<(), UnmapRefused> {
        let address = paging::window_address(FIRST_SLOT + window_slot);
        match grant_table::unmap(handle.0, address) {
            Ok(()) => Ok(()),
            Err(GrantError::Status(status)) => Err(UnmapRefused::Status(GrantStatus(status))),
            Err(GrantError::Hypercall(errno)) => Err(UnmapRefused::Hypercall(errno.negative())),
        }
    }
}

/// Mapped pages. Whoever unmaps the run drops this first; a late access would be answered with all
/// ones, not with a fault.
pub struct ForeignPages {
    memory: Untyped,
}

impl ForeignPages {
    /// The pages of a mapped run.
    pub fn of(run: &SlotRun) -> ForeignPages {
        ForeignPages { memory: paging::window(FIRST_SLOT + run.first(), run.count()) }
    }
}

impl SharedPages for ForeignPages {
    fn load_u32(&self, at: usize) -> u32 {
        self.memory.load(at)
    }

    fn store_u32(&self, at: usize, value: u32) {
        self.memory.store(at, value);
    }

    fn copy_from(&self, at: usize, into: &mut [u8]) {
        self.memory.copy_from(at, into);
    }

    fn copy_to(&self, at: usize, from: &[u8]) {
        self.memory.copy_to(at, from);
    }

    fn full_barrier(&self) {
        fence(Ordering::SeqCst);
    }

    fn zero(&self) {
        self.memory.fill(0);
    }

    fn pages(&self) -> usize {
        self.memory.bytes() / crate::abi::PAGE_BYTES
    }
}
