//! Names that commands, scenarios and images share, so that nothing above has to know the others.

/// Command, scenario and image that measure.
pub const BENCH: &str = "bench";
/// Cycles of it unless stated: with a thousand the 99.9th percentile is the second longest.
pub const BENCH_CYCLES: u32 = 1000;
/// Command, scenario and image that check dom0's xenstore daemon.
pub const CONFORMANCE: &str = "xenstore-check";
/// The command that plays the fault campaign.
pub const FAULTS: &str = "faults";
/// Command and scenario of one long run.
pub const SOAK: &str = "soak";
/// The scenario that records the daemon's answers.
pub const RECORDING: &str = "record-replies";
