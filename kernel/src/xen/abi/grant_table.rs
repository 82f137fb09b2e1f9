//! Grant table operations and version-1 entries: xen/include/public/grant_table.h.
//!
//! Version 1 only: version 2 may be switched off by the administrator and gives nothing here.

use core::mem::{offset_of, size_of};

/// `GNTTABOP_map_grant_ref`.
pub const MAP_GRANT_REF: u32 = 0;
/// `GNTTABOP_unmap_grant_ref`.
pub const UNMAP_GRANT_REF: u32 = 1;
/// `GNTTABOP_set_version`.
pub const SET_VERSION: u32 = 8;
/// `GNTMAP_host_map`: the only kind of mapping that a PVH domain may ask for.
pub const HOST_MAP: u32 = 1 << 1;

/// `GNTST_okay`.
pub const OKAY: i16 = 0;
/// `GNTST_general_error`.
pub const GENERAL_ERROR: i16 = -1;

/// Bytes of `struct grant_entry_v1`.
pub const ENTRY_BYTES: usize = 8;
/// Offset of `flags` (u16) in an entry.
pub const ENTRY_FLAGS_AT: usize = 0;
/// Offset of `domid` (u16) in an entry.
pub const ENTRY_DOMID_AT: usize = 2;
/// Offset of `frame` (u32) in an entry.
pub const ENTRY_FRAME_AT: usize = 4;

/// `struct gnttab_map_grant_ref`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct MapGrantRef {
    /// In: where, a guest-physical address.
    pub host_addr: u64,
    /// In: `GNTMAP_*`.
    pub flags: u32,
    /// In: the granter's reference.
    pub reference: u32,
    /// In: the granter.
    pub dom: u16,
    /// Out: `GNTST_*`.
    pub status: i16,
    /// Out: what unmapping wants.
    pub handle: u32,
    /// Out: unused here.
    pub dev_bus_addr: u64,
}
const _: () = assert!(size_of::<MapGrantRef>() == 32);
const _: () = assert!(offset_of!(MapGrantRef, reference) == 12);
const _: () = assert!(offset_of!(MapGrantRef, status) == 18);
const _: () = assert!(offset_of!(MapGrantRef, handle) == 20);

/// `struct gnttab_unmap_grant_ref`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct UnmapGrantRef {
    /// In: where it was mapped.
    pub host_addr: u64,
    /// In: 0, for there is no device mapping.
    pub dev_bus_addr: u64,
    /// In: what mapping gave.
    pub handle: u32,
    /// Out: `GNTST_*`.
    pub status: i16,
}
const _: () = assert!(size_of::<UnmapGrantRef>() == 24);
const _: () = assert!(offset_of!(UnmapGrantRef, handle) == 16);
const _: () = assert!(offset_of!(UnmapGrantRef, status) == 20);

/// `struct gnttab_set_version`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct SetVersion {
    /// In and out: 1 or 2.
    pub version: u32,
}
const _: () = assert!(size_of::<SetVersion>() == 4);
