//! What the fault campaign came to: a [`Row`] a run, and the [`table`] of them all.

use core::fmt::Write;

use crate::base::options::Daemon;
use crate::base::roles;
use crate::base::trouble::Trouble;
use crate::base::verdict::{Judgement, Verdict};
use crate::evaluation::figures::{Budget, Check};
use crate::evaluation::findings::Findings;
use crate::output::facts::Fact;
use crate::output::guest::Guest;
use crate::output::played::Played;
use crate::runs::faults::CAMPAIGN;
use crate::runs::soak;
use crate::runs::wish::Wish;

/// What their replacements ask until they are up is not one link's way to a connection: images are
/// introduced by halves, long before their peers exist, or have several links.
const NO_RECONNECTS: [&str; 3] = ["any_order", "pages_kept", "many"];

/// xenstore round trips from a replacement's first instruction to its connection: issue "Loadable
/// and unloadable, in any order, for ever", section "Figures to reach".
const RECONNECT_REQUESTS_MAX: u64 = 10;

/// What one run of the campaign came to.
#[derive(Debug, Clone)]
pub struct Row {
    /// Which scenario.
    pub scenario: String,
    /// Under which daemon.
    pub daemon: Daemon,
    /// How it ended.
    pub judgement: Judgement,
    /// Its checks, the leak check among them.
    pub checks: Vec<Check>,
    /// What the survivors' notices took: kind, hundredths of a beat, the limit in the same unit.
    pub noticed: Vec<(String, u64, u64)>,
    /// Requests of each replacement, from its first instruction to its connection.
    pub reconnects: Vec<u64>,
    /// Wall time, in seconds.
    pub wall_s: f64,
}

impl Row {
    /// Of a run that was played.
    pub fn played(wish: &Wish, played: &Played, findings: &Findings, replay: &str) -> Row {
        let mut judgement = findings.judgement.clone();
        let mut checks = findings.checks.clone();
        let left = findings.leaks.total();
        checks.push(Check {
            name: "nothing-left-behind".into(),
            daemon: wish.daemon.name().into(),
            ok: left == 0 && findings.leaks.grants.is_some(),
            skipped: false,
            detail: match findings.leaks.grants {
                Some(_) => format!("{left} of grants, ports, nodes, domains, heap blocks, pages"),
                None => "not looked at: the scenario did not come to its end".into(),
            },
            replay: replay.into(),
        });
        if wish.job.scenario == roles::SOAK {
            let wrong = soak::short_wrong(played, findings);
            checks.push(Check {
                name: "referee-has-nothing-against-it".into(),
                daemon: wish.daemon.name().into(),
                ok: wrong.is_empty(),
                skipped: false,
                detail: wrong.join("; "),
                replay: replay.into(),
            });
        }
        for check in &mut checks {
            check.name = format!("{}: {}", wish.job.scenario, check.name);
            if !check.ok {
                judgement.add(Verdict::Failure, check.name.replace(": ", "-"));
            }
        }
        let reconnects = match wish.job.scenario.as_str() {
            name if NO_RECONNECTS.contains(&name) => Vec::new(),
            _ => reconnects(&findings.guests),
        };
        if reconnects.iter().any(|requests| *requests > RECONNECT_REQUESTS_MAX) {
            judgement.add(Verdict::Failure, "a-reconnect-took-too-many-requests");
        }
        let noticed = played.facts.iter().filter(|fact| fact.word == "noticed");
        let noticed = noticed.filter_map(|fact| {
            let kind = fact.text("kind").to_string();
            Some((kind, fact.number("hundredths")?, fact.number("limit")?))
        });
        Row {
            scenario: wish.job.scenario.clone(),
            daemon: wish.daemon,
            judgement,
            checks,
            noticed: noticed.collect(),
            reconnects,
            wall_s: played.wall_s,
        }
    }

    /// Of a run that the bed could not carry out.
    pub fn troubled(wish: &Wish, trouble: &Trouble) -> Row {
        Row {
            scenario: wish.job.scenario.clone(),
            daemon: wish.daemon,
            judgement: Judgement { verdict: Verdict::Error, reason: trouble.reason().to_string() },
            checks: Vec::new(),
            noticed: Vec::new(),
            reconnects: Vec::new(),
            wall_s: 0.0,
        }
    }
}

/// For each guest that took another's place, connected and lived to its end: its requests on its way
/// up, and those of one connect.
fn reconnects(guests: &[Guest]) -> Vec<u64> {
    let requests = |guest: &Guest| -> Option<u64> {
        let up = guest.of("cost").find(|fact| fact.text("stage") == "up")?.number("requests")?;
        let connects: Vec<&Fact> =
            guest.of("counts").filter(|fact| fact.text("stage") == "connect").collect();
        let last = connects.last()?;
        let times = last.number("n").filter(|times| *times > 0)?;
        let sum: u64 = last
            .pairs
            .iter()
            .filter(|(key, _)| key.starts_with("xs."))
            .filter_map(|(_, value)| value.parse::<u64>().ok())
            .sum();
        Some(up + sum.div_ceil(times))
    };
    guests.iter().filter(|guest| guest.incarnation > 1).filter_map(requests).collect()
}

/// The campaign's figures against their limits: of each kind of notice the slowest, of the
/// reconnects the costliest.
pub fn figures(rows: &[Row]) -> Vec<Budget> {
    let mut budgets: Vec<Budget> = Vec::new();
    let mut add = |name: String, unit: &'static str, value: f64, limit: f64, ok: bool| match budgets
        .iter_mut()
        .find(|budget| budget.name == name)
    {
        Some(worst) if worst.value >= value => {}
        Some(worst) => (worst.value, worst.ok) = (value, ok),
        None => budgets.push(Budget { name, unit, value, limit, ok, binding: true }),
    };
    for (kind, hundredths, limit) in rows.iter().flat_map(|row| &row.noticed) {
        let (value, limit_beats) = (*hundredths as f64 / 100.0, *limit as f64 / 100.0);
        let name = format!("{kind} noticed, slowest");
        add(name, "beats", value, limit_beats, hundredths <= limit);
    }
    for requests in rows.iter().flat_map(|row| &row.reconnects) {
        let ok = *requests <= RECONNECT_REQUESTS_MAX;
        let limit = RECONNECT_REQUESTS_MAX as f64;
        add("reconnect, costliest".into(), "requests", *requests as f64, limit, ok);
    }
    budgets
}

/// Scenario against daemon, for people.
pub fn table(rows: &[Row], daemons: &[Daemon]) -> String {
    let mut text = format!("{:<46}", "Fault campaign");
    for daemon in daemons {
        let _ = write!(text, " {:<26}", format!("xenstored: {}", daemon.name()));
    }
    for (scenario, what) in CAMPAIGN {
        let of = |daemon: &Daemon| {
            rows.iter().find(|row| row.scenario == scenario && row.daemon == *daemon)
        };
        if !daemons.iter().any(|daemon| of(daemon).is_some()) {
            continue;
        }
        let _ = write!(text, "\n  {what:<44}");
        for row in daemons.iter().map(of) {
            let cell = row.map_or("-".to_string(), |row| {
                let good = row.checks.iter().filter(|check| check.ok).count();
                let all = row.checks.len();
                format!("{} {good} of {all}, {:.0} s", row.judgement.verdict.word(), row.wall_s)
            });
            let _ = write!(text, " {cell:<26}");
        }
    }
    text.push_str("\n\n");
    for row in rows.iter().filter(|row| row.judgement.verdict != Verdict::Success) {
        let (daemon, reason) = (row.daemon.name(), &row.judgement.reason);
        let _ = writeln!(text, "NOT WELL: {} under {daemon}: {reason}", row.scenario);
        for check in row.checks.iter().filter(|check| !check.ok) {
            let _ = writeln!(text, "    {}: {}", check.name, check.detail);
            let _ = writeln!(text, "      again: {}", check.replay);
        }
    }
    for budget in figures(rows) {
        let mark = budget.mark();
        let Budget { name, unit, value, limit, .. } = budget;
        let _ = writeln!(text, "  {mark} {name:<34} {value:>6} of {limit} {unit}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replacement(console: &str) -> Guest {
        Guest { incarnation: 2, ..Guest::that_printed("frontend", console) }
    }

    #[test]
    fn a_reconnect_is_the_way_up_and_one_connect_of_a_replacement() {
        let console = "@T cost stage=up requests=6\n\
            @T counts stage=connect n=2 xs.WRITE=2 xs.READ=1 hc.x=9\n";
        let mut guest = replacement(console);
        assert_eq!(reconnects(core::slice::from_ref(&guest)), [8]);
        guest.incarnation = 1;
        assert!(reconnects(&[guest]).is_empty(), "the first of a role replaces nobody");
        assert!(reconnects(&[replacement("")]).is_empty(), "destroyed before it could tell");
    }

    fn row(noticed: &[(&str, u64, u64)]) -> Row {
        Row {
            scenario: CAMPAIGN[0].0.into(),
            daemon: Daemon::C,
            judgement: Judgement::new("done"),
            checks: Vec::new(),
            noticed: noticed
                .iter()
                .map(|(kind, value, limit)| ((*kind).into(), *value, *limit))
                .collect(),
            reconnects: vec![7, 11],
            wall_s: 1.0,
        }
    }

    #[test]
    fn the_slowest_notice_and_the_costliest_reconnect_are_the_figures() {
        let rows =
            [row(&[("destroy", 40, 100)]), row(&[("destroy", 90, 100), ("destroy", 10, 100)])];
        let figures = figures(&rows);
        let seen: Vec<(&str, f64, bool)> =
            figures.iter().map(|budget| (&*budget.name, budget.value, budget.ok)).collect();
        let expected =
            [("destroy noticed, slowest", 0.9, true), ("reconnect, costliest", 11.0, false)];
        assert_eq!(seen, expected);
    }
}
