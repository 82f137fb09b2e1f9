//! Sharing memory on real Xen: what `grant/` asks for, over the window, raw pages and hypercalls.
//!
//! [`GrantFrames`] is this domain's grant table, [`OwnPages`] are pages to be granted,
//! [`WindowMapper`] and [`ForeignPages`] map and access another domain's.

mod foreign;
mod frames;
mod own;

pub(crate) use foreign::unmap;
pub use foreign::{ForeignPages, WindowMapper};
pub use frames::GrantFrames;
pub use own::OwnPages;
