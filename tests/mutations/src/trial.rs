//! Runs each check with its mutation on, and all checks with none.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use crate::catcher::{Catcher, Finding};
use crate::list::{Catch, Mutation};
use crate::programs::Programs;

/// How long a check may take. One that a mutation makes hang has not caught it.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often a running check is looked at.
const PAUSE: Duration = Duration::from_millis(20);
/// What a check without a mutation is called in the table.
const NONE: &str = "no mutation";
/// Seeds that may fail for another reason than the one that is looked for.
const OTHERS_MAX: usize = 20;

/// One check, with a mutation or with none.
struct Trial<'a> {
    name: &'a str,
    is_mutated: bool,
    by: &'a Catcher,
    /// What the finding begins with. Without a mutation there must be none.
    finds: &'a str,
    log: String,
}

/// What came of it.
struct TrialOutcome {
    verdict: Result<Finding, String>,
    seconds: f64,
}

/// Runs all trials of these mutations, then the same checks without any; prints a table and a verdict.
/// Whether all were caught, and nothing is found where there is nothing to find.
///
/// # Errors
/// A program cannot be run.
pub(crate) fn run_all(
    mutations: &[&Mutation],
    programs: &Programs,
    logs: &Path,
    jobs: usize,
) -> Result<bool, String> {
    fs::create_dir_all(logs).map_err(|error| format!("{}: {error}", logs.display()))?;
    let start = Instant::now();
    let trials = trials(mutations);
    let outcomes = run_trials(&trials, programs, logs, jobs)?;
    println!("\n{}", table(mutations, &trials, &outcomes));
    let fails = |is_mutated: bool| {
        let pairs = trials.iter().zip(&outcomes);
        let failed = pairs.filter(|(trial, one)| {
            trial.is_mutated == is_mutated && one.verdict.is_ok() != is_mutated
        });
        failed.map(|(trial, _)| trial.name).collect::<BTreeSet<_>>()
    };
    let (missed, unsound) = (fails(true), fails(false));
    let seconds = start.elapsed().as_secs_f64();
    let caught = mutations.len() - missed.len();
    let is_sound = unsound.is_empty();
    let word = if missed.is_empty() && is_sound { "SUCCESS" } else { "FAILURE" };
    let sound = if is_sound { "find nothing without one" } else { "fail without one" };
    let count = mutations.len();
    println!(
        "VERDICT {word}: {caught} of {count} mutations caught; checks {sound}; {seconds:.0} s"
    );
    Ok(missed.is_empty() && is_sound)
}

/// First the checks without a mutation, which take longest: they must come to an end.
fn trials<'a>(mutations: &[&'a Mutation]) -> Vec<Trial<'a>> {
    let catches = mutations.iter().flat_map(|mutation| &mutation.caught_by);
    let checks: BTreeSet<&Catcher> = catches.map(|catch| &catch.by).collect();
    let mut trials = Vec::new();
    for (number, by) in checks.into_iter().enumerate() {
        let log = format!("no-mutation-{}.log", number + 1);
        trials.push(Trial { name: NONE, is_mutated: false, by, finds: "", log });
    }
    for mutation in mutations {
        for (number, Catch { by, finds }) in mutation.caught_by.iter().enumerate() {
            let log = format!("{}-{}.log", mutation.name, number + 1);
            trials.push(Trial { name: &mutation.name, is_mutated: true, by, finds, log });
        }
    }
    trials
}

fn run_trials(
    trials: &[Trial<'_>],
    programs: &Programs,
    logs: &Path,
    jobs: usize,
) -> Result<Vec<TrialOutcome>, String> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(trial) = trials.get(at) else { break };
                    let outcome = trial.run(programs, logs);
                    let mut done = done.lock().expect("no thread panics in here");
                    let (count, all) = (done.len() + 1, trials.len());
                    if let Ok(outcome) = &outcome {
                        println!("{count:>3}/{all} {}", line(trial, outcome));
                    }
                    done.insert(at, outcome);
                }
            });
        }
    });
    done.into_inner().expect("no thread panicked").into_values().collect()
}

impl Trial<'_> {
    fn run(&self, programs: &Programs, logs: &Path) -> Result<TrialOutcome, String> {
        let start = Instant::now();
        let verdict = self.hunt(programs, &logs.join(&self.log))?;
        Ok(TrialOutcome { verdict, seconds: start.elapsed().as_secs_f64() })
    }

    /// The finding that is looked for, or why there is none.
    fn hunt(&self, programs: &Programs, log: &Path) -> Result<Result<Finding, String>, String> {
        let mut from = 0;
        let mut others = Vec::new();
        loop {
            let (output, is_success) = match self.check(programs, log, from)? {
                Some(ended) => ended,
                None => return Ok(Err(format!("hangs, see {}", log.display()))),
            };
            let Some(found) = self.by.finding(&output, self.finds) else {
                let why = match (is_success, others.first()) {
                    (true, None) => "nothing is found".into(),
                    (true, Some(other)) => format!("{} seeds find another: {other}", others.len()),
                    (false, _) => format!("the check fails otherwise, see {}", log.display()),
                };
                return Ok(Err(why));
            };
            if found.text.starts_with(self.finds) {
                return Ok(Ok(found));
            }
            others.push(found.text.clone());
            match found.seed {
                Some(seed) if others.len() < OTHERS_MAX => from = seed + 1,
                _ => return Ok(Err(format!("another is found: {}", found.text))),
            }
        }
    }

    /// What the check printed and whether it succeeded, or nothing if it took too long.
    fn check(
        &self,
        programs: &Programs,
        log: &Path,
        from: u64,
    ) -> Result<Option<(String, bool)>, String> {
        let fail = |error| format!("{}: {error}", log.display());
        let file = File::create(log).map_err(fail)?;
        let program = programs.get(&self.by.program()).ok_or("a check was not built")?;
        let mut command = Command::new(&program.path);
        command.args(self.by.arguments(from)).current_dir(&program.folder);
        command.env_remove("TETHER_MUTATION");
        if self.is_mutated {
            command.env("TETHER_MUTATION", self.name);
        }
        command.stdin(Stdio::null()).stderr(file.try_clone().map_err(fail)?).stdout(file);
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", self.by))?;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = child.try_wait().map_err(fail)? {
                let output = fs::read(log).map_err(fail)?;
                let text = String::from_utf8_lossy(&output).into_owned();
                return Ok(Some((text, status.success())));
            }
            thread::sleep(PAUSE);
        }
        let _ = child.kill();
        let _ = child.wait();
        Ok(None)
    }
}

/// One trial in a line.
fn line(trial: &Trial<'_>, outcome: &TrialOutcome) -> String {
    let what = match (&outcome.verdict, trial.is_mutated) {
        (Ok(found), true) => {
            let seed = found.seed.map_or(String::new(), |seed| format!("seed {seed}, "));
            format!("caught: {seed}{}", found.text)
        }
        (Ok(found), false) => format!("UNSOUND: {}", found.text),
        (Err(why), true) => format!("MISSED: {why}"),
        (Err(why), false) => why.clone(),
    };
    let what: String = what.chars().take(100).collect();
    format!("{:22} {:10} {:>6.1} s  {what}", trial.name, short(trial.by), outcome.seconds)
}

/// The kind of check.
fn short(by: &Catcher) -> &'static str {
    match by {
        Catcher::Simulator => "simulator",
        Catcher::Model(_) => "model",
        Catcher::Test(..) => "test",
    }
}

/// All trials with the rules that the mutations break.
fn table(mutations: &[&Mutation], trials: &[Trial<'_>], outcomes: &[TrialOutcome]) -> String {
    let mut text = String::new();
    for (trial, outcome) in trials.iter().zip(outcomes) {
        if let Some(mutation) = mutations.iter().find(|mutation| mutation.name == trial.name) {
            text.push_str(&format!("{}\n    breaks {}\n", line(trial, outcome), mutation.rule));
        } else {
            text.push_str(&format!("{}\n    {}\n", line(trial, outcome), trial.by));
        }
    }
    text
}
