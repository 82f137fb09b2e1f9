//! What the image xenstore-check found: its cases as checks, its costs as budgets, and a table of
//! both. The cases are in tests/images/xenstore-check/, dom0's part in tests/dom0/scenarios/xenstore-check.sh.

use core::fmt::Write;

use crate::base::options::{Clock, Daemon};
use crate::base::roles;
use crate::evaluation::figures::{Budget, Check};
use crate::evaluation::findings::{Findings, Origin};
use crate::output::facts::Fact;
use crate::output::guest::Guest;

/// READs that are compared: so many behind one doorbell, and as many one after the other.
const READS: f64 = 8.0;

/// One check a case; none where the image did not run.
pub fn checks(guests: &[Guest], origin: &Origin) -> Vec<Check> {
    lines(guests, "case")
        .map(|fact| Check {
            name: fact.text("name").to_string(),
            daemon: origin.daemon.name().to_string(),
            ok: fact.yes("ok"),
            skipped: fact.text("ok") == "skipped",
            detail: detail(fact),
            replay: origin.replay.clone(),
        })
        .collect()
}

fn lines<'a>(guests: &'a [Guest], word: &'a str) -> impl Iterator<Item = &'a Fact> {
    guests
        .iter()
        .filter(|guest| guest.role == roles::CONFORMANCE)
        .flat_map(move |guest| guest.of(word))
}

fn detail(fact: &Fact) -> String {
    if fact.pairs.contains_key("got") {
        let (at, expected, got) = (fact.text("at"), fact.text("expected"), fact.text("got"));
        return format!("{at}: expected {expected}, got {got}");
    }
    fact.text("note").to_string()
}

/// What READs cost in one way of waiting.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Costs {
    /// One READ among serial ones: the median, in nanoseconds.
    serial_ns: f64,
    /// Eight behind one doorbell: the median.
    pipelined_ns: f64,
    /// Hypercalls of one serial READ.
    hypercalls: f64,
    /// Doorbells of eight pipelined READs.
    doorbells: f64,
    /// Share of the wake-ups that brought nothing, in per cent; 0 where there were none at all.
    empty_serial: f64,
    empty_pipelined: f64,
    wake_ups: u64,
    heap_blocks: u64,
}

/// The figures whose names have this ending: "" or "-asleep".
fn costs(guests: &[Guest], ending: &str) -> Option<Costs> {
    let figure = |name: &str| {
        let name = format!("{name}{ending}");
        lines(guests, "figure").find(|fact| fact.text("name") == name)
    };
    let (serial, pipelined) = (figure("serial")?, figure("pipelined")?);
    let number = |fact: &Fact, key: &str| fact.number(key).map(|number| number as f64);
    let share = |fact: &Fact| {
        let (all, empty) = (number(fact, "wakeups")?, number(fact, "wakeups.empty")?);
        Some(if all > 0.0 { empty / all * 100.0 } else { 0.0 })
    };
    let rounds = number(serial, "rounds")?;
    Some(Costs {
        serial_ns: number(serial, "p50_ns")? / READS,
        pipelined_ns: number(pipelined, "p50_ns")?,
        hypercalls: number(serial, "hypercalls")? / (rounds * READS),
        doorbells: number(pipelined, "doorbells")? / number(pipelined, "rounds")?,
        empty_serial: share(serial)?,
        empty_pipelined: share(pipelined)?,
        wake_ups: serial.number("wakeups")? + pipelined.number("wakeups")?,
        heap_blocks: serial.number("heap_blocks")? + pipelined.number("heap_blocks")?,
    })
}

impl Costs {
    fn pipelined_share(&self) -> f64 {
        self.pipelined_ns / (self.serial_ns * READS)
    }
}

/// The mean of dom0's test-xenstore in the same boot under the same daemon, in nanoseconds.
pub fn baseline_ns(facts: &[Fact]) -> Option<f64> {
    let mut lines = facts.iter().filter(|fact| fact.word == "baseline");
    lines.find(|fact| fact.text("test") == "read-1")?.number("mean_ns").map(|ns| ns as f64)
}

/// Limits of the issue "xenbus/", section "Figures to reach".
pub fn budgets(guests: &[Guest], facts: &[Fact], origin: &Origin) -> Vec<Budget> {
    let Some(costs) = costs(guests, "") else { return Vec::new() };
    let mut budgets = Vec::new();
    let mut add = |name: &str, unit: &'static str, value: f64, limit: f64| {
        let value = (value * 1000.0).round() / 1000.0;
        budgets.push(Budget {
            name: name.into(),
            unit,
            value,
            limit,
            ok: value <= limit,
            binding: false,
        });
    };
    if origin.clock == Clock::Counted {
        if let Some(baseline_ns) = baseline_ns(facts) {
            add("a READ, of dom0's test-xenstore", "x", costs.serial_ns / baseline_ns, 1.0);
        }
        let limit = match origin.daemon {
            Daemon::C => 0.3,
            Daemon::Ocaml => 0.35,
        };
        add("8 READs together, of 8 serial", "x", costs.pipelined_share(), limit);
    }
    add("doorbells of 8 READs together", "count", costs.doorbells, 1.0);
    add("hypercalls of a serial READ", "count", costs.hypercalls, 2.0);
    add("wake-ups for nothing, serial", "%", costs.empty_serial, 5.0);
    add("wake-ups for nothing, together", "%", costs.empty_pipelined, 40.0);
    add("heap blocks taken for READs", "count", costs.heap_blocks as f64, 0.0);
    budgets
}

/// The cases and the costs, for people; empty where the image did not run.
pub fn table(findings: &Findings, clock: Clock) -> String {
    let mut text = String::new();
    let cases: Vec<&Fact> = lines(&findings.guests, "case").collect();
    if cases.is_empty() {
        return text;
    }
    let passed = cases.iter().filter(|fact| fact.yes("ok")).count();
    // Writing to a string does not fail.
    let _ = writeln!(text, "\nCases: {passed} of {} held", cases.len());
    for fact in &cases {
        let mark = match fact.text("ok") {
            "1" => "ok  ",
            "skipped" => "SKIP",
            _ => "FAIL",
        };
        let ms = match (clock, fact.number("ns")) {
            (Clock::Counted | Clock::Exact, Some(ns)) => {
                format!("{}.{:03} ms", ns / 1_000_000, ns / 1000 % 1000)
            }
            _ => "-".to_string(),
        };
        let name = fact.text("name");
        let _ = writeln!(text, "  {mark} {name:<36} {ms:>12}  {}", detail(fact));
    }
    show_costs(&mut text, findings, clock);
    text
}

fn show_costs(text: &mut String, findings: &Findings, clock: Clock) {
    let rows = [("looks at the ring, then sleeps", ""), ("sleeps at once", "-asleep")];
    let rows = rows.map(|(name, ending)| (name, costs(&findings.guests, ending)));
    if rows.iter().all(|(_, costs)| costs.is_none()) {
        return;
    }
    let head = ["a READ, us", "8 together", "of 8 serial", "hypercalls", "wake-ups, empty"];
    let [read, together, share, hypercalls, wake_ups] = head;
    let _ = writeln!(
        text,
        "\nWhat a READ of one byte costs (medians; hypercalls of a serial one)\n  {:<32} \
         {read:>10} {together:>11} {share:>12} {hypercalls:>11}  {wake_ups}",
        "an image that"
    );
    let micros = |ns: f64| match clock {
        Clock::Counted | Clock::Exact => format!("{:.1}", ns / 1000.0),
        Clock::Real => "-".to_string(),
    };
    let times = |value: f64| match clock {
        Clock::Counted | Clock::Exact => format!("{value:.2} x"),
        Clock::Real => "-".to_string(),
    };
    for (name, costs) in rows {
        let Some(costs) = costs else { continue };
        let _ = writeln!(
            text,
            "  {name:<32} {:>10} {:>11} {:>12} {:>11.2}  {}, {:.1} % + {:.1} %",
            micros(costs.serial_ns),
            micros(costs.pipelined_ns),
            times(costs.pipelined_share()),
            costs.hypercalls,
            costs.wake_ups,
            costs.empty_serial,
            costs.empty_pipelined,
        );
    }
    if let Some(ns) = findings.baseline_ns {
        let _ = writeln!(text, "  {:<32} {:>10}", "dom0's own test-xenstore", micros(ns));
    }
    if let (Clock::Counted, Some(costs)) = (clock, rows[0].1) {
        let further_ns = (costs.pipelined_ns - costs.serial_ns) / (READS - 1.0);
        let _ = writeln!(
            text,
            "  A further READ behind the same doorbell takes {} us: nearly all the daemon's own work.",
            micros(further_ns)
        );
    }
    if let Some(bytes) = lines(&findings.guests, "size").find_map(|fact| fact.number("client")) {
        let _ = writeln!(text, "  Code of the client in the image: {bytes} bytes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cpio::{Archive, Mode};
    use crate::output::played::Played;

    const CONSOLE: &str = "\
        @T case name=read-1 ok=1 ns=2652456 note=fine\n\
        @T case name=read-2 ok=0 ns=5 at=write expected=OK got=ENOSPC\n\
        @T case name=read-3 ok=skipped\n\
        @T figure name=serial rounds=100 reads=8 p50_ns=1600000 doorbells=800 wakeups=800 \
        wakeups.empty=8 hypercalls=1600 heap_blocks=0\n\
        @T figure name=pipelined rounds=100 reads=8 p50_ns=800000 doorbells=100 wakeups=0 \
        wakeups.empty=0 hypercalls=100 heap_blocks=0\n";
    const JOB: &str = "\
        @J domain role=xenstore-check n=1 domid=1 t0=5\n\
        @J baseline test=read-1 n=1000 mean_ns=250000 min_ns=1 max_ns=2\n";

    fn played() -> (Vec<Guest>, Vec<Fact>) {
        let mut results = Archive::new();
        results.file("xenstore-check.1.console", Mode::Data, CONSOLE.as_bytes().to_vec());
        let facts = Fact::all("@J", JOB);
        let played = Played { facts: facts.clone(), results, wall_s: 0.0, kept: None };
        (Guest::all(&played), facts)
    }

    fn origin(clock: Clock) -> Origin {
        Origin {
            scenario: roles::CONFORMANCE.into(),
            daemon: Daemon::C,
            clock,
            replay: String::new(),
        }
    }

    #[test]
    fn a_case_becomes_a_check_with_what_was_expected_and_got() {
        let (guests, _) = played();
        let checks = checks(&guests, &origin(Clock::Counted));
        let seen: Vec<(bool, bool, &str)> =
            checks.iter().map(|check| (check.ok, check.skipped, &*check.detail)).collect();
        let failed = "write: expected OK, got ENOSPC";
        assert_eq!(seen, [(true, false, "fine"), (false, false, failed), (false, true, "")]);
    }

    #[test]
    fn costs_are_compared_with_their_limits() {
        let (guests, facts) = played();
        let budgets = budgets(&guests, &facts, &origin(Clock::Counted));
        let seen: Vec<(f64, bool)> =
            budgets.iter().map(|budget| (budget.value, budget.ok)).collect();
        let expected = [
            (0.8, true),
            (0.5, false),
            (1.0, true),
            (2.0, true),
            (1.0, true),
            (0.0, true),
            (0.0, true),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn no_time_is_compared_in_real_time() {
        let (guests, facts) = played();
        let budgets = budgets(&guests, &facts, &origin(Clock::Real));
        assert!(budgets.iter().all(|budget| budget.unit != "x"));
        assert_eq!(budgets.len(), 5);
    }
}
