//! The fault campaign, `./run-xen.sh faults`: its scenarios, [`CAMPAIGN`], each a file of
//! tests/dom0/scenarios/ played under both daemons; what they are told; and what came of it,
//! [`Row`] and [`table`].
//!
//! What a scenario checks is in its file. Here is what must not be written twice: the steps of the
//! protocol come from `channel::Step`, so that a new one is in the campaign or does not compile.

use core::fmt::Write;
use std::path::Path;

use channel::Step;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::assemble::Findings;
use super::facts::Fact;
use super::guest::Guest;
use super::job::Job;
use super::layout::Layout;
use super::options::{Daemon, Options};
use super::play::Played;
use super::report::{Budget, Check};
use super::session::Wish;
use super::soak;
use super::trouble::{Outcome, Trouble};
use super::verdict::{Judgement, Verdict};

/// The command.
pub const COMMAND: &str = "faults";

/// Scenarios, and what each does to the two images.
pub const CAMPAIGN: [(&str, &str); 19] = [
    ("any_order", "created and introduced in every order"),
    ("frontend_killed_at_steps", "the frontend destroyed at every step"),
    ("backend_killed_at_steps", "the backend destroyed at every step"),
    ("killed_at_random", "either or both destroyed at random times"),
    ("reloaded", "either ended in order and created again"),
    ("restart_in_place", "endpoints restarted in place"),
    ("paused", "either paused, for short and for long"),
    ("pages_kept", "pages kept mapped by a backend that hangs"),
    ("quotas", "no node and no watch left"),
    ("daemon_stalled", "the store daemon stalled and replaced"),
    ("suspend_frontend", "the frontend saved and restored"),
    ("suspend_backend", "the backend saved and restored"),
    ("suspend_cancelled", "checkpoints, and suspensions called off"),
    ("suspend_twice", "one saved state started twice"),
    ("reboot", "told to reboot in the middle of a connection"),
    ("many", "frontends that die among 32 of one backend"),
    ("hostile_frontend", "every lie that a frontend can tell"),
    ("hostile_backend", "every lie that a backend can tell"),
    (soak::SCENARIO, "deaths at random steps, one after the other"),
];

/// What their replacements ask until they are up is not one link's way to a connection: images are
/// introduced by halves, long before their peers exist, or have several links.
const NO_RECONNECTS: [&str; 3] = ["any_order", "pages_kept", "many"];

/// How many times something is destroyed at a random moment, in one run.
const RANDOM_TURNS: usize = 6;
/// The longest wait before, in milliseconds: some dozens of connections.
const RANDOM_MS_MAX: u32 = 400;

/// Cycles that a scenario waits for, where it has no number of its own.
const CYCLES: u32 = 2;

/// xenstore round trips from a replacement's first instruction to its connection: issue "Loadable
/// and unloadable, in any order, for ever", section "Figures to reach".
const RECONNECT_REQUESTS_MAX: u64 = 10;

/// What a survivor says when its peer is destroyed at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It was not up yet.
    Nothing,
    /// Its store or Xen tells it.
    Gone,
    /// It was connected: its port may tell it too.
    GoneConnected,
}

impl Told {
    fn word(self) -> &'static str {
        match self {
            Told::Nothing => "nothing",
            Told::Gone => "gone",
            Told::GoneConnected => "gone-connected",
        }
    }
}

/// What the backend is told when the frontend is destroyed at a step; none where it has no such step.
fn frontend_killed(step: Step) -> Option<Told> {
    match step {
        // It comes up first of the two, and stops before it has said so.
        Step::Up => Some(Told::Nothing),
        Step::Prepared | Step::ConnectSent | Step::Released | Step::Finished => Some(Told::Gone),
        Step::Connected | Step::Streaming | Step::DisconnectSent => Some(Told::GoneConnected),
        Step::Got
        | Step::Mapped
        | Step::Verified
        | Step::Stamped
        | Step::Serving
        | Step::Unmapped
        | Step::DisconnectedSent => None,
    }
}

/// What the frontend is told when the backend is destroyed at a step.
fn backend_killed(step: Step) -> Option<Told> {
    match step {
        Step::Up | Step::Got | Step::Mapped | Step::Verified => Some(Told::Gone),
        Step::Stamped | Step::Serving | Step::Streaming => Some(Told::GoneConnected),
        Step::Unmapped | Step::DisconnectedSent => Some(Told::Gone),
        Step::Prepared
        | Step::ConnectSent
        | Step::Connected
        | Step::DisconnectSent
        | Step::Released
        | Step::Finished => None,
    }
}

/// `STEP:OCCURRENCE:EXPECTED` for each step of one side.
fn steps(told: fn(Step) -> Option<Told>) -> String {
    let word = |step: Step| {
        // A life has one end and mostly one beginning; of all else the second, so that a whole
        // cycle went well before.
        let nth = if matches!(step, Step::Up | Step::Finished) { 1 } else { 2 };
        Some(format!("{}:{nth}:{}", step.word(), told(step)?.word()))
    };
    Step::ALL.into_iter().filter_map(word).collect::<Vec<_>>().join(" ")
}

/// `WHO:MILLISECONDS` for each time that something is destroyed, as the seed decides.
fn course(seed: u64) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut turn = |index: usize| {
        // Each of the three comes twice, in an order of the index's; when is the seed's.
        let who = ["frontend", "backend", "both"][index % 3];
        format!("{who}:{}", random.next_u32() % RANDOM_MS_MAX)
    };
    (0..RANDOM_TURNS).map(&mut turn).collect::<Vec<_>>().join(" ")
}

/// The job that plays a scenario.
pub fn job(scenario: &str, seed: u64) -> Job {
    if scenario == soak::SCENARIO {
        return soak::short_job(seed);
    }
    let settings = vec![
        ("SEED".to_string(), seed.to_string()),
        ("FRONTEND_STEPS".to_string(), steps(frontend_killed)),
        ("BACKEND_STEPS".to_string(), steps(backend_killed)),
        ("COURSE".to_string(), course(seed)),
    ];
    Job { scenario: scenario.to_string(), cycles: CYCLES, settings, files: Vec::new() }
}

/// Whether a scenario is one of the campaign's.
pub fn has(scenario: &str) -> bool {
    CAMPAIGN.iter().any(|(name, _)| *name == scenario)
}

/// The runs that the options ask for: all scenarios under all daemons, or the one that is named.
pub fn wishes(options: &Options, layout: &Layout) -> Outcome<Vec<Wish>> {
    if let Some(name) = options.scenario.as_deref()
        && !has(name)
    {
        let names: Vec<&str> = CAMPAIGN.iter().map(|(name, _)| *name).collect();
        return Err(Trouble::Missing {
            what: format!("scenario {name}"),
            remedy: format!("the campaign has {}", names.join(", ")),
        });
    }
    let wanted = |name: &&str| options.scenario.as_deref().is_none_or(|only| only == *name);
    let mut wishes = Vec::new();
    for scenario in CAMPAIGN.into_iter().map(|(name, _)| name).filter(wanted) {
        for daemon in options.daemons() {
            wishes.push(Wish {
                daemon: *daemon,
                clock: options.clock,
                seed: options.seed_in_force(),
                job: job(scenario, options.seed_in_force().unwrap_or(1)),
                out: folder(&layout.out, scenario, *daemon),
            });
        }
    }
    Ok(wishes)
}

fn folder(out: &Path, scenario: &str, daemon: Daemon) -> std::path::PathBuf {
    out.join(COMMAND).join(format!("{scenario}-{}", daemon.name()))
}

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
        if wish.job.scenario == soak::SCENARIO {
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
        None => budgets.push(Budget { name, unit, value, limit, ok }),
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
        let mark = if budget.ok { "ok  " } else { "OVER" };
        let Budget { name, unit, value, limit, .. } = budget;
        let _ = writeln!(text, "  {mark} {name:<34} {value:>6} of {limit} {unit}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bed::guest::End;

    #[test]
    fn every_step_is_in_the_campaign() {
        for step in Step::ALL {
            let told = (frontend_killed(step), backend_killed(step));
            assert_ne!(told, (None, None), "nobody is destroyed at {}", step.word());
            for (told, list) in [(told.0, steps(frontend_killed)), (told.1, steps(backend_killed))]
            {
                let listed =
                    list.split(' ').any(|word| word.split(':').next() == Some(step.word()));
                assert_eq!(listed, told.is_some(), "{}", step.word());
            }
        }
    }

    #[test]
    fn the_readme_lists_every_step() {
        let readme = include_str!("../../../README.md");
        for step in Step::ALL {
            assert!(readme.contains(&format!("`{}`", step.word())), "{}", step.word());
        }
    }

    #[test]
    fn every_scenario_has_its_file() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dom0/scenarios");
        for (name, _) in CAMPAIGN {
            assert!(folder.join(format!("{name}.sh")).is_file(), "{name}");
        }
    }

    #[test]
    fn the_seed_decides_the_moments() {
        assert_eq!(course(1), course(1));
        assert_ne!(course(1), course(2));
        assert_eq!(course(1).split(' ').count(), RANDOM_TURNS);
    }

    fn replacement(console: &str) -> Guest {
        Guest {
            role: "frontend".into(),
            incarnation: 2,
            domid: 5,
            created_dom0_ns: None,
            create_done_dom0_ns: None,
            end: End::Poweroff,
            expected: Verdict::Success,
            console: console.into(),
            facts: Fact::all("@T", console),
        }
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
