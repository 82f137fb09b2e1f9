//! What everything else stands on.

pub mod clock;
pub mod page;
pub mod trace;
