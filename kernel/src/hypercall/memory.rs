//! Placing Xen's own pages in the window: shared info and the frames of the grant table.
//!
//! Layouts and numbers in [`crate::abi::memory`].

use xen_sys::__HYPERVISOR_memory_op;

use super::{Argument, Counted, Errno, call};
use crate::abi::memory::{ADD_TO_PHYSMAP, AddToPhysmap, SPACE_GRANT_TABLE, SPACE_SHARED_INFO};
use crate::abi::{DOMID_SELF, PAGE_BYTES};

// SAFETY: plain `repr(C)` integers, asserted against the header's layout.
unsafe impl Argument for AddToPhysmap {}

/// A page of Xen's that a guest may place.
#[derive(Clone, Copy)]
pub(crate) enum XenPage {
    /// The shared info page.
    SharedInfo,
    /// A frame of the grant table; asking for one beyond the present size grows the table.
    GrantFrame(u32),
}

/// Makes `page` appear at a guest-physical address. RAM that is there already would be lost, so
/// the address must lie in the window.
pub(crate) fn place(page: XenPage, address: u64) -> Result<(), Errno> {
    let (space, idx) = match page {
        XenPage::SharedInfo => (SPACE_SHARED_INFO, 0),
        XenPage::GrantFrame(index) => (SPACE_GRANT_TABLE, u64::from(index)),
    };
    let gpfn = address / PAGE_BYTES as u64;
    let mut arg = AddToPhysmap { domid: DOMID_SELF, size: 0, space, idx, gpfn };
    call(Counted::MemoryAddToPhysmap, __HYPERVISOR_memory_op, ADD_TO_PHYSMAP, &mut arg).map(drop)
}
