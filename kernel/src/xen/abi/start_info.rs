//! What a PVH guest is started with: xen/include/public/arch-x86/hvm/start_info.h.
//!
//! Version 1 and later carry the memory map; version 0 (Xen before 4.12) does not and is refused.

use core::mem::{offset_of, size_of};

/// `XEN_HVM_START_MAGIC_VALUE`.
pub const MAGIC: u32 = 0x336e_c578;
/// The first version with a memory map.
pub const VERSION_WITH_MEMORY_MAP: u32 = 1;
/// `XEN_HVM_MEMMAP_TYPE_RAM`.
pub const MEMMAP_TYPE_RAM: u32 = 1;

/// `struct hvm_start_info`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct StartInfo {
    /// `MAGIC`.
    pub magic: u32,
    /// Version of this structure.
    pub version: u32,
    /// `SIF_*`.
    pub flags: u32,
    /// Modules loaded besides the kernel.
    pub nr_modules: u32,
    /// Physical address of the module list.
    pub modlist_paddr: u64,
    /// Physical address of the command line, ended by a zero byte; 0 if there is none.
    pub cmdline_paddr: u64,
    /// Physical address of the ACPI root pointer.
    pub rsdp_paddr: u64,
    /// Physical address of the memory map.
    pub memmap_paddr: u64,
    /// Entries in it.
    pub memmap_entries: u32,
    /// Zero.
    pub reserved: u32,
}
const _: () = assert!(size_of::<StartInfo>() == 56);
const _: () = assert!(offset_of!(StartInfo, cmdline_paddr) == 24);
const _: () = assert!(offset_of!(StartInfo, memmap_paddr) == 40);
const _: () = assert!(offset_of!(StartInfo, memmap_entries) == 48);

/// `struct hvm_memmap_table_entry`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MemmapEntry {
    /// Base of the region.
    pub addr: u64,
    /// Bytes in it.
    pub size: u64,
    /// `XEN_HVM_MEMMAP_TYPE_*`.
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
}
const _: () = assert!(size_of::<MemmapEntry>() == 24);
const _: () = assert!(offset_of!(MemmapEntry, kind) == 16);
