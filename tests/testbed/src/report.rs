//! report.json, schema "tether.report/1": the types, and nothing else.
//!
//! Counts are integers, times nanoseconds of clamped pvclock (Xen's system time). What was not
//! measured is absent, never 0.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bench;
use super::guest::End;
use super::leaks::Leaks;
use super::stats::Spread;
use super::timeline::Moment;
use super::verdict::Verdict;

/// The whole file.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The outcome.
    pub verdict: Verdict,
    /// The exit code that goes with it.
    pub exit: u8,
    /// Why, in words joined by dashes.
    pub reason: String,
    /// The command line.
    pub command: Vec<String>,
    /// The commit that was built, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether the work tree differed from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
    /// When the run started.
    pub started_utc: String,
    /// How long it took, images' build and bed's boot among it, in seconds.
    pub wall_s: f64,
    /// What it ran on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bed: Option<BedLine>,
    /// What was run.
    pub images: Vec<ImageLine>,
    /// The guests, in the order of creation.
    pub domains: Vec<DomainLine>,
    /// T0 to T8 of each cycle.
    pub timeline: Vec<Moment>,
    /// Durations and counts by stage.
    pub stages: BTreeMap<String, Stage>,
    /// What was moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
    /// What moving data costs, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<bench::Data>,
    /// How often what was done or happened, in a campaign of many runs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub played: BTreeMap<String, u64>,
    /// What was left behind.
    pub leaks: Leaks,
    /// Figures against their limits.
    pub budgets: Vec<Budget>,
    /// Single checks.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether it says nothing but how a run ended: nothing was played.
    pub fn is_bare(&self) -> bool {
        self.images.is_empty()
    }

    /// The file's text.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is plain data")
    }
}

/// The name of this shape.
pub const SCHEMA: &str = "tether.report/1";

/// The machine.
#[derive(Debug, Clone, Serialize)]
pub struct BedLine {
    /// "qemu" or "native".
    pub kind: &'static str,
    /// Xen's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xen: Option<String>,
    /// QEMU's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qemu: Option<String>,
    /// dom0's kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dom0: Option<String>,
    /// dom0's xenstore daemon.
    pub daemon: String,
    /// The machine's clock.
    pub clock: String,
    /// The scale of counted time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icount_shift: Option<u32>,
    /// The seed, null where there was none.
    pub seed: Option<u64>,
    /// Whether a kept bed was resumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed: Option<bool>,
}

/// One image.
#[derive(Debug, Clone, Serialize)]
pub struct ImageLine {
    /// Its role.
    pub name: String,
    /// Where it is.
    pub path: String,
    /// Of its bytes.
    pub sha256: String,
    /// How many.
    pub stripped_bytes: u64,
    /// `memory=` of its configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
}

/// One guest.
#[derive(Debug, Clone, Serialize)]
pub struct DomainLine {
    /// "frontend", "backend", …
    pub role: String,
    /// 1 for the first of its role.
    pub incarnation: u64,
    /// Its domid.
    pub domid: u64,
    /// How it ended.
    pub end: End,
    /// What it said of itself; absent where it came to no verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The file with what it printed.
    pub console: String,
    /// Its self-tests.
    pub selftests: Vec<SelfTest>,
    /// What it counted, in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// The sessions that it lost.
    pub down: Vec<DownLine>,
    /// How often its raw clock stepped back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_steps_back: Option<u64>,
}

/// One self-test.
#[derive(Debug, Clone, Serialize)]
pub struct SelfTest {
    /// Its name.
    pub name: String,
    /// Whether it passed.
    pub ok: bool,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ns: Option<u64>,
}

/// What a guest counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
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

/// A session that was lost.
#[derive(Debug, Clone, Serialize)]
pub struct DownLine {
    /// On which link.
    pub link: String,
    /// Why.
    pub reason: String,
    /// By what it was seen.
    pub witness: String,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub t_ns: Option<u64>,
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
    pub counts: Counts,
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
