//! What a run comes to: [`Findings`].

use std::collections::BTreeMap;

use crate::base::options::{Clock, Daemon};
use crate::base::verdict::Judgement;
use crate::evaluation::bench;
use crate::evaluation::figures::{Budget, Check, Stage, Transfer};
use crate::evaluation::leaks::Leaks;
use crate::output::guest::Guest;
use crate::output::timeline::Moment;

/// What one run comes to; the frame around it (command, commit, machine) is the invocation's.
#[derive(Debug, Clone)]
pub struct Findings {
    /// The outcome.
    pub judgement: Judgement,
    /// The guests.
    pub guests: Vec<Guest>,
    /// The cycles.
    pub timeline: Vec<Moment>,
    /// How far T0 may be off.
    pub t0_uncertainty_ns: Option<u64>,
    /// Durations and counts.
    pub stages: BTreeMap<String, Stage>,
    /// What was moved.
    pub transfer: Option<Transfer>,
    /// What moving data costs, where that was measured.
    pub data: bench::Data,
    /// What was left behind.
    pub leaks: Leaks,
    /// Figures against limits.
    pub budgets: Vec<Budget>,
    /// What a READ takes dom0's own test-xenstore, in nanoseconds, where that was asked for.
    pub baseline_ns: Option<f64>,
    /// Single checks of the scenario.
    pub checks: Vec<Check>,
}

/// How a run was started, for its report.
#[derive(Debug, Clone)]
pub struct Origin {
    /// What was played.
    pub scenario: String,
    /// dom0's daemon.
    pub daemon: Daemon,
    /// The machine's clock.
    pub clock: Clock,
    /// The command that does it again.
    pub replay: String,
}
