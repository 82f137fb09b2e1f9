//! Xen's ABI where xen-sys has no word of it: numbers and layouts, each with its header and name.
//!
//! These files depend on nothing but `core`, so that a host test can include them by path and
//! compare every value with the real headers (Debian package libxen-dev, /usr/include/xen). Sizes
//! and offsets are asserted at compile time besides. Header paths are those of xen.git.

pub mod console;
pub mod cpuid;
pub mod grant_table;
pub mod hvm;
pub mod memory;
pub mod start_info;
pub mod vcpu;

/// Bytes in a page, a grant and a frame on x86 (xen/include/public/grant_table.h speaks of pages
/// of this size only).
pub const PAGE_BYTES: usize = 4096;

/// xen/include/public/xen.h, DOMID_SELF: "me", whatever my number is.
pub const DOMID_SELF: u16 = 0x7FF0;
