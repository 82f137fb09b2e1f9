//! What a run printed: lines for programs, consoles, the guests they come from, and their times.

pub mod console;
pub(crate) mod domains;
pub mod facts;
pub mod guest;
pub mod played;
pub mod timeline;
