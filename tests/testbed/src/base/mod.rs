//! What everything else stands on: errors, limits, options, files, numbers.

pub(crate) mod command;
pub mod cpio;
pub mod layout;
pub mod options;
pub mod progress;
pub mod roles;
pub mod stats;
pub mod stop;
pub mod trouble;
pub mod verdict;
