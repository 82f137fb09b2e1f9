//! Tables for people, on stdout: images, timeline, counts, budgets, in that order.

use core::fmt::Write;

use crate::base::options::Clock;
use crate::evaluation::assemble::domain_line;
use crate::evaluation::conformance;
use crate::evaluation::findings::Findings;
use crate::evaluation::report::Report;
use crate::machine::images::Image;
use crate::output::timeline::Moment;

/// Everything that a run found, as text.
pub fn tables(findings: &Findings, report: &Report, images: &[Image], clock: Clock) -> String {
    let mut text = String::new();
    show_images(&mut text, images);
    match clock {
        Clock::Counted | Clock::Exact => show_timeline(&mut text, findings),
        Clock::Real => text.push_str("\nReal clock: no latencies are given.\n"),
    }
    show_stages(&mut text, findings);
    show_counts(&mut text, findings);
    text.push_str(&conformance::table(findings, clock));
    text.push_str(&super::bench::table(findings));
    show_budgets(&mut text, report);
    for what in &findings.leaks.blind {
        line(&mut text, format_args!("NOT CHECKED: {what}"));
    }
    for detail in &findings.leaks.details {
        line(&mut text, format_args!("LEFT BEHIND: {detail}"));
    }
    text
}

fn line(text: &mut String, what: core::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{what}");
}

fn show_images(text: &mut String, images: &[Image]) {
    line(text, format_args!("Images (stripped)"));
    for image in images {
        let memory = image.memory_mib.map(|mib| format!(", memory = {mib} MiB"));
        let memory = memory.unwrap_or_default();
        line(text, format_args!("  {:<12} {:>7} bytes{memory}", image.name, image.bytes));
    }
}

const MOMENTS: [(&str, &str); 9] = [
    ("T0", "xl create"),
    ("T1", "first instruction"),
    ("T2", "channel up"),
    ("T3", "connect asked"),
    ("T4", "connected"),
    ("T5", "first byte"),
    ("T6", "disconnect asked"),
    ("T7", "disconnected"),
    ("T8", "all given back"),
];

/// The first cycle of each pair of incarnations, in milliseconds since T0.
fn show_timeline(text: &mut String, findings: &Findings) {
    let mut firsts: Vec<&Moment> = Vec::new();
    for moment in &findings.timeline {
        let pair = (moment.fe_incarnation, moment.be_incarnation);
        if !firsts.iter().any(|first| (first.fe_incarnation, first.be_incarnation) == pair) {
            firsts.push(moment);
        }
    }
    if firsts.is_empty() {
        return;
    }
    line(text, format_args!("\nTimeline: first cycle of each pair, ms since the frontend's T0"));
    let mut head = format!("  {:<21}", "");
    for first in &firsts {
        let pair = format!("FE.{}-BE.{}", first.fe_incarnation, first.be_incarnation);
        let _ = write!(head, " {pair:>12}");
    }
    line(text, format_args!("{head}"));
    for (moment, name) in MOMENTS {
        let mut row = format!("  {moment} {name:<18}");
        for first in &firsts {
            let start = if first.t_ns.contains_key("T0") { "T0" } else { "T1" };
            match first.span(start, moment) {
                Some(ns) => {
                    let _ = write!(row, " {:>12}", millis(ns));
                }
                None => {
                    let _ = write!(row, " {:>12}", "-");
                }
            }
        }
        line(text, format_args!("{row}"));
    }
    if let Some(ns) = findings.t0_uncertainty_ns {
        line(text, format_args!("  T0 is dom0's clock put on Xen's: right to {} ms", millis(ns)));
    }
}

/// Nanoseconds as milliseconds with three places.
fn millis(ns: u64) -> String {
    format!("{}.{:03}", ns / 1_000_000, ns / 1_000 % 1_000)
}

fn show_stages(text: &mut String, findings: &Findings) {
    if findings.stages.is_empty() {
        return;
    }
    line(
        text,
        format_args!(
            "\nStages (us; requests and hypercalls of one, waits excluded, rounded up, FE + BE)"
        ),
    );
    line(
        text,
        format_args!(
            "  {:<16} {:>5} {:>10} {:>10} {:>10} {:>10}  {:>9} {:>11}",
            "", "n", "min", "p50", "p99", "max", "requests", "hypercalls"
        ),
    );
    for (name, stage) in &findings.stages {
        let micros = |pick: fn(&crate::base::stats::Spread) -> u64| {
            stage.ns.as_ref().map_or("-".into(), |ns| format!("{:.1}", pick(ns) as f64 / 1e3))
        };
        let sides = |sides: Option<crate::evaluation::figures::Sides>| {
            sides.map_or("-".into(), |sides| format!("{} + {}", sides.fe, sides.be))
        };
        line(
            text,
            format_args!(
                "  {name:<16} {:>5} {:>10} {:>10} {:>10} {:>10}  {:>9} {:>11}",
                stage.n,
                micros(|ns| ns.min),
                micros(|ns| ns.p50),
                micros(|ns| ns.p99),
                micros(|ns| ns.max),
                sides(stage.xs_requests),
                sides(stage.hypercalls),
            ),
        );
    }
    if let Some(transfer) = findings.transfer {
        line(
            text,
            format_args!(
                "  {} cycles of {} bytes each way, {} right at both ends",
                transfer.cycles, transfer.bytes_each_way, transfer.checksums_ok
            ),
        );
    }
}

fn show_counts(text: &mut String, findings: &Findings) {
    line(text, format_args!("\nGuests, and what each counted in its life"));
    for guest in &findings.guests {
        let domain = domain_line(guest, String::new());
        let verdict = domain.verdict.map_or("no verdict", |verdict| verdict.word());
        let passed = domain.selftests.iter().filter(|test| test.ok).count();
        let end = format!("{:?}", guest.end).to_lowercase();
        line(
            text,
            format_args!(
                "  {:<11} domid {:<3} {end}, {verdict}, self-tests {passed} of {}",
                guest.name(),
                guest.domid,
                domain.selftests.len()
            ),
        );
        for down in &domain.down {
            line(
                text,
                format_args!(
                    "    link {} down: {}, seen by {}",
                    down.link, down.reason, down.witness
                ),
            );
        }
        let Some(counts) = domain.counts else { continue };
        let list = |counts: &std::collections::BTreeMap<String, u64>| {
            let words: Vec<String> =
                counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
            words.join(", ")
        };
        line(text, format_args!("    requests: {}", list(&counts.xs_requests)));
        let events = counts
            .xs_events
            .map(|events| format!("events {} + {} spurious; ", events.useful, events.spurious));
        let doorbells = counts.doorbells.map(|count| format!("doorbells {count}; "));
        let wake_ups = counts
            .wakeups
            .map(|wake| format!("wake-ups {} + {} with nothing to do", wake.useful, wake.empty));
        let rest: String = [events, doorbells, wake_ups].into_iter().flatten().collect();
        line(text, format_args!("    {rest}"));
        line(text, format_args!("    hypercalls: {}", list(&counts.hypercalls)));
    }
}

fn show_budgets(text: &mut String, report: &Report) {
    line(text, format_args!("\nBudgets"));
    for budget in &report.budgets {
        let (mark, name) = (budget.mark(), &budget.name);
        let (value, limit, unit) = (budget.value, budget.limit, budget.unit);
        line(text, format_args!("  {mark} {name:<58} {value:>8} of {limit} {unit}"));
    }
    if report.budgets.iter().any(|budget| !budget.ok && !budget.binding) {
        line(text, format_args!("  (above: more than was aimed at, which fails no run)"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cpio::Archive;
    use crate::base::options::Daemon;
    use crate::base::verdict::Verdict;
    use crate::evaluation::assemble::assemble;
    use crate::evaluation::figures::Budget;
    use crate::evaluation::findings::Origin;
    use crate::output::facts::Fact;
    use crate::output::played::Played;
    use crate::runs::session::empty_report;

    /// What a run with an image of this size comes to, and what is printed of it.
    fn with_image(name: &str, bytes: u64) -> (Verdict, String, String) {
        let (path, memory_mib) = (name.into(), Some(2));
        let image = Image { name: name.into(), path, sha256: String::new(), bytes, memory_mib };
        let facts = Fact::all("@J", "@J end code=0\n");
        let played = Played { facts, results: Archive::new(), wall_s: 0.0, kept: None };
        let (daemon, clock) = (Daemon::C, Clock::Counted);
        let origin = Origin { daemon, clock, scenario: "main".into(), replay: String::new() };
        let findings = assemble(&played, &origin, core::slice::from_ref(&image));
        let mut report = empty_report(&findings.judgement, "");
        report.budgets.clone_from(&findings.budgets);
        let text = tables(&findings, &report, &[image], Clock::Counted);
        (report.verdict, report.reason, text)
    }

    #[test]
    fn an_image_above_its_budget_fails_the_run_and_one_below_is_not_over() {
        let (verdict, reason, text) = with_image("frontend", 131_073);
        assert_eq!(verdict, Verdict::Failure);
        assert_eq!(reason, "frontend-image,-stripped:-131073-bytes-of-at-most-131072");
        assert!(text.contains("OVER "), "{text}");
        for (name, bytes) in [("frontend", 131_072), ("backend", 114_000), ("hostile", 140_000)] {
            let (verdict, _, text) = with_image(name, bytes);
            assert_eq!(verdict, Verdict::Success, "{name}");
            assert!(!text.contains("OVER"), "{text}");
        }
    }

    #[test]
    fn what_is_only_aimed_at_is_never_over() {
        let aim = |ok: bool, binding: bool| {
            let name = String::from("wall time");
            Budget { name, unit: "s", value: 70.0, limit: 60.0, ok, binding }.mark()
        };
        assert_eq!(aim(false, true), "OVER ");
        assert_eq!(
            (aim(false, false), aim(true, false), aim(true, true)),
            ("above", "ok   ", "ok   ")
        );
    }
}
