//! One run, from a bed that waits to results that are read: [`on_bed`], and [`natively`] on a host
//! that is a dom0 itself. Both end in the same [`Played`].

use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use super::beds::{Bed, Kept};
use super::command::{end_group, find};
use super::cpio::{Archive, Mode};
use super::dom0::Dom0;
use super::facts::Fact;
use super::follow::{Follower, POLL};
use super::job::{Job, results};
use super::layout::Layout;
use super::options::{Clock, Daemon};
use super::packages::walk;
use super::progress::Progress;
use super::qemu::{Line, Machine, Qemu, Start, State};
use super::stop::Limit;
use super::trouble::{Outcome, Trouble};

/// What a run left.
#[derive(Debug)]
pub struct Played {
    /// What the job in dom0 said, in order.
    pub facts: Vec<Fact>,
    /// The files of its out/ folder.
    pub results: Archive,
    /// Wall time from resuming to results, in seconds.
    pub wall_s: f64,
    /// Whether the bed was kept from before; none on a native host.
    pub kept: Option<Kept>,
}

/// What is the same for all runs of one invocation.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The folders.
    pub layout: Layout,
    /// The emulator.
    pub qemu: Qemu,
    /// What it boots.
    pub dom0: Dom0,
}

/// Which machine a run is played on.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// dom0's xenstore daemon.
    pub daemon: Daemon,
    /// The machine's clock.
    pub clock: Clock,
    /// Its seed.
    pub seed: Option<u64>,
    /// Where com2 goes.
    pub line: Line,
}

/// Resumes the bed that fits, plays the job, and reads what came of it.
pub fn on_bed(
    setting: &Setting,
    choice: Choice,
    job: &Job,
    progress: &Progress,
    limit: &Limit,
) -> Outcome<Played> {
    let Setting { layout, qemu, dom0 } = setting;
    let Choice { daemon, clock, seed, line } = choice;
    let bed = Bed::ready(&layout.beds(), qemu, dom0, (daemon, clock), progress, limit)?;
    let module = layout.out.join("module");
    job.place(layout, &module)?;
    progress.step(&format!("{}: resuming the bed", job.scenario));
    let started = Instant::now();
    let start = Start { state: State::Saved, module: &module, seed, out: &layout.out, line };
    let mut machine = Machine::start(qemu, dom0, daemon, clock, &start, limit)?;
    machine.resume(&bed.state, limit)?;
    let mut played =
        Played { facts: Vec::new(), results: Archive::new(), wall_s: 0.0, kept: Some(bed.kept) };
    if line == Line::Terminal {
        while !machine.ended() {
            limit.check("the shell runs")?;
            thread::sleep(POLL);
        }
        return Ok(played);
    }
    let length = follow(&mut machine, layout, &mut played.facts, progress, limit)?;
    played.wall_s = started.elapsed().as_secs_f64();
    let archive = results(&module, length)?;
    played.results = archive.ok_or_else(|| machine.trouble("dom0's results were garbled"))?;
    // dom0 switches the machine off; the guard ends what does not end.
    let patience = Limit::seconds(POWER_OFF_S);
    while !machine.ended() && patience.check("power-off").is_ok() {
        thread::sleep(POLL);
    }
    Ok(played)
}

/// How long the machine may take to switch itself off, once its results are here.
const POWER_OFF_S: u64 = 5;

/// Reads dom0's line until the results are there; returns their length.
fn follow(
    machine: &mut Machine,
    layout: &Layout,
    facts: &mut Vec<Fact>,
    progress: &Progress,
    limit: &Limit,
) -> Outcome<usize> {
    let mut dom0 = Follower::new(layout.out.join("dom0.log"));
    let mut last = "dom0 takes up the job".to_string();
    loop {
        // Looked at before the log: what was written before the end is still read.
        let ended = machine.ended();
        for line in dom0.lines() {
            if let Some(length) = line.strip_prefix("@bed results ") {
                let garbled = || machine.trouble("dom0 did not say how long its results are");
                return length.trim().parse().map_err(|_| garbled());
            }
            if line == "@bed failed" {
                return Err(machine.trouble("dom0 could not take up the job; see dom0.log"));
            }
            note(&line, facts, &mut last, progress);
        }
        if ended {
            return Err(machine.trouble(&format!(
                "the machine ended in the middle ({last}); see dom0.log and xen.log"
            )));
        }
        limit.check(&last)?;
        thread::sleep(POLL);
    }
}

/// Keeps a fact; shows a line for people.
fn note(line: &str, facts: &mut Vec<Fact>, last: &mut String, progress: &Progress) {
    if let Some(fact) = Fact::parse("@J", line) {
        facts.push(fact);
    } else if let Some(words) = line.strip_prefix("job: ") {
        *last = words.to_string();
        progress.step(words);
    }
}

/// Plays the job with the host's own `xl`.
pub fn natively(layout: &Layout, job: &Job, progress: &Progress, limit: &Limit) -> Outcome<Played> {
    for program in ["xl", "xenstore-read"] {
        if find(program).is_none() {
            return Err(Trouble::Missing {
                what: program.to_string(),
                remedy: "--native needs Xen's tools (xen-utils, xenstore-utils)".into(),
            });
        }
    }
    let folder = layout.out.join("native");
    job.unpack(layout, &folder)?;
    let log = layout.out.join("dom0.log");
    let file = std::fs::File::create(&log).map_err(|e| Trouble::io("write dom0.log", e))?;
    let copy = file.try_clone().map_err(|e| Trouble::io("write dom0.log", e))?;
    let started = Instant::now();
    let mut command = Command::new("sh");
    command.arg(folder.join("job.sh")).arg(&folder);
    command.stdin(Stdio::null()).stdout(file).stderr(copy);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(|e| Trouble::io("start the job", e))?;
    let mut facts = Vec::new();
    let mut last = "the job starts".to_string();
    let mut dom0 = Follower::new(log);
    loop {
        let ended = !matches!(child.try_wait(), Ok(None));
        for line in dom0.lines() {
            note(&line, &mut facts, &mut last, progress);
        }
        if ended {
            break;
        }
        if let Err(stop) = limit.check(&last) {
            // job.sh destroys its domains when it is asked to end, and only then is it killed.
            let id = child.id().to_string();
            let _ = Command::new("kill").args(["-TERM", &id]).status();
            let patience = Limit::seconds(POWER_OFF_S);
            while matches!(child.try_wait(), Ok(None)) && patience.check("end").is_ok() {
                thread::sleep(POLL);
            }
            end_group(&mut child);
            return Err(stop);
        }
        thread::sleep(POLL);
    }
    let mut results = Archive::new();
    let out = folder.join("out");
    walk(&out, &mut |path| {
        if let (Ok(name), Ok(bytes)) = (path.strip_prefix(&out), std::fs::read(path)) {
            results.file(&name.to_string_lossy(), Mode::Data, bytes);
        }
    });
    Ok(Played { facts, results, wall_s: started.elapsed().as_secs_f64(), kept: None })
}
