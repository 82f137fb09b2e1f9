//! The goals of the issue "Measured", each with what was reached.

use core::fmt;
use std::collections::BTreeMap;

use super::data::Data;
use super::exits::Exits;
use super::links::{growth, requests_more};
use crate::evaluation::counts::hypercalls_but_waits;
use crate::evaluation::figures::{Budget, Stage, StageCounts};

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    /// What.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// What was reached; none where it was not measured.
    pub value: Option<f64>,
    /// What was aimed at.
    pub target: Option<Limit>,
    /// What would be better still.
    pub stretch: Option<Limit>,
}

/// Where a goal is reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Limit {
    /// The number.
    pub fn value(self) -> f64 {
        match self {
            Limit::AtMost(value) | Limit::AtLeast(value) => value,
        }
    }

    /// Whether a value reaches it.
    pub fn allows(self, reached: f64) -> bool {
        match self {
            Limit::AtMost(value) => reached <= value,
            Limit::AtLeast(value) => reached >= value,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::AtMost(value) => write!(f, "<= {value}"),
            Limit::AtLeast(value) => write!(f, ">= {value}"),
        }
    }
}

/// All rows, in the order. A row without target says what the others are compared with.
pub fn goals(stages: &BTreeMap<String, Stage>, data: &Data) -> Vec<Goal> {
    let p50 = |name: &str| Some(stages.get(name)?.ns?.p50 as f64);
    let tail = |name: &str| {
        let ns = stages.get(name)?.ns?;
        Some(ns.p999 as f64 / ns.p50 as f64)
    };
    let ratio = |name: &str, unit: &str| Some(p50(name)? / p50(unit)?);
    let each = |stage: &str, side: &str, sum: fn(&StageCounts) -> u64| {
        let counted = stages.get(stage)?.sides.get(side)?;
        (counted.n > 0).then(|| sum(&counted.counts) as f64 / counted.n as f64)
    };
    let both = |stage: &str, sum: fn(&StageCounts) -> u64| {
        Some(each(stage, "fe", sum)? + each(stage, "be", sum)?)
    };
    let requests: fn(&StageCounts) -> u64 = |counts| counts.xs_requests.values().sum();
    let up =
        stages.get("up").and_then(|up| up.xs_requests).map(|sides| (sides.fe + sides.be) as f64);
    let cycle = |side: &str, sum: fn(&StageCounts) -> u64| {
        Some(each("connect", side, sum)? + each("disconnect", side, sum)?)
    };
    // What the smallest image takes to its first instruction is the toolstack's; what we add is a
    // larger image, the way to the first request, and the handshake once we were introduced.
    let share = || {
        let larger = (p50("boot")? - p50("xl create to T1")?).max(0.0);
        let ours = larger + p50("T1 to doorbell")? + p50("introduced to up")?;
        Some(ours / (p50("boot")? + p50("up")?) * 100.0)
    };
    let row = |name, unit, value, target: Option<f64>, stretch: Option<f64>| Goal {
        name,
        unit,
        value,
        target: target.map(Limit::AtMost),
        stretch: stretch.map(Limit::AtMost),
    };
    vec![
        row("READ of some bytes (RT)", "us", p50("read").map(|ns| ns / 1e3), None, None),
        row("event-channel ping-pong", "us", p50("event").map(|ns| ns / 1e3), None, None),
        row("requests, connect, both ends", "", both("connect", requests), Some(4.0), Some(2.0)),
        row(
            "requests, connect + data + disconnect, both ends",
            "",
            sum([both("connect", requests), both("data", requests), both("disconnect", requests)]),
            Some(8.0),
            Some(4.0),
        ),
        row("requests, first instruction to up, both ends", "", up, Some(12.0), Some(8.0)),
        row("connect / RT", "x", ratio("connect", "read"), Some(4.5), Some(2.3)),
        row("first byte there and back / ping-pong", "x", ratio("first-byte", "event"), None, None),
        row(
            "disconnect to all grants ended / RT",
            "x",
            ratio("disconnect", "read"),
            Some(4.5),
            Some(0.5),
        ),
        row(
            "hypercalls, connect + disconnect, no waits, front",
            "",
            cycle("fe", hypercalls_but_waits),
            Some(4.0),
            Some(3.0),
        ),
        row(
            "hypercalls, connect + disconnect, no waits, back",
            "",
            cycle("be", hypercalls_but_waits),
            Some(6.0),
            Some(2.0),
        ),
        row(
            "first instruction to first doorbell",
            "us",
            p50("T1 to doorbell").map(|ns| ns / 1e3),
            Some(250.0),
            None,
        ),
        row(
            "first instruction to first doorbell, exits",
            "",
            data.exits.iter().find(|row| row.stage == "boot").map(Exits::each),
            Some(12.0),
            Some(6.0),
        ),
        row("our share of T0 to channel up", "%", share(), Some(5.0), Some(1.0)),
        row(
            "1 byte there and back through the ring / ping-pong",
            "x",
            ratio("rt-1-p1", "event"),
            Some(1.1),
            Some(1.03),
        ),
        row(
            "64-byte message in one domain, each side",
            "instructions",
            data.instructions_a_side("message"),
            Some(60.0),
            Some(35.0),
        ),
        row(
            "the same, nobody to be told",
            "instructions",
            data.instructions_a_side("message-untold"),
            None,
            None,
        ),
        Goal {
            name: "stream of 4 KiB writes in one domain, of memcpy / 2",
            unit: "%",
            value: data.per_cent_of_copy("stream", 2.0),
            target: Some(Limit::AtLeast(85.0)),
            stretch: Some(Limit::AtLeast(95.0)),
        },
        Goal {
            name: "the same read in place, of memcpy",
            unit: "%",
            value: data.per_cent_of_copy("stream-in-place", 1.0),
            target: Some(Limit::AtLeast(90.0)),
            stretch: Some(Limit::AtLeast(97.0)),
        },
        row(
            "events a ring-full, 4 KiB writes, 1 page, both ends",
            "",
            data.notified_a_ring_full(1, 4096),
            Some(1.0),
            Some(0.1),
        ),
        row("connect, 99.9th percentile / median", "x", tail("connect"), None, None),
        row("READ, 99.9th percentile / median", "x", tail("read"), None, None),
        row(
            "connect's p99.9/p50 against the READ's own",
            "x",
            tail("connect").zip(tail("read")).map(|(ours, theirs)| ours / theirs),
            Some(2.0),
            Some(1.2),
        ),
        row(
            "requests a connect with up to 32 links on one back, beyond one's",
            "",
            requests_more(&data.links),
            Some(0.0),
            Some(0.0),
        ),
        row(
            "connect's growth with up to 32 links against RT's own",
            "x",
            growth(&data.links, "connect"),
            Some(1.2),
            Some(1.0),
        ),
    ]
}

fn sum<const N: usize>(parts: [Option<f64>; N]) -> Option<f64> {
    parts.into_iter().try_fold(0.0, |sum, part| Some(sum + part?))
}

/// The goals that have a target, as budgets of the report.
pub fn budgets(stages: &BTreeMap<String, Stage>, data: &Data) -> Vec<Budget> {
    goals(stages, data)
        .into_iter()
        .filter_map(|goal| {
            let (value, limit) = (goal.value?, goal.target?);
            let ok = limit.allows(value);
            let value = (value * 1000.0).round() / 1000.0;
            Some(Budget {
                name: goal.name.into(),
                unit: goal.unit,
                value,
                limit: limit.value(),
                ok,
                binding: false,
            })
        })
        .collect()
}
