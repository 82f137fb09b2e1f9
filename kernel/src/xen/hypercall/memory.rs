//! Placing Xen's own pages in the window: shared info and the frames of the grant table.
//!
//! Layouts and numbers in [`crate::xen::abi::memory`].

use xen_sys::__HYPERVISOR_memory_op;

use super::{Errno, call, operation};
use crate::xen::abi::DOMID_SELF;
use crate::xen::abi::memory::{ADD_TO_PHYSMAP, AddToPhysmap, SPACE_GRANT_TABLE, SPACE_SHARED_INFO};
use crate::xen::window::WindowFrame;

/// The argument, made by [`place`] alone: the command takes away the RAM that the frame had, and in
/// other spaces that of the index too.
#[repr(transparent)]
struct Placing(AddToPhysmap);

// `Operation`:
// 1. Integers, their layout asserted in `abi`.
// 2. Xen reads the structure and writes none of this domain's memory.
// 3. `place` makes the only values: a page of Xen's own, and a frame of the window, which never had
//    RAM. So no RAM is lost and no Rust object.
operation! {
    Placing: __HYPERVISOR_memory_op, ADD_TO_PHYSMAP, MemoryAddToPhysmap;
}

/// A page of Xen's that a guest may place.
#[derive(Clone, Copy)]
pub(crate) enum XenPage {
    /// The shared info page.
    SharedInfo,
    /// A frame of the grant table; asking for one beyond the present size grows the table.
    GrantFrame(u32),
}

/// Makes `page` appear in a frame of the window.
pub(crate) fn place(page: XenPage, frame: WindowFrame) -> Result<(), Errno> {
    let (space, idx) = match page {
        XenPage::SharedInfo => (SPACE_SHARED_INFO, 0),
        XenPage::GrantFrame(index) => (SPACE_GRANT_TABLE, u64::from(index)),
    };
    let gpfn = frame.number();
    call(&mut Placing(AddToPhysmap { domid: DOMID_SELF, size: 0, space, idx, gpfn })).map(drop)
}
