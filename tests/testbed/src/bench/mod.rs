//! What `run-xen.sh bench` measured: the histograms and counts that the image `bench` printed, the
//! shipped pair's way up, and the toolstack's share, as [`Stage`]s of the report; and how that
//! compares with the goals ([`goals`]).
//!
//! The measuring is in tests/images/bench/, dom0's part in tests/dom0/scenarios/bench.sh.

mod asked;
pub mod comparators;
mod data;
mod exits;
mod goals;
pub mod ledger;
mod links;
pub mod page;

use core::fmt::Write;
use std::collections::BTreeMap;

use super::assemble::{Findings, WAITS, counts};
use super::facts::Fact;
use super::guest::Guest;
use super::options::Clock;
use super::report::{Budget, Counted, Counts, Sides, Stage};
use super::stats::Spread;
use super::timeline::ClockOffset;

pub use data::{Alone, Data, Streamed};
pub use exits::Exits;
pub use goals::{Goal, Limit, goals};
pub use links::Links;

/// The image, the scenario and the command.
pub const ROLE: &str = "bench";
/// Cycles unless told: with a thousand the 99.9th percentile is the second longest.
pub const CYCLES: u32 = 1000;

/// From this number on the scenario's domains of the image are others than the pairs that are timed:
/// one back with many fronts, and those whose exits are traced (tests/dom0/scenarios/bench-pairs.sh).
const UNTIMED: u64 = 100;
/// From this one on they are traced.
const TRACED: u64 = 200;

/// Whether it is one of a pair that is timed.
fn is_timed(guest: &Guest) -> bool {
    guest.role == ROLE && guest.incarnation < UNTIMED
}

/// The domain of the image that a fact names by its number, under `key`.
fn named<'a>(guests: &'a [Guest], fact: &Fact, key: &str) -> Option<&'a Guest> {
    let number = fact.number(key)?;
    guests.iter().find(|guest| guest.role == ROLE && guest.incarnation == number)
}

/// Stages whose counts the image prints.
const COUNTED_STAGES: [&str; 4] = ["up", "connect", "data", "disconnect"];

/// Everything that was measured, by name; empty where `bench` did not run.
pub fn stages(
    guests: &[Guest],
    facts: &[Fact],
    offset: Option<ClockOffset>,
    clock: Clock,
) -> BTreeMap<String, Stage> {
    let mut stages = BTreeMap::new();
    let of_image = || guests.iter().filter(|guest| is_timed(guest));
    if of_image().next().is_none() {
        return stages;
    }
    for name in of_image().flat_map(|guest| guest.of("hist")).map(|fact| fact.text("name")) {
        let buckets = Buckets::of(of_image(), name);
        stages.insert(name.to_string(), buckets.stage(clock));
    }
    for name in COUNTED_STAGES {
        let sides = sides(guests, name);
        if sides.is_empty() {
            continue;
        }
        // The way up is the shipped pair's to measure; what it counted there stands already.
        let stage =
            stages.entry(name.to_string()).or_insert_with(|| Buckets::default().stage(clock));
        stage.xs_requests = average(&sides, |counts| counts.xs_requests.values().sum());
        stage.hypercalls = average(&sides, hypercalls_but_waits);
        stage.sides = sides;
    }
    stages.remove("up");
    if clock == Clock::Counted {
        stages.extend(spans(guests, offset));
        let told = guests.iter().flat_map(|guest| &guest.facts).chain(facts);
        stages.extend(told.filter(|fact| fact.word == "times").filter_map(times));
    }
    stages
}

/// What a program of tests/comparators/ measured: it works out the percentiles itself.
fn times(fact: &Fact) -> Option<(String, Stage)> {
    let ns = Spread {
        min: fact.number("min_ns")?,
        p50: fact.number("p50_ns")?,
        p90: fact.number("p90_ns")?,
        p99: fact.number("p99_ns")?,
        p999: fact.number("p999_ns")?,
        max: fact.number("max_ns")?,
    };
    let stage = Stage {
        n: usize::try_from(fact.number("n")?).ok()?,
        ns: Some(ns),
        hist: Vec::new(),
        xs_requests: None,
        hypercalls: None,
        sides: BTreeMap::new(),
    };
    Some((fact.text("name").to_string(), stage))
}

/// The hypercalls that do something: how often one waits says how busy the others were.
pub fn hypercalls_but_waits(counts: &Counts) -> u64 {
    let is_wait = |name: &str| WAITS.iter().any(|wait| wait.strip_prefix("hc.") == Some(name));
    counts.hypercalls.iter().filter(|(name, _)| !is_wait(name)).map(|(_, count)| count).sum()
}

/// A histogram as the image printed it, perhaps in several lives.
#[derive(Debug, Default)]
struct Buckets {
    /// By lowest value: the highest value and how many.
    buckets: BTreeMap<u64, (u64, u64)>,
    min: Option<u64>,
    max: u64,
}

impl Buckets {
    fn of<'a>(guests: impl Iterator<Item = &'a Guest>, name: &str) -> Buckets {
        let mut all = Buckets::default();
        for guest in guests {
            for fact in guest.of("hist").filter(|fact| fact.text("name") == name) {
                let min = fact.number("min_ns").unwrap_or(0);
                all.min = Some(all.min.map_or(min, |known| known.min(min)));
                all.max = all.max.max(fact.number("max_ns").unwrap_or(0));
            }
            for fact in guest.of("bucket").filter(|fact| fact.text("name") == name) {
                let number = |key: &str| fact.number(key).unwrap_or(0);
                let bucket = all.buckets.entry(number("lo")).or_insert((number("hi"), 0));
                bucket.1 += number("n");
            }
        }
        all
    }

    fn count(&self) -> u64 {
        self.buckets.values().map(|(_, count)| count).sum()
    }

    /// The value that so many of a thousand do not exceed: the upper end of its part.
    fn rank(&self, per_mille: u64) -> u64 {
        let wanted = (self.count() * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (high, count) in self.buckets.values() {
            seen += count;
            if seen >= wanted {
                return (*high).min(self.max);
            }
        }
        self.max
    }

    fn stage(&self, clock: Clock) -> Stage {
        let spread = Spread {
            min: self.min.unwrap_or(0),
            p50: self.rank(500),
            p90: self.rank(900),
            p99: self.rank(990),
            p999: self.rank(999),
            max: self.max,
        };
        let measured = clock == Clock::Counted && !self.buckets.is_empty();
        Stage {
            n: self.count() as usize,
            ns: measured.then_some(spread),
            hist: match clock {
                Clock::Counted => self.buckets.iter().map(|(low, (_, n))| (*low, *n)).collect(),
                Clock::Exact | Clock::Real => Vec::new(),
            },
            xs_requests: None,
            hypercalls: None,
            sides: BTreeMap::new(),
        }
    }
}

/// The counts of one stage on both sides, of the pairs that went through cycles.
fn sides(guests: &[Guest], stage: &str) -> BTreeMap<&'static str, Counted> {
    let mut sides = BTreeMap::new();
    for guest in guests.iter().filter(|guest| is_timed(guest)) {
        // A pair that tried one connection out has one connect, one disconnect and much else.
        let is_cycle = |fact: &&Fact| {
            let cycles = fact.number("n").unwrap_or(0);
            fact.text("stage") == "disconnect" && cycles > 1
        };
        if !guest.of("counts").any(|fact| is_cycle(&fact)) {
            continue;
        }
        let side = if guest.of("hist").next().is_some() { "fe" } else { "be" };
        if let Some(fact) = guest.of("counts").find(|fact| fact.text("stage") == stage) {
            let n = fact.number("n").unwrap_or(0);
            sides.insert(side, Counted { n, counts: counts(fact) });
        }
    }
    sides
}

fn average(sides: &BTreeMap<&'static str, Counted>, sum: impl Fn(&Counts) -> u64) -> Option<Sides> {
    let of = |side: &str| {
        let counted = sides.get(side)?;
        (counted.n > 0).then(|| sum(&counted.counts).div_ceil(counted.n))
    };
    Some(Sides { fe: of("fe")?, be: of("be")? })
}

/// What happens once in a life: `xl create` of the smallest image, until the tool is back and until
/// the first instruction; the way from there to the first word to xenstore; and from the frontend's
/// introduction, which is dom0's doing, to the channel being up.
fn spans(guests: &[Guest], offset: Option<ClockOffset>) -> BTreeMap<String, Stage> {
    let of_role = |role: &'static str| guests.iter().filter(move |guest| guest.role == role);
    let t1 = |guest: &Guest| guest.of("boot").find_map(|fact| fact.number("t1_ns"));
    let t0 = |guest: &Guest| Some(offset?.convert(guest.created_dom0_ns?));
    let moment = |guest: &Guest, word: &str| {
        let fact = guest.facts.iter().find(|fact| fact.word == word)?;
        fact.number("t_ns")
    };
    let whole = |guest: &Guest| guest.create_done_dom0_ns?.checked_sub(guest.created_dom0_ns?);
    let to_first = |guest: &Guest| t1(guest)?.checked_sub(t0(guest)?);
    let to_doorbell = |guest: &Guest| moment(guest, "first-doorbell")?.checked_sub(t1(guest)?);
    let to_up = |guest: &Guest| moment(guest, "up")?.checked_sub(moment(guest, "introduced")?);
    // Backs, and fronts that are idle: others have rested and read before their driver began.
    let began_at_once = guests.iter().filter(|guest| {
        guest.role == ROLE && guest.incarnation < TRACED && guest.of("hist").next().is_none()
    });
    let durations: [(&str, Vec<u64>); 4] = [
        ("xl create", of_role("hello").filter_map(whole).collect()),
        ("xl create to T1", of_role("hello").filter_map(to_first).collect()),
        ("T1 to doorbell", began_at_once.filter_map(to_doorbell).collect()),
        ("introduced to up", of_role("frontend").filter_map(to_up).collect()),
    ];
    let stage = |durations: &[u64]| Stage {
        n: durations.len(),
        ns: Spread::of(durations),
        hist: super::stats::histogram(durations),
        xs_requests: None,
        hypercalls: None,
        sides: BTreeMap::new(),
    };
    let measured = durations.into_iter().filter(|(_, durations)| !durations.is_empty());
    measured.map(|(name, durations)| (name.to_string(), stage(&durations))).collect()
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

/// The goals and what was reached, for people; empty where `bench` did not run.
pub fn table(findings: &Findings) -> String {
    let mut text = String::new();
    if !findings.guests.iter().any(|guest| guest.role == ROLE) {
        return text;
    }
    // Writing to a string does not fail.
    let _ = writeln!(text, "\nGoals: what was reached, of target and stretch");
    for goal in goals(&findings.stages, &findings.data) {
        let value = goal.value.map_or("not measured".to_string(), |value| format!("{value:.3}"));
        let limit = |limit: Option<Limit>| limit.map_or("-".to_string(), |limit| limit.to_string());
        let _ = writeln!(
            text,
            "  {:<58} {value:>12} {:>10} {:>10}  {}",
            goal.name,
            limit(goal.target),
            limit(goal.stretch),
            goal.unit
        );
    }
    show_data(&mut text, &findings.data);
    links::show(&mut text, &findings.data.links);
    exits::show(&mut text, &findings.data.exits);
    text
}

fn show_data(text: &mut String, data: &Data) {
    if !data.streams.is_empty() {
        let _ = writeln!(text, "\nStreams over a connection, both domains at work");
        let _ = writeln!(text, "  pages  bytes a write       MB/s  events a MB, FE + BE");
    }
    for row in &data.streams {
        let rate = row.megabytes_a_second().map_or("-".to_string(), |rate| format!("{rate:.2}"));
        let (fe, be) = (row.notified_fe as f64, row.notified_be as f64);
        let megabytes = row.bytes as f64 / 1e6;
        let _ = writeln!(
            text,
            "  {:>5} {:>14} {rate:>10}  {:.1} + {:.1}",
            row.pages,
            row.size,
            fe / megabytes,
            be / megabytes
        );
    }
    if !data.alone.is_empty() {
        let _ = writeln!(text, "\nIn one domain, all others asleep");
    }
    for row in &data.alone {
        let ns = row.ns as f64 / row.n as f64;
        let rate = row.bytes as f64 * 1e3 / ns;
        let _ = writeln!(
            text,
            "  {:<18} {:>6} bytes {ns:>10.1} ns each {rate:>10.1} MB/s",
            row.name, row.bytes
        );
    }
}

#[cfg(test)]
mod tests;
