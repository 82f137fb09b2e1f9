//! What a connect costs where its back has many links: [`Links`], one row for each number of them
//! (tests/dom0/scenarios/bench-pairs.sh, `many`).

use core::fmt::Write;
use std::collections::BTreeMap;

use serde::Serialize;

use super::pairs::named;
use super::stages::{Buckets, COUNTED_STAGES, average};
use crate::base::options::Clock;
use crate::evaluation::counts::counts;
use crate::evaluation::counts::hypercalls_but_waits;
use crate::evaluation::figures::{Counted, Stage};
use crate::output::facts::Fact;
use crate::output::guest::Guest;

/// One back with so many links up. All fronts but one are idle; that one was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Links {
    /// How many links were up, the measured one among them.
    pub links: u64,
    /// What the measured front timed, and what both sides counted: "read", "connect", "disconnect".
    pub stages: BTreeMap<String, Stage>,
}

/// The rows, in the order in which they were measured; none where that was not done.
pub(crate) fn rows(guests: &[Guest], facts: &[Fact], clock: Clock) -> Vec<Links> {
    // How many rows each back has had.
    let mut served: BTreeMap<u64, usize> = BTreeMap::new();
    let told = facts.iter().filter(|fact| fact.word == "links");
    told.filter_map(|fact| {
        let links = fact.number("n")?;
        let (front, back) = (named(guests, fact, "front")?, named(guests, fact, "back")?);
        let rows = served.entry(back.incarnation).or_default();
        *rows += 1;
        Some(Links { links, stages: stages(front, back, *rows, clock) })
    })
    .collect()
}

/// What a front has timed and counted, and what its back, whose `nth` one it was, has counted.
fn stages(front: &Guest, back: &Guest, nth: usize, clock: Clock) -> BTreeMap<String, Stage> {
    let mut stages = BTreeMap::new();
    for name in front.of("hist").map(|fact| fact.text("name")) {
        let timed = Buckets::of(core::iter::once(front), name);
        stages.insert(name.to_string(), timed.stage(clock));
    }
    // A back tells what each of its fronts has cost once that has gone.
    let told: Vec<&Fact> =
        back.facts.split(|fact| fact.word == "served").nth(nth).unwrap_or(&[]).iter().collect();
    for name in COUNTED_STAGES {
        let mut sides = BTreeMap::new();
        let is_stage = |fact: &&Fact| fact.word == "counts" && fact.text("stage") == name;
        let lines = [
            ("fe", front.facts.iter().find(is_stage)),
            ("be", told.iter().copied().find(is_stage)),
        ];
        for (side, fact) in lines {
            if let Some(fact) = fact {
                let n = fact.number("n").unwrap_or(0);
                sides.insert(side, Counted { n, counts: counts(fact) });
            }
        }
        // The way up is a newcomer's, after another one has gone: not what a cold one costs.
        if let Some(stage) = stages.get_mut(name) {
            stage.xs_requests = average(&sides, |counts| counts.xs_requests.values().sum());
            stage.hypercalls = average(&sides, hypercalls_but_waits);
            stage.sides = sides;
        }
    }
    stages
}

impl Links {
    /// The median of something timed, in nanoseconds.
    pub fn median(&self, stage: &str) -> Option<f64> {
        Some(self.stages.get(stage)?.ns?.p50 as f64)
    }

    /// What must not be exceeded by more than one in a hundred, in nanoseconds.
    pub fn p99(&self, stage: &str) -> Option<f64> {
        Some(self.stages.get(stage)?.ns?.p99 as f64)
    }

    /// xenstore requests of a stage, both ends, on the average. What other links ask meanwhile (a
    /// beat that falls due) is counted too.
    pub fn requests(&self, stage: &str) -> Option<f64> {
        let sides = &self.stages.get(stage)?.sides;
        let of = |side: &str| {
            let counted = sides.get(side).filter(|counted| counted.n > 0)?;
            Some(counted.counts.xs_requests.values().sum::<u64>() as f64 / counted.n as f64)
        };
        Some(of("fe")? + of("be")?)
    }
}

/// By how much the median of `stage` grew beyond what a READ's did from one link to many: the worst
/// of all rows against the first. 1 is "as xenstored itself".
pub(crate) fn growth(rows: &[Links], stage: &str) -> Option<f64> {
    let in_reads = |row: &Links| Some(row.median(stage)? / row.median("read")?);
    let (first, rest) = rows.split_first()?;
    let alone = in_reads(first)?;
    let worst = rest.iter().map(in_reads).collect::<Option<Vec<f64>>>()?;
    worst.into_iter().map(|ratio| ratio / alone).max_by(f64::total_cmp)
}

/// How many requests a connect makes beyond those that it makes with one link, both ends, at the most
/// of all rows; to a tenth, since what other links ask meanwhile is counted too.
pub(crate) fn requests_more(rows: &[Links]) -> Option<f64> {
    let (first, rest) = rows.split_first()?;
    let alone = first.requests("connect")?;
    let all = rest.iter().map(|row| row.requests("connect")).collect::<Option<Vec<f64>>>()?;
    let most = all.into_iter().max_by(f64::total_cmp)?;
    Some(((most - alone) * 10.0).round() / 10.0 + 0.0)
}

/// For people.
pub(crate) fn show(text: &mut String, rows: &[Links]) {
    if !rows.is_empty() {
        // Writing to a string does not fail.
        let _ = writeln!(text, "\nOne back with many links, microseconds: median, 99th percentile");
        let _ = writeln!(text, "  links            RT       connect    disconnect  requests");
    }
    for row in rows {
        let _ = write!(text, "  {:>5}", row.links);
        for stage in ["read", "connect", "disconnect"] {
            let us = |ns: Option<f64>| ns.map_or("-".into(), |ns| format!("{:.0}", ns / 1e3));
            let _ = write!(text, " {:>6} {:>6}", us(row.median(stage)), us(row.p99(stage)));
        }
        let requests = row.requests("connect").map_or("-".into(), |count| format!("{count:.2}"));
        let _ = writeln!(text, " {requests:>9}");
    }
}
