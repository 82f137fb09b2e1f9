//! The page of the PV console: xen/include/public/io/console.h, struct xencons_interface.
//!
//! Offsets within the page, not a struct: the daemon writes the page at any time, so nothing here
//! may ever be borrowed.

/// Offset of `in`, the bytes for the guest.
pub const IN_AT: usize = 0;
/// Bytes in `in`; a power of two, for the indices are masked with this less one.
pub const IN_BYTES: u32 = 1024;
/// Offset of `in_cons`: how far the guest has read.
pub const IN_CONSUMER_AT: usize = 3072;
/// Offset of `in_prod`: how far the daemon has written.
pub const IN_PRODUCER_AT: usize = 3076;
/// Offset of `out`, the bytes from the guest.
pub const OUT_AT: usize = 1024;
/// Bytes in `out`; a power of two, for the indices are masked with this less one.
pub const OUT_BYTES: u32 = 2048;
/// Offset of `out_cons`: how far the daemon has read.
pub const OUT_CONSUMER_AT: usize = 3080;
/// Offset of `out_prod`: how far the guest has written.
pub const OUT_PRODUCER_AT: usize = 3084;

const _: () = assert!(IN_BYTES.is_power_of_two());
const _: () = assert!(OUT_BYTES.is_power_of_two());
const _: () = assert!(OUT_CONSUMER_AT == OUT_AT + OUT_BYTES as usize + 8);
const _: () = assert!(OUT_PRODUCER_AT == OUT_CONSUMER_AT + 4);
