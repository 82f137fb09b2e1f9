//! What a run came to: checks, figures against limits, leaks, the verdict, the report.

pub mod assemble;
pub mod bench;
pub mod conformance;
pub(crate) mod counts;
pub mod figures;
pub mod findings;
pub mod leaks;
pub mod referee;
pub mod report;
pub(crate) mod tally;
