//! From Xen's loader to Rust: entry, descriptor tables, paging, start info; and the end by a bug. In
//! which order it is used is written in `image/start.rs`.

pub(crate) mod descriptors;
// Not in tests on the host, which have an entry point of their own.
#[cfg(not(test))]
pub(crate) mod entry;
pub(crate) mod exceptions;
pub(crate) mod layout;
pub(crate) mod paging;
#[cfg(feature = "image")]
mod panic;
pub(crate) mod start_info;
