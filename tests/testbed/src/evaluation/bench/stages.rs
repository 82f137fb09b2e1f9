//! The histograms and counts that the image `bench` printed, the shipped pair's way up, and the
//! toolstack's share, as [`Stage`]s of the report.

use std::collections::BTreeMap;

use super::pairs::{TRACED, is_timed};
use crate::base::options::Clock;
use crate::base::roles;
use crate::base::stats::{Spread, histogram};
use crate::evaluation::counts::{counts, hypercalls_but_waits};
use crate::evaluation::figures::{Counted, Sides, Stage, StageCounts};
use crate::output::facts::Fact;
use crate::output::guest::Guest;
use crate::output::timeline::ClockOffset;

/// Stages whose counts the image prints.
pub(crate) const COUNTED_STAGES: [&str; 4] = ["up", "connect", "data", "disconnect"];

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
pub(crate) fn times(fact: &Fact) -> Option<(String, Stage)> {
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

/// A histogram as the image printed it, perhaps in several lives.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    /// By lowest value: the highest value and how many.
    buckets: BTreeMap<u64, (u64, u64)>,
    min: Option<u64>,
    max: u64,
}

impl Buckets {
    pub(crate) fn of<'a>(guests: impl Iterator<Item = &'a Guest>, name: &str) -> Buckets {
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

    pub(crate) fn count(&self) -> u64 {
        self.buckets.values().map(|(_, count)| count).sum()
    }

    /// The value that so many of a thousand do not exceed: the upper end of its part.
    pub(crate) fn rank(&self, per_mille: u64) -> u64 {
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

    pub(crate) fn stage(&self, clock: Clock) -> Stage {
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
pub(crate) fn sides(guests: &[Guest], stage: &str) -> BTreeMap<&'static str, Counted> {
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

pub(crate) fn average(
    sides: &BTreeMap<&'static str, Counted>,
    sum: impl Fn(&StageCounts) -> u64,
) -> Option<Sides> {
    let of = |side: &str| {
        let counted = sides.get(side)?;
        (counted.n > 0).then(|| sum(&counted.counts).div_ceil(counted.n))
    };
    Some(Sides { fe: of("fe")?, be: of("be")? })
}

/// What happens once in a life: `xl create` of the smallest image, until the tool is back and until
/// the first instruction; the way from there to the first word to xenstore; and from the frontend's
/// introduction, which is dom0's doing, to the channel being up.
pub(crate) fn spans(guests: &[Guest], offset: Option<ClockOffset>) -> BTreeMap<String, Stage> {
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
        guest.role == roles::BENCH
            && guest.incarnation < TRACED
            && guest.of("hist").next().is_none()
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
        hist: histogram(durations),
        xs_requests: None,
        hypercalls: None,
        sides: BTreeMap::new(),
    };
    let measured = durations.into_iter().filter(|(_, durations)| !durations.is_empty());
    measured.map(|(name, durations)| (name.to_string(), stage(&durations))).collect()
}
