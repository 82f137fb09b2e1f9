//! The fault campaign, `./run-xen.sh faults`: its scenarios, [`CAMPAIGN`], each a file of
//! tests/dom0/scenarios/ played under both daemons; and what they are told. What came of it is in
//! [`crate::runs::rows`].
//!
//! What a scenario checks is in its file. Here is what must not be written twice: the steps of the
//! protocol come from `channel::Step`, so that a new one is in the campaign or does not compile.

use std::path::Path;

use channel::Step;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::base::layout::Layout;
use crate::base::options::{Daemon, Options};
use crate::base::roles;
use crate::base::trouble::{BedResult, Trouble};
use crate::machine::job::Job;
use crate::runs::soak_job;
use crate::runs::wish::Wish;

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
    (roles::SOAK, "deaths at random steps, one after the other"),
];

/// How many times something is destroyed at a random moment, in one run.
const RANDOM_TURNS: usize = 6;
/// The longest wait before, in milliseconds: some dozens of connections.
const RANDOM_MS_MAX: u32 = 400;

/// Cycles that a scenario waits for, where it has no number of its own.
const CYCLES: u32 = 2;

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
    if scenario == roles::SOAK {
        return soak_job::short_job(seed);
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
pub fn wishes(options: &Options, layout: &Layout) -> BedResult<Vec<Wish>> {
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
    out.join(roles::FAULTS).join(format!("{scenario}-{}", daemon.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let readme = include_str!("../../../../README.md");
        for step in Step::ALL {
            assert!(readme.contains(&format!("`{}`", step.word())), "{}", step.word());
        }
    }

    #[test]
    fn every_scenario_has_its_file() {
        let layout = Layout::new(None).expect("tests run in the workspace");
        let folder = layout.dom0_scripts().join("scenarios");
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
}
