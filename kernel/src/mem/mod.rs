//! The processor and the memory of the image. Nothing here knows of Xen.

/// Bytes in a page.
pub(crate) const PAGE_BYTES: usize = 4096;

pub mod copy;
pub(crate) mod cpu;
pub(crate) mod functions;
pub mod heap;
pub mod pages;
pub mod random;
pub(crate) mod static_cell;
pub(crate) mod untyped;
