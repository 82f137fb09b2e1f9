//! From Xen's loader to the image's `main`: entry, descriptor tables, paging, start info, order.
//!
//! [`start`] is the table of contents: what is set up, in which order, and what ends the run.

pub(crate) mod descriptors;
// Not in tests on the host, which have an entry point of their own.
#[cfg(not(test))]
pub(crate) mod entry;
pub(crate) mod exceptions;
pub(crate) mod layout;
pub(crate) mod paging;
pub(crate) mod resume;
pub(crate) mod start;
pub(crate) mod start_info;
