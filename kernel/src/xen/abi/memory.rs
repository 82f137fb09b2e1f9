//! Placing Xen's own pages in the guest's physical map: xen/include/public/memory.h.
//!
//! A PVH guest chooses the frames at which the shared info page and its grant table appear.

use core::mem::{offset_of, size_of};

/// `XENMEM_add_to_physmap`.
pub const ADD_TO_PHYSMAP: u32 = 7;
/// `XENMAPSPACE_shared_info`.
pub const SPACE_SHARED_INFO: u32 = 0;
/// `XENMAPSPACE_grant_table`.
pub const SPACE_GRANT_TABLE: u32 = 1;

/// `struct xen_add_to_physmap`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct AddToPhysmap {
    /// Whose; `DOMID_SELF`.
    pub domid: u16,
    /// Used by another space only.
    pub size: u16,
    /// `XENMAPSPACE_*`.
    pub space: u32,
    /// Index in that space.
    pub idx: u64,
    /// The guest frame where the page is to appear.
    pub gpfn: u64,
}
const _: () = assert!(size_of::<AddToPhysmap>() == 24);
const _: () = assert!(offset_of!(AddToPhysmap, space) == 4);
const _: () = assert!(offset_of!(AddToPhysmap, idx) == 8);
const _: () = assert!(offset_of!(AddToPhysmap, gpfn) == 16);
