//! Sharing memory on real Xen: what `grant/` asks for, over the window, raw pages and hypercalls.
//!
//! [`OwnGrants`] is this domain's grant table, [`OwnPages`] are pages to be granted,
//! [`WindowMapper`] and [`ForeignPages`] map and access another domain's.

mod foreign;
mod frames;
mod own;
mod shared;
mod table;

pub(crate) use foreign::unmap;
pub use foreign::{ForeignPages, WindowMapper};
pub(crate) use frames::GrantFrames;
pub use own::OwnPages;
pub use table::OwnGrants;
