//! `explore`: a random course for each of many seeds, each on a bed of its own that is resumed for it,
//! each judged; some seeds at a time, one a thread.
//!
//! Nothing that a seed does depends on another: a failing one is replayed alone, byte for byte.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use crate::base::cpio::Archive;
use crate::base::layout::Layout;
use crate::base::options::{Clock, Daemon, Options};
use crate::base::progress::Progress;
use crate::base::stop::Limit;
use crate::base::trouble::{BedResult, Trouble, read, rename, write};
use crate::base::verdict::{Judgement, Verdict};
use crate::evaluation::figures::Check;
use crate::evaluation::findings::Findings;
use crate::evaluation::leaks::Leaks;
use crate::evaluation::referee::violations;
use crate::evaluation::report::Report;
use crate::evaluation::tally::{at_most, counts, tell};
use crate::machine::job::Job;
use crate::output::facts::Fact;
use crate::output::played::Played;
use crate::runs::course::Course;
use crate::runs::session::{Session, empty_report};
use crate::runs::wish::Wish;

/// How often a campaign says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What one seed came to.
struct Seed {
    seed: u64,
    daemon: Daemon,
    /// Of its first playing.
    judgement: Judgement,
    /// What was wrong; of all playings.
    wrong: Vec<String>,
    counts: BTreeMap<String, u64>,
    leaks: Leaks,
}

/// One playing of a seed.
struct Playing {
    findings: Findings,
    wrong: Vec<String>,
    counts: BTreeMap<String, u64>,
    /// Every line that the job said for programs, and all that its guests printed.
    print: String,
}

/// What all seeds of a campaign share.
struct Campaign<'a> {
    session: &'a Session,
    options: &'a Options,
    /// A course of the user's own.
    course: Option<String>,
    /// What each daemon's bed looks like before anything is done.
    before: BTreeMap<Daemon, Archive>,
    limit: &'a Limit,
}

/// Plays the seeds that the options name.
pub fn explore(
    options: &Options,
    layout: Layout,
    progress: &Progress,
    limit: &Limit,
) -> BedResult<Report> {
    let session = Session::prepare(layout, options.native, progress, limit)?;
    if session.machine.is_none() {
        eprintln!("run-xen.sh: explore: a seed decides nothing on a machine that is not emulated");
        let skipped = Judgement { verdict: Verdict::Skip, reason: "native-has-no-seeds".into() };
        return Ok(empty_report(&skipped, ""));
    }
    let course = match &options.course {
        None => None,
        Some(path) => Some(String::from_utf8_lossy(&read(path)?).into_owned()),
    };
    let mut campaign =
        Campaign { session: &session, options, course, before: BTreeMap::new(), limit };
    let seeds: Vec<u64> = options.seeds().collect();
    for daemon in seeds.iter().map(|seed| campaign.daemon(*seed)).collect::<BTreeSet<_>>() {
        progress.step(&format!("looking at the bed with xenstored {}", daemon.name()));
        let (played, _) = campaign.run(0, daemon, "", &campaign.folder().join("before"))?;
        campaign.before.insert(daemon, played.results);
    }
    let jobs = options.jobs_in_force().min(seeds.len());
    let (done, stopped) = campaign.play_all(&seeds, jobs, progress);
    progress.finish();
    let report = campaign.conclude(&done, seeds.len());
    match stopped {
        // Not all was played. What was is shown, and what was found wrong stands.
        Some(trouble) if report.verdict == Verdict::Success => Err(trouble),
        Some(trouble @ Trouble::Interrupted) => Err(trouble),
        Some(trouble) => {
            eprintln!("run-xen.sh: {trouble}");
            Ok(report)
        }
        None => Ok(report),
    }
}

impl Campaign<'_> {
    /// Plays the seeds, `jobs` at once; all of them, or until the bed cannot go on.
    fn play_all(
        &self,
        seeds: &[u64],
        jobs: usize,
        progress: &Progress,
    ) -> (Vec<Seed>, Option<Trouble>) {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        let stopped = Mutex::new(None);
        let started = Instant::now();
        let worker = |job: usize| {
            while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                match self.play(seed, job) {
                    Ok(seed) => done.lock().expect("no thread panics").push(seed),
                    Err(trouble) => {
                        next.store(seeds.len(), Ordering::Relaxed);
                        stopped.lock().expect("no thread panics").get_or_insert(trouble);
                    }
                }
            }
        };
        let worker = &worker;
        thread::scope(|scope| {
            let threads: Vec<_> = (0..jobs).map(|job| scope.spawn(move || worker(job))).collect();
            let mut told = started;
            while !threads.iter().all(thread::ScopedJoinHandle::is_finished) {
                thread::sleep(Duration::from_millis(50));
                let line = || {
                    let done = done.lock().expect("no thread panics");
                    far(&done, seeds.len(), started)
                };
                progress.detail(&line());
                if told.elapsed() >= TELL_EVERY {
                    told = Instant::now();
                    progress.step(&line());
                }
            }
        });
        let mut done = done.into_inner().expect("no thread panics");
        done.sort_by_key(|seed| seed.seed);
        (done, stopped.into_inner().expect("no thread panics"))
    }

    fn daemon(&self, seed: u64) -> Daemon {
        let daemons = self.options.daemons();
        daemons[seed as usize % daemons.len()]
    }

    /// Plays one seed as often as is wanted. What the bed itself could not do is a trouble only where it
    /// ends the campaign; else it is the seed's failure.
    fn play(&self, seed: u64, job: usize) -> BedResult<Seed> {
        let daemon = self.daemon(seed);
        let script = self.course.clone().unwrap_or_else(|| Course::of(seed).script());
        let slot = self.folder().join(format!("job-{job}"));
        let mut result = Seed {
            seed,
            daemon,
            judgement: Judgement::new("all-right"),
            wrong: Vec::new(),
            counts: BTreeMap::new(),
            leaks: Leaks::default(),
        };
        let mut print = None;
        for replay in 0..self.options.replays {
            let _ = std::fs::remove_dir_all(&slot);
            let playing = match self.play_once(seed, daemon, &script, &slot) {
                Err(stop @ (Trouble::Interrupted | Trouble::TimeLimit { .. })) => return Err(stop),
                Err(trouble) => {
                    result.judgement.add(Verdict::Error, trouble.reason());
                    result.wrong.push(trouble.to_string());
                    continue;
                }
                Ok(playing) => playing,
            };
            let judgement = &playing.findings.judgement;
            result.judgement.add(judgement.verdict, judgement.reason.clone());
            if judgement.verdict != Verdict::Success {
                result.wrong.push(judgement.reason.clone());
            }
            result.wrong.extend(playing.findings.leaks.details.iter().cloned());
            result.wrong.extend(playing.wrong);
            match &print {
                None => {
                    print = Some(playing.print);
                    result.counts = playing.counts;
                    result.leaks = playing.findings.leaks;
                }
                Some(first) if *first == playing.print => {}
                Some(first) => {
                    let difference = difference(first, &playing.print);
                    result
                        .wrong
                        .push(format!("replay {replay} printed something else: {difference}"));
                }
            }
            if !result.wrong.is_empty() {
                result.judgement.add(Verdict::Failure, result.wrong[0].clone());
                break;
            }
        }
        if result.wrong.is_empty() {
            let _ = std::fs::remove_dir_all(&slot);
        } else {
            self.keep(&slot, seed, &script, &result.wrong)?;
        }
        Ok(result)
    }

    fn play_once(
        &self,
        seed: u64,
        daemon: Daemon,
        script: &str,
        slot: &Path,
    ) -> BedResult<Playing> {
        let (played, mut findings) = self.run(seed, daemon, script, slot)?;
        let before = self.before.get(&daemon).expect("every daemon's bed was looked at");
        findings.leaks = Leaks::since(before, &played.results, &findings.guests);
        if !findings.leaks.blind.is_empty() {
            findings.judgement.add(Verdict::Error, "leak-check-blind");
        }
        if findings.leaks.total() > 0 {
            findings.judgement.add(Verdict::Failure, "something-leaked");
        }
        let wrong = violations(&played.facts, &findings.guests);
        let counts = counts(&played.facts, &findings.guests);
        let print = print(&played, &findings);
        Ok(Playing { findings, wrong, counts, print })
    }

    fn run(
        &self,
        seed: u64,
        daemon: Daemon,
        script: &str,
        out: &Path,
    ) -> BedResult<(Played, Findings)> {
        let job = Job {
            scenario: "explore".into(),
            cycles: self.options.cycles_in_force(),
            settings: vec![
                ("COURSE".into(), script.to_string()),
                // No latency is asked for, and it costs instructions.
                ("UNTIMED".into(), "yes".into()),
            ],
            files: Vec::new(),
        };
        let out = out.to_path_buf();
        let wish = Wish { daemon, clock: Clock::Exact, seed: Some(seed), job, out };
        self.session.play(&wish, &Progress::silent(), self.limit)
    }

    fn folder(&self) -> PathBuf {
        self.session.layout.out.join("explore")
    }

    /// What a seed that failed has left, and its course, under its own number.
    fn keep(&self, slot: &Path, seed: u64, script: &str, wrong: &[String]) -> BedResult<()> {
        let folder = self.folder().join(format!("seed-{seed}"));
        let _ = std::fs::remove_dir_all(&folder);
        let _ = std::fs::remove_file(slot.join("module"));
        write(&slot.join("course.sh"), script.as_bytes())?;
        write(&slot.join("wrong.txt"), (wrong.join("\n") + "\n").as_bytes())?;
        rename(slot, &folder)
    }

    fn replay(&self, seed: &Seed) -> String {
        let mut line = format!(
            "./run-xen.sh explore --daemon {} --seeds {1}..{2}",
            seed.daemon.name(),
            seed.seed,
            seed.seed + 1
        );
        if let Some(course) = &self.options.course {
            line.push_str(&format!(" --course {}", course.display()));
        }
        line
    }

    /// Report and summary.
    fn conclude(&self, done: &[Seed], wanted: usize) -> Report {
        let mut judgement = Judgement::new("no-violation-and-nothing-left");
        let mut played: BTreeMap<String, u64> = BTreeMap::new();
        let mut leaks = Leaks::default();
        let mut checks = Vec::new();
        for seed in done {
            judgement.add(
                seed.judgement.verdict,
                format!("seed-{}: {}", seed.seed, seed.judgement.reason),
            );
            for (what, count) in &seed.counts {
                *played.entry(what.clone()).or_default() += count;
            }
            leaks.add_all(&seed.leaks);
            checks.push(Check {
                name: format!("seed-{}", seed.seed),
                daemon: seed.daemon.name().to_string(),
                ok: seed.wrong.is_empty(),
                skipped: false,
                detail: seed.wrong.join("; "),
                replay: self.replay(seed),
            });
        }
        let failed = done.iter().filter(|seed| !seed.wrong.is_empty()).count();
        let mut report = self.session.frame(&judgement);
        report.budgets = vec![
            at_most("seeds with a violation", failed as u64, 0),
            at_most("leaks", leaks.total(), 0),
        ];
        report.played = played;
        report.leaks = leaks;
        report.checks = checks;
        if self.options.json {
            return report;
        }
        println!(
            "\n{} of {wanted} seeds played, each {} times: {failed} failed",
            done.len(),
            self.options.replays
        );
        tell(&report.played, report.leaks.total());
        for (seed, check) in done.iter().zip(&report.checks).filter(|(_, check)| !check.ok) {
            println!("\nFAILED seed {} under xenstored {}", seed.seed, seed.daemon.name());
            for what in &seed.wrong {
                println!("  {what}");
            }
            println!("  again: {}", check.replay);
            println!(
                "  logs and course: {}",
                self.folder().join(format!("seed-{}", seed.seed)).display()
            );
        }
        report
    }
}

fn far(done: &[Seed], wanted: usize, started: Instant) -> String {
    let failed = done.iter().filter(|seed| !seed.wrong.is_empty()).count();
    let rate = done.len() as f64 * 60.0 / started.elapsed().as_secs_f64().max(1.0);
    format!("{} of {wanted} seeds, {rate:.1} a minute, {failed} failed", done.len())
}

/// All that guests and job printed.
fn print(played: &Played, findings: &Findings) -> String {
    let mut text = String::new();
    for Fact { word, pairs } in &played.facts {
        text.push_str(&format!("{word} {pairs:?}\n"));
    }
    for guest in &findings.guests {
        text.push_str(&format!("== {}\n{}", guest.name(), guest.console.text()));
    }
    text
}

/// The first line in which two prints differ.
fn difference(one: &str, other: &str) -> String {
    let (mut left, mut right) = (one.lines(), other.lines());
    for number in 1.. {
        match (left.next(), right.next()) {
            (None, None) => break,
            (left, right) if left == right => {}
            (left, right) => {
                let (left, right) = (left.unwrap_or("(end)"), right.unwrap_or("(end)"));
                return format!("line {number}: {left:?} became {right:?}");
            }
        }
    }
    "the end of a line".into()
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn the_first_line_that_differs_is_told() {
        assert_eq!(difference("a\nb\nc", "a\nx\ny"), "line 2: \"b\" became \"x\"");
        assert_eq!(difference("a\n", "a\nb\n"), "line 2: \"(end)\" became \"b\"");
    }
}
