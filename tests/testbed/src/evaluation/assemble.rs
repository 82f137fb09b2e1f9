//! From what a run left to its report: [`assemble`].
//!
//! The verdict comes about here too: what the job in dom0 said, what each guest said or did, what
//! was left behind, what was moved, and whether a figure is over a budget that binds. One that is more
//! than was aimed at is shown, and is no failure.

use std::collections::BTreeMap;

use super::{bench, conformance};
use crate::base::options::Clock;
use crate::base::roles;
use crate::base::stats::{Spread, histogram};
use crate::base::verdict::{Judgement, Verdict};
use crate::evaluation::counts::{WAITS, counts};
use crate::evaluation::figures::{Budget, Check, Sides, Stage, Transfer};
use crate::evaluation::findings::{Findings, Origin};
use crate::evaluation::leaks::Leaks;
use crate::evaluation::report::{DomainLine, DownLine, ImageLine, SelfTest};
use crate::machine::images::Image;
use crate::output::facts::Fact;
use crate::output::guest::{Guest, GuestEnd};
use crate::output::played::Played;
use crate::output::timeline::{ClockOffset, Moment, cycles};

/// Works out everything that one run shows.
pub fn assemble(played: &Played, origin: &Origin, images: &[Image]) -> Findings {
    let guests = Guest::all(played);
    let offset = ClockOffset::find(&played.facts);
    let timeline = match origin.clock {
        Clock::Counted | Clock::Exact => cycles(&guests, offset),
        // Its times mean nothing: no latencies are given.
        Clock::Real => Vec::new(),
    };
    let leaks = Leaks::find(&played.results, &guests);
    let mut stages = stages(&guests, &timeline);
    stages.extend(bench::stages(&guests, &played.facts, offset, origin.clock));
    let transfer = transfer(&guests);
    let mut checks = checks(&played.facts, origin);
    checks.extend(conformance::checks(&guests, origin));
    checks.extend(prompt_check(&timeline, origin));
    let mut judgement = Judgement::new("all-done-and-nothing-left");
    judge_job(&played.facts, &mut judgement);
    for guest in &guests {
        guest.judge(&mut judgement);
    }
    for check in &checks {
        if check.skipped {
            judgement.add(Verdict::Skip, format!("{}-was-skipped", check.name));
        } else if !check.ok {
            judgement.add(Verdict::Failure, check.name.clone());
        }
    }
    if let Some(transfer) = transfer
        && transfer.checksums_ok < transfer.cycles
    {
        judgement.add(Verdict::Failure, "wrong-bytes");
    }
    if !leaks.blind.is_empty() {
        judgement.add(Verdict::Error, "leak-check-blind");
    }
    if leaks.total() > 0 {
        judgement.add(Verdict::Failure, "something-leaked");
    }
    let mut budgets = budgets(images, &stages, &leaks);
    budgets.extend(conformance::budgets(&guests, &played.facts, origin));
    let mut data = bench::Data::of(&guests, &played.facts, origin.clock);
    data.count_others(|file| played.results.text(file));
    data.count_exits(&guests, &played.facts, |file| played.results.bytes(file));
    budgets.extend(bench::budgets(&stages, &data));
    for over in budgets.iter().filter(|budget| budget.binding && !budget.ok) {
        let Budget { name, unit, value, limit, .. } = over;
        judgement.add(Verdict::Failure, format!("{name}: {value} {unit} of at most {limit}"));
    }
    let t0_uncertainty_ns = offset.map(ClockOffset::uncertainty_ns);
    Findings {
        judgement,
        guests,
        timeline,
        t0_uncertainty_ns,
        stages,
        transfer,
        data,
        leaks,
        budgets,
        baseline_ns: conformance::baseline_ns(&played.facts),
        checks,
    }
}

/// The job must have come to its end.
fn judge_job(facts: &[Fact], judgement: &mut Judgement) {
    for fact in facts.iter().filter(|fact| fact.word == "fail") {
        judgement.add(Verdict::Failure, fact.text("reason"));
    }
    match facts.iter().find(|fact| fact.word == "end").and_then(|fact| fact.number("code")) {
        Some(0) => {}
        Some(code) => judgement.add(Verdict::Error, format!("job-ended-with-{code}")),
        None => judgement.add(Verdict::Error, "job-did-not-end"),
    }
}

fn checks(facts: &[Fact], origin: &Origin) -> Vec<Check> {
    facts
        .iter()
        .filter(|fact| fact.word == "check")
        .map(|fact| Check {
            name: fact.text("name").to_string(),
            daemon: origin.daemon.name().to_string(),
            ok: fact.yes("ok"),
            skipped: fact.text("ok") == "skipped",
            detail: fact.text("detail").to_string(),
            replay: origin.replay.clone(),
        })
        .collect()
}

/// The scenario whose cycles nothing holds up: one link, no death, and nothing that is stopped.
const PROMPT: &str = "main";
/// The longest that a cycle of it may take, from asking for the connection to its end. The longest of
/// 60 took 233 ms of counted time, on a host with several times as much to do as processors. A wake-up
/// that is lost costs up to the next beat, a second.
const CYCLE_NS_MAX: u64 = 800_000_000;

/// Every cycle was done in time. A wake-up that is lost is made good for by the next beat, so that
/// nothing but the time shows it.
fn prompt_check(timeline: &[Moment], origin: &Origin) -> Option<Check> {
    if origin.scenario != PROMPT {
        return None;
    }
    let slowest = timeline.iter().filter_map(|moment| moment.span("T3", "T8")).max()?;
    Some(Check {
        name: "every-cycle-in-time".into(),
        daemon: origin.daemon.name().into(),
        ok: slowest <= CYCLE_NS_MAX,
        skipped: false,
        detail: format!("the slowest took {} ms, of {}", slowest / NS_MS, CYCLE_NS_MAX / NS_MS),
        replay: origin.replay.clone(),
    })
}

const NS_MS: u64 = 1_000_000;

/// Cycles that went through, of all frontends. One that the end of a session cut short is told by
/// the guest as not ok, and is done again or judged by the guest itself.
fn transfer(guests: &[Guest]) -> Option<Transfer> {
    let done: Vec<&Fact> = guests
        .iter()
        .filter(|guest| guest.role == "frontend")
        .flat_map(|guest| guest.of("cycle"))
        .filter(|fact| fact.yes("ok") || fact.text("reason") == "wrong-bytes")
        .collect();
    Some(Transfer {
        cycles: done.len() as u64,
        bytes_each_way: done.iter().find_map(|fact| fact.number("bytes"))?,
        checksums_ok: done.iter().filter(|fact| fact.yes("ok")).count() as u64,
    })
}

/// Stages of the timeline, by name, first and last moment.
const STAGES: [(&str, &str, &str); 4] =
    [("boot", "T0", "T1"), ("up", "T1", "T2"), ("connect", "T3", "T4"), ("disconnect", "T6", "T8")];

fn stages(guests: &[Guest], timeline: &[Moment]) -> BTreeMap<String, Stage> {
    let mut stages = BTreeMap::new();
    for (name, from, to) in STAGES {
        // Once a frontend for what happens once a life.
        let mut lives = Vec::new();
        let durations: Vec<u64> = timeline
            .iter()
            .filter(|moment| {
                let once = matches!(name, "boot" | "up");
                let first = !lives.contains(&moment.fe_incarnation);
                lives.push(moment.fe_incarnation);
                !once || first
            })
            .filter_map(|moment| moment.span(from, to))
            .collect();
        let xs_requests = match name {
            "up" => cold_up(guests),
            _ => sides(guests, name, "xs."),
        };
        let hypercalls = sides(guests, name, "hc.");
        if durations.is_empty() && xs_requests.is_none() {
            continue;
        }
        let stage = Stage {
            n: durations.len(),
            ns: Spread::of(&durations),
            hist: histogram(&durations),
            xs_requests,
            hypercalls,
            sides: BTreeMap::new(),
        };
        stages.insert(name.to_string(), stage);
    }
    stages
}

/// Requests of the first pair's way up, which is the cold one: later ones have hellos in them that
/// waited for a peer to be created.
fn cold_up(guests: &[Guest]) -> Option<Sides> {
    let of = |role: &str| {
        let first = guests.iter().find(|guest| guest.role == role)?;
        first.of("cost").find(|fact| fact.text("stage") == "up")?.number("requests")
    };
    Some(Sides { fe: of("frontend")?, be: of("backend")? })
}

/// The average of one stage's counts, of the guests of each role that lived to print them.
fn sides(guests: &[Guest], stage: &str, prefix: &str) -> Option<Sides> {
    let of = |role: &str| {
        let mut sum = 0_u64;
        let mut times = 0_u64;
        for guest in guests.iter().filter(|guest| guest.role == role) {
            // They are sums so far: the last has it all.
            let lines = guest.of("counts").filter(|fact| fact.text("stage") == stage);
            let Some(fact) = lines.last() else { continue };
            times = times.saturating_add(fact.number("n").unwrap_or(0));
            let pairs = fact.pairs.iter();
            let wanted = |key: &str| key.starts_with(prefix) && !WAITS.contains(&key);
            for (_, value) in pairs.filter(|(key, _)| wanted(key)) {
                sum = sum.saturating_add(value.parse().unwrap_or(0));
            }
        }
        (times > 0).then(|| sum.div_ceil(times))
    };
    Some(Sides { fe: of("frontend")?, be: of("backend")? })
}

/// Largest image of those that are used: a domain of 2 MiB has room for it sixteen times.
const IMAGE_BYTES_MAX: u64 = 128 << 10;

/// Limits of issue "Two images on real Xen", section "Figures to reach", but for the images' size.
fn budgets(images: &[Image], stages: &BTreeMap<String, Stage>, leaks: &Leaks) -> Vec<Budget> {
    let mut budgets = Vec::new();
    let mut add = |name: &str, unit: &'static str, value: u64, limit: u64| {
        let ok = value <= limit;
        // What requests there are depends on the scenario too.
        let binding = unit != "requests";
        budgets.push(Budget {
            name: name.to_string(),
            unit,
            value: value as f64,
            limit: limit as f64,
            ok,
            binding,
        });
    };
    // The images that test and measure may be as large as what they do makes them.
    let measuring = [roles::CONFORMANCE, roles::BENCH, "hostile"];
    let limited = images.iter().filter(|image| !measuring.contains(&&*image.name));
    for image in limited.filter(|image| image.memory_mib.is_some()) {
        add(&format!("{} image, stripped", image.name), "bytes", image.bytes, IMAGE_BYTES_MAX);
        add(&format!("{} memory", image.name), "MiB", image.memory_mib.unwrap_or(0), 2);
    }
    let both = |name: &str| {
        let sides = stages.get(name)?.xs_requests?;
        Some(sides.fe.saturating_add(sides.be))
    };
    if let Some(up) = both("up") {
        add("channel up, both ends", "requests", up, 12);
    }
    if let Some(connect) = both("connect") {
        add("connect, both ends", "requests", connect, 4);
        if let Some(disconnect) = both("disconnect") {
            let sum = connect.saturating_add(disconnect);
            add("connect and disconnect, both ends", "requests", sum, 8);
        }
    }
    for (name, value) in [
        ("leaked grants", leaks.grants),
        ("leaked ports", leaks.ports),
        ("leaked nodes", leaks.nodes),
        ("leaked domains", leaks.domains),
    ] {
        if let Some(value) = value {
            add(name, "count", value, 0);
        }
    }
    budgets
}

/// One guest for the report; `console` names the file with what it printed.
pub fn domain_line(guest: &Guest, console: String) -> DomainLine {
    let total = guest.of("counts").filter(|fact| fact.text("stage") == "total").last();
    DomainLine {
        role: guest.role.clone(),
        incarnation: guest.incarnation,
        domid: guest.domid,
        end: guest.end,
        verdict: match guest.end {
            GuestEnd::Crash => Some(Verdict::Crash),
            _ => guest.verdict(),
        },
        console,
        selftests: guest
            .of("selftest")
            .map(|fact| SelfTest {
                name: fact.text("name").to_string(),
                ok: fact.yes("ok"),
                ns: fact.number("ns"),
            })
            .collect(),
        counts: total.map(counts),
        down: guest
            .of("down")
            .map(|fact| DownLine {
                link: fact.text("link").to_string(),
                reason: fact.text("reason").to_string(),
                witness: fact.text("witness").to_string(),
                t_ns: fact.number("t_ns"),
            })
            .collect(),
        clock_steps_back: guest.of("clock").find_map(|fact| fact.number("steps_back")),
    }
}

/// One image for the report.
pub fn image_line(image: &Image) -> ImageLine {
    ImageLine {
        name: image.name.clone(),
        path: image.path.display().to_string(),
        sha256: image.sha256.clone(),
        stripped_bytes: image.bytes,
        memory_mib: image.memory_mib,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::options::Daemon;

    fn check(scenario: &str, lasted_ms: u64) -> Option<Check> {
        let cycle = |number: u64, ms: u64| Moment {
            cycle: number,
            link: "a".into(),
            fe_incarnation: 1,
            be_incarnation: 1,
            t_ns: BTreeMap::from([("T3".into(), 5), ("T8".into(), 5 + ms * NS_MS)]),
        };
        let origin = Origin {
            scenario: scenario.into(),
            daemon: Daemon::C,
            clock: Clock::Counted,
            replay: String::new(),
        };
        prompt_check(&[cycle(1, 220), cycle(2, lasted_ms), cycle(3, 220)], &origin)
    }

    #[test]
    fn one_cycle_that_waited_for_a_beat_fails_the_main_job() {
        assert!(check("main", 231).is_some_and(|check| check.ok));
        assert!(check("main", 1000).is_some_and(|check| !check.ok));
        assert!(check("paused", 1000).is_none(), "a domain that is paused is slow");
    }
}
