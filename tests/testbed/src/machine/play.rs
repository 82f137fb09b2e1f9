//! One run, from a bed that waits to results that are read: [`on_bed`], and [`natively`] on a host
//! that is a dom0 itself. Both end in the same [`Played`].

use core::time::Duration;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::base::command::{end_group, find};
use crate::base::cpio::{Archive, Mode};
use crate::base::layout::Layout;
use crate::base::options::{Clock, Daemon};
use crate::base::progress::Progress;
use crate::base::stop::Limit;
use crate::base::trouble::{BedResult, Trouble};
use crate::machine::beds::Bed;
use crate::machine::dom0::Dom0;
use crate::machine::follow::{Follower, POLL};
use crate::machine::job::{Job, results};
use crate::machine::packages::walk;
use crate::machine::qemu::{Line, Qemu, Start, State, VirtualMachine};
use crate::output::domains::listed_domain;
use crate::output::facts::Fact;
use crate::output::played::Played;

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
) -> BedResult<Played> {
    let Setting { layout, qemu, dom0 } = setting;
    let Choice { daemon, clock, seed, line } = choice;
    let bed = Bed::ready(&layout.beds(), qemu, dom0, (daemon, clock), progress, limit)?;
    let module = layout.out.join("module");
    job.place(layout, &module)?;
    progress.step(&format!("{}: resuming the bed", job.scenario));
    let started = Instant::now();
    let start = Start { state: State::Saved, module: &module, seed, out: &layout.out, line };
    let mut machine = VirtualMachine::start(qemu, dom0, daemon, clock, &start, limit)?;
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
    machine: &mut VirtualMachine,
    layout: &Layout,
    facts: &mut Vec<Fact>,
    progress: &Progress,
    limit: &Limit,
) -> BedResult<usize> {
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
pub fn natively(
    layout: &Layout,
    job: &Job,
    progress: &Progress,
    limit: &Limit,
) -> BedResult<Played> {
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
            // job.sh destroys its domains when it is asked to end, and only then is it killed. What it
            // waits for is asked too: a shell handles no signal before that has ended.
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-TERM", "--", &group]).status();
            let patience = Instant::now() + END_MAX;
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < patience {
                thread::sleep(POLL);
            }
            end_group(&mut child);
            for line in dom0.lines().iter().filter(|line| line.starts_with("job: destroying ")) {
                eprintln!("run-xen.sh: {}", &line["job: ".len()..]);
            }
            destroy_left(&folder);
            return Err(stop);
        }
        thread::sleep(POLL);
    }
    let results = collect(&folder.join("out"), limit)?;
    Ok(Played { facts, results, wall_s: started.elapsed().as_secs_f64(), kept: None })
}

/// How long job.sh may take to destroy its domains: some tenths of a second each.
const END_MAX: Duration = Duration::from_secs(60);

/// What the job left in its folder: its files. Other things are not read: to open a FIFO, as the one
/// that holds the consoles' input, would never return.
fn collect(out: &Path, limit: &Limit) -> BedResult<Archive> {
    let mut paths = Vec::new();
    walk(out, &mut |path| paths.push(path.to_path_buf()));
    let mut results = Archive::new();
    for path in paths {
        limit.check("reading the results")?;
        if !path.symlink_metadata().is_ok_and(|data| data.is_file()) {
            continue;
        }
        if let (Ok(name), Ok(bytes)) = (path.strip_prefix(out), std::fs::read(&path)) {
            results.file(&name.to_string_lossy(), Mode::Data, bytes);
        }
    }
    Ok(results)
}

/// Destroys the domains of a job that did not come to do so itself, and says so.
fn destroy_left(folder: &Path) {
    let ids = std::fs::read_to_string(folder.join("out/domids")).unwrap_or_default();
    let limit = Limit::seconds(TOOL_S);
    let Ok(list) = Command::new("xl").arg("list").output() else { return };
    for (name, domid) in own_among(&String::from_utf8_lossy(&list.stdout), &ids) {
        if limit.check("destroying").is_err_and(|e| matches!(e, Trouble::TimeLimit { .. })) {
            eprintln!("run-xen.sh: domain {domid} ({name}) is left running");
            continue;
        }
        let done = Command::new("xl").args(["destroy", &domid.to_string()]).status();
        let how = if done.is_ok_and(|status| status.success()) { "destroyed" } else { "left" };
        eprintln!("run-xen.sh: {how} domain {domid} ({name}) of this run");
    }
}

/// How long domains are destroyed before the rest is only named.
const TOOL_S: u64 = 60;

/// The domains of `xl list` that are in the job's list of its own.
fn own_among(list: &str, ids: &str) -> Vec<(String, u64)> {
    let own: Vec<u64> = ids.split_whitespace().filter_map(|id| id.parse().ok()).collect();
    let domains = list.lines().skip(1).filter_map(listed_domain);
    domains.filter(|(_, domid)| *domid != 0 && own.contains(domid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_read() {
        let folder = std::env::temp_dir().join(format!("tether-fifo-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("kept"), "text").expect("a file");
        let made = Command::new("mkfifo").arg(folder.join("silence")).status();
        assert!(made.expect("mkfifo").success());
        let (tell, told) = std::sync::mpsc::channel();
        let out = folder.clone();
        thread::spawn(move || tell.send(collect(&out, &Limit::seconds(60))));
        let results = told.recv_timeout(Duration::from_secs(10)).expect("it does not hang");
        let results = results.expect("all is read");
        assert_eq!(results.iter().map(|(path, _)| path).collect::<Vec<_>>(), ["kept"]);
        let _ = std::fs::remove_dir_all(folder);
    }

    #[test]
    fn only_domains_of_this_run_are_destroyed() {
        let list = "Name ID Mem VCPUs State Time(s)\nDomain-0 0 768 2 r----- 1.0\n\
                    frontend.1 4 2 1 -b---- 0.1\nwith a disk 7 512 1 -b---- 2.0\n\
                    backend.1 9 2 1 -b---- 0.1\n";
        let own = own_among(list, "0\n4\n8\n9\n");
        assert_eq!(own, [("frontend.1".to_string(), 4), ("backend.1".to_string(), 9)]);
    }
}
