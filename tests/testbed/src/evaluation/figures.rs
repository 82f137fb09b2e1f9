//! The figures of a run, as its report has them: stages, counts, budgets and checks.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::stats::Spread;

/// What a guest counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StageCounts {
    /// xenstore requests by type.
    pub xs_requests: BTreeMap<String, u64>,
    /// Watch events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xs_events: Option<Events>,
    /// Watch events of both sorts together, where they are not told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xs_events_all: Option<u64>,
    /// Doorbells rung.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doorbells: Option<u64>,
    /// Returns from waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wakeups: Option<WakeUps>,
    /// Hypercalls by name.
    pub hypercalls: BTreeMap<String, u64>,
}

/// Watch events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Events {
    /// They changed something.
    pub useful: u64,
    /// They did not.
    pub spurious: u64,
}

/// Returns from waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WakeUps {
    /// There was something to do.
    pub useful: u64,
    /// There was nothing.
    pub empty: u64,
}

/// One stage of a course.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// How many were timed.
    pub n: usize,
    /// Their durations; none with the real clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ns: Option<Spread>,
    /// Lower bound and count of each bucket.
    pub hist: Vec<(u64, u64)>,
    /// xenstore requests of one, by side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xs_requests: Option<Sides>,
    /// Hypercalls of one, by side; those that wait are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hypercalls: Option<Sides>,
    /// Everything that was counted in all of them together, by side: "fe", "be".
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sides: BTreeMap<&'static str, Counted>,
}

/// Counts of one side over several times of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// How many times.
    pub n: u64,
    /// All that was counted in them.
    #[serde(flatten)]
    pub counts: StageCounts,
}

/// An average by side, rounded up: a budget that one run in two exceeds is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sides {
    /// The frontend's.
    pub fe: u64,
    /// The backend's.
    pub be: u64,
}

/// What was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Transfer {
    /// Cycles that moved everything.
    pub cycles: u64,
    /// Bytes of each, each way.
    pub bytes_each_way: u64,
    /// Cycles in which both ends found the bytes right.
    pub checksums_ok: u64,
}

/// A figure against its limit, [`Budget::binding`] or an aim.
#[derive(Debug, Clone, Serialize)]
pub struct Budget {
    /// What.
    pub name: String,
    /// Its unit.
    pub unit: &'static str,
    /// The figure.
    pub value: f64,
    /// The limit.
    pub limit: f64,
    /// Whether it keeps to it.
    pub ok: bool,
    /// Whether a run that does not keep to it fails; else the limit is an aim.
    pub binding: bool,
}

impl Budget {
    /// What tables say of it. Only a run that fails has one that is over.
    pub fn mark(&self) -> &'static str {
        match (self.ok, self.binding) {
            (true, _) => "ok   ",
            (false, true) => "OVER ",
            (false, false) => "above",
        }
    }
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// Under which daemon.
    pub daemon: String,
    /// Whether it held.
    pub ok: bool,
    /// Whether it was left out.
    pub skipped: bool,
    /// More words.
    pub detail: String,
    /// The command that does it again.
    pub replay: String,
}
