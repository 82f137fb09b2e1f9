//! What can be run: single runs, the fault campaign, random courses, the soak, the comparisons.

pub mod comparators;
pub mod course;
pub mod explore;
pub mod faults;
pub mod recording;
pub mod rows;
pub mod session;
pub mod soak;
pub(crate) mod soak_job;
pub mod wish;
