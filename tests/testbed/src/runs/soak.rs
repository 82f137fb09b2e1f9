//! `soak`: thousands of cycles and hundreds of deaths on one machine that is never restarted, under each
//! daemon; two images live through all of it and must hold in the end what they held at first.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use crate::base::layout::Layout;
use crate::base::options::{Daemon, Options};
use crate::base::progress::Progress;
use crate::base::stop::Limit;
use crate::base::trouble::{BedResult, Trouble};
use crate::base::verdict::{Judgement, Verdict};
use crate::evaluation::figures::{Budget, Check};
use crate::evaluation::findings::Findings;
use crate::evaluation::leaks::Leaks;
use crate::evaluation::referee::violations;
use crate::evaluation::report::Report;
use crate::evaluation::tally::{at_most, counts, tell};
use crate::output::guest::Guest;
use crate::output::played::Played;
use crate::runs::session::Session;
use crate::runs::soak_job::{SHORT_CYCLES, SHORT_DESTROYS, job, plan};
use crate::runs::wish::Wish;

/// Cycles for each such restart of a side that must have been seen: 1,000 of both in 10,000 cycles.
const CYCLES_A_RESTART: u32 = 20;
/// The images that live through it.
const SURVIVORS: [&str; 2] = ["frontend.1", "backend.1"];

/// Counts of a run ([`counts`]) that it was asked for.
const CYCLES_SEEN: &str = "seen: cycle";
const DEATHS_DONE: &str = "done: destroy";
const RESTARTS_SEEN: [&str; 2] = ["seen: restart of a frontend", "seen: restart of a backend"];

/// What must have been seen or done at least so often, with so many cycles and deaths.
fn floors(cycles: u32, destroys: u32) -> Vec<(&'static str, u32)> {
    let restarts = RESTARTS_SEEN.map(|what| (what, cycles / CYCLES_A_RESTART));
    [(CYCLES_SEEN, cycles), (DEATHS_DONE, destroys)].into_iter().chain(restarts).collect()
}

/// What one daemon's run came to.
struct Ran {
    daemon: Daemon,
    played: Played,
    findings: Findings,
    wrong: Vec<String>,
    counts: BTreeMap<String, u64>,
}

/// Soaks under the daemons that the options name, side by side.
pub fn soak(
    options: &Options,
    layout: Layout,
    progress: &Progress,
    limit: &Limit,
) -> BedResult<Report> {
    let session = Session::prepare(layout, options.native, progress, limit)?;
    let plan = plan(options.seed.unwrap_or(1), options.cycles_in_force(), options.destroys);
    let mut ran = Vec::new();
    let run = |daemon: Daemon| {
        let progress = progress.with_prefix(daemon.name());
        run(&session, options, daemon, &plan, &progress, limit)
    };
    let run = &run;
    for daemons in options.daemons().chunks(options.jobs_in_force()) {
        thread::scope(|scope| {
            let threads: Vec<_> =
                daemons.iter().map(|daemon| scope.spawn(move || run(*daemon))).collect();
            for thread in threads {
                let stopped = || Trouble::Bed { what: "a run panicked".into() };
                ran.push(thread.join().unwrap_or_else(|_| Err(stopped())));
            }
        });
    }
    progress.finish();
    let ran: Vec<Ran> = ran.into_iter().collect::<BedResult<_>>()?;
    Ok(conclude(&session, options, &ran))
}

fn run(
    session: &Session,
    options: &Options,
    daemon: Daemon,
    plan: &str,
    progress: &Progress,
    limit: &Limit,
) -> BedResult<Ran> {
    let job = job(plan.to_string(), options.cycles_in_force());
    let out = match options.daemons() {
        [_] => session.layout.out.clone(),
        _ => session.layout.out.join(daemon.name()),
    };
    let seed = options.seed_in_force();
    let wish = Wish { daemon, clock: options.clock, seed, job, out };
    let (played, findings) = session.play(&wish, progress, limit)?;
    let mut wrong = Vec::new();
    if findings.judgement.verdict != Verdict::Success {
        wrong.push(findings.judgement.reason.clone());
    }
    wrong.extend(findings.leaks.details.iter().cloned());
    wrong.extend(seen_wrong(&played, &findings));
    let counts = counts(&played.facts, &findings.guests);
    Ok(Ran { daemon, played, findings, wrong, counts })
}

/// What the referee and the survivors' heaps say against a run of the short form, and what it did less
/// than it was to do; nothing if all is well.
pub(crate) fn short_wrong(played: &Played, findings: &Findings) -> Vec<String> {
    let mut wrong = seen_wrong(played, findings);
    let counts = counts(&played.facts, &findings.guests);
    for (what, wanted) in floors(SHORT_CYCLES, SHORT_DESTROYS) {
        let count = counts.get(what).copied().unwrap_or(0);
        if count < u64::from(wanted) {
            wrong.push(format!("{what}: {count} of {wanted}"));
        }
    }
    wrong
}

fn seen_wrong(played: &Played, findings: &Findings) -> Vec<String> {
    let mut wrong = violations(&played.facts, &findings.guests);
    let survivors = findings.guests.iter().filter(|guest| SURVIVORS.contains(&&*guest.name()));
    wrong.extend(survivors.filter_map(grown));
    wrong
}

/// Heap blocks in use each time that a link came up must be the same ever after the first time.
fn grown(guest: &Guest) -> Option<String> {
    let blocks: BTreeSet<u64> =
        guest.of("up").skip(1).filter_map(|fact| fact.number("heap_blocks")).collect();
    let name = guest.name();
    match (blocks.first(), blocks.last()) {
        (Some(least), Some(most)) if least == most => None,
        (Some(least), Some(most)) => Some(format!("{name}: from {least} to {most} heap blocks")),
        _ => Some(format!("{name}: did not say how many heap blocks it had")),
    }
}

fn conclude(session: &Session, options: &Options, ran: &[Ran]) -> Report {
    let mut judgement = Judgement::new("all-done-and-nothing-left");
    let mut leaks = Leaks::default();
    let mut played: BTreeMap<String, u64> = BTreeMap::new();
    let (mut checks, mut budgets) = (Vec::new(), Vec::new());
    for run in ran {
        let name = run.daemon.name();
        let of = |what: &str| run.counts.get(what).copied().unwrap_or(0);
        for (what, wanted) in floors(options.cycles_in_force(), options.destroys) {
            let (value, limit) = (of(what) as f64, f64::from(wanted));
            let ok = value >= limit;
            budgets.push(Budget {
                name: format!("{what}, at least ({name})"),
                unit: "count",
                value,
                limit,
                ok,
                binding: true,
            });
            if !ok {
                judgement.add(Verdict::Failure, format!("too-few-{what}-under-{name}"));
            }
        }
        budgets.push(at_most(&format!("violations ({name})"), run.wrong.len() as u64, 0));
        budgets.push(at_most(&format!("leaks ({name})"), run.findings.leaks.total(), 0));
        let verdict = run.findings.judgement.verdict;
        judgement.add(verdict, format!("{name}: {}", run.findings.judgement.reason));
        if let Some(first) = run.wrong.first() {
            judgement.add(Verdict::Failure, format!("{name}: {first}"));
        }
        leaks.add_all(&run.findings.leaks);
        for (what, count) in &run.counts {
            *played.entry(format!("{name}: {what}")).or_default() += count;
        }
        let mut replay =
            format!("./run-xen.sh soak --daemon {name} --destroys {}", options.destroys);
        replay.push_str(&format!(" --cycles {}", options.cycles_in_force()));
        if let Some(seed) = options.seed {
            replay.push_str(&format!(" --seed {seed}"));
        }
        checks.push(Check {
            name: "soak".into(),
            daemon: name.to_string(),
            ok: run.wrong.is_empty(),
            skipped: false,
            detail: run.wrong.join("; "),
            replay,
        });
    }
    let mut report = session.frame(&judgement);
    (report.leaks, report.played, report.checks, report.budgets) = (leaks, played, checks, budgets);
    if options.json {
        return report;
    }
    for run in ran {
        println!("\n== xenstored {}, {:.0} s", run.daemon.name(), run.played.wall_s);
        tell(&run.counts, run.findings.leaks.total());
        for what in &run.wrong {
            println!("  WRONG {what}");
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cpio::Archive;
    use crate::base::options::Clock;
    use crate::base::roles;
    use crate::evaluation::assemble::assemble;
    use crate::evaluation::findings::Origin;

    #[test]
    fn a_plan_has_the_deaths_and_the_cycles_that_were_asked_for_in_turn() {
        for (cycles, destroys) in [(10_000, 300), (1, 4), (100, 1)] {
            let plan = plan(1, cycles, destroys);
            let sides: Vec<&str> =
                plan.lines().filter_map(|line| Some(line.split_once(' ')?.0)).collect();
            assert!(sides.len() >= destroys as usize);
            let in_turn = |pair: &[&str]| pair[0] != pair[1];
            assert!(sides.windows(2).all(in_turn));
            let number = |line: &str| line.rsplit_once(':')?.1.parse::<u64>().ok();
            let before: u64 = plan.lines().filter_map(number).map(|nth| nth - 1).sum();
            assert!(before * 10 >= u64::from(cycles) * 11, "{before} for {cycles}");
        }
    }

    #[test]
    fn a_short_soak_that_did_too_little_is_told() {
        let nothing =
            Played { facts: Vec::new(), results: Archive::new(), wall_s: 0.0, kept: None };
        let replay = String::new();
        let origin = Origin {
            scenario: roles::SOAK.into(),
            daemon: Daemon::C,
            clock: Clock::Counted,
            replay,
        };
        let wrong = short_wrong(&nothing, &assemble(&nothing, &origin, &[]));
        assert_eq!(
            wrong,
            [
                "seen: cycle: 0 of 80",
                "done: destroy: 0 of 8",
                "seen: restart of a frontend: 0 of 4",
                "seen: restart of a backend: 0 of 4",
            ]
        );
    }
}
