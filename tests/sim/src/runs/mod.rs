//! Whole runs of a world, and what is reported of them.

pub mod campaign;
mod check;
pub mod many_links;
pub mod minimise;
pub mod report;
pub mod run;
