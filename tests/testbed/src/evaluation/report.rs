//! report.json, schema "tether.report/1": the types, and nothing else.
//!
//! Counts are integers, times nanoseconds of clamped pvclock (Xen's system time). What was not
//! measured is absent, never 0.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::verdict::Verdict;
use crate::evaluation::bench;
use crate::evaluation::figures::{Budget, Check, Stage, StageCounts, Transfer};
use crate::evaluation::leaks::Leaks;
use crate::output::guest::GuestEnd;
use crate::output::timeline::Moment;

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
    pub end: GuestEnd,
    /// What it said of itself; absent where it came to no verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The file with what it printed.
    pub console: String,
    /// Its self-tests.
    pub selftests: Vec<SelfTest>,
    /// What it counted, in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<StageCounts>,
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
