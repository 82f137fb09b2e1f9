//! One invocation, from options to exit code: [`Session`].
//!
//! It prepares what runs share once, plays one run per daemon, writes their reports and logs, and
//! joins their verdicts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::base::command::run;
use crate::base::layout::Layout;
use crate::base::progress::Progress;
use crate::base::roles;
use crate::base::stop::Limit;
use crate::base::trouble::{BedResult, rename, write};
use crate::base::verdict::{Judgement, Verdict};
use crate::evaluation::assemble::{assemble, domain_line, image_line};
use crate::evaluation::bench;
use crate::evaluation::figures::{Budget, Check};
use crate::evaluation::findings::{Findings, Origin};
use crate::evaluation::leaks::Leaks;
use crate::evaluation::report::{BedLine, Report, SCHEMA};
use crate::machine::dom0::Dom0;
use crate::machine::images::{self, Image};
use crate::machine::packages::Packages;
use crate::machine::play::{Choice, Setting, natively, on_bed};
use crate::machine::qemu::{Line, Qemu};
use crate::output::played::Kept;
use crate::output::played::Played;
use crate::runs::comparators;
use crate::runs::faults;
use crate::runs::recording;
use crate::runs::wish::Wish;

/// What all runs of an invocation share, ready to be used.
#[derive(Debug)]
pub struct Session {
    /// The folders.
    pub layout: Layout,
    /// What is run.
    pub images: Vec<Image>,
    /// The machine; none on a host that is a dom0 itself.
    pub machine: Option<(Setting, Packages)>,
    started: Instant,
    started_utc: String,
    commit: Option<String>,
    dirty: Option<bool>,
}

/// Limit of a run on a prepared machine with its bed kept, of issue "Two images on real Xen".
const WALL_KEPT_S: f64 = 60.0;
/// Limit of the first run, downloads among it.
const WALL_FIRST_S: f64 = 360.0;

impl Session {
    /// Fetches, builds and boots nothing that is there already.
    pub fn prepare(
        layout: Layout,
        native: bool,
        progress: &Progress,
        limit: &Limit,
    ) -> BedResult<Session> {
        let started = Instant::now();
        let date = run(Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]), limit, "date")?;
        let machine = if native { None } else { Some(machine(&layout, progress, limit)?) };
        progress.step("building the images");
        // Before they are built: whoever commits meanwhile has other images.
        let commit = git(&layout, &["rev-parse", "HEAD"]);
        let dirty = git(&layout, &["--no-optional-locks", "status", "--porcelain"])
            .map(|text| !text.is_empty());
        let images = images::build(&layout, limit)?;
        let started_utc = date.trim().to_string();
        Ok(Session { layout, images, machine, started, started_utc, commit, dirty })
    }

    /// What `bench` compares with, as files of its jobs; nothing on a host that is a dom0 itself,
    /// whose Linux we do not know.
    ///
    /// # Errors
    /// As [`comparators::ready`].
    pub fn comparators(
        &self,
        progress: &Progress,
        limit: &Limit,
    ) -> BedResult<Vec<(String, PathBuf)>> {
        match &self.machine {
            Some((_, packages)) => comparators::ready(&self.layout, packages, progress, limit),
            None => Ok(Vec::new()),
        }
    }

    /// dom0's `xentrace`, as a file of a job; nothing on a host that is a dom0 itself, whose processor
    /// may tell other reasons than the bed's.
    pub fn tracer(&self) -> Vec<(String, PathBuf)> {
        let of_packages = |packages: &Packages| {
            let program = format!("usr/lib/xen-{}/bin/xentrace", packages.manifest.xen);
            ("programs/xentrace".to_string(), packages.tree.join(program))
        };
        self.machine.iter().map(|(_, packages)| of_packages(packages)).collect()
    }

    /// Plays one run and works out what it shows; the guests' consoles go to its folder.
    pub fn play(
        &self,
        wish: &Wish,
        progress: &Progress,
        limit: &Limit,
    ) -> BedResult<(Played, Findings)> {
        let layout = self.layout.with_out(wish.out.clone())?;
        forget_logs(&wish.out);
        let played = match &self.machine {
            Some((setting, _)) => {
                let setting = Setting { layout, ..setting.clone() };
                let choice = Choice {
                    daemon: wish.daemon,
                    clock: wish.clock,
                    seed: wish.seed,
                    line: Line::Log,
                };
                on_bed(&setting, choice, &wish.job, progress, limit)?
            }
            None => natively(&layout, &wish.job, progress, limit)?,
        };
        let origin = Origin {
            scenario: wish.job.scenario.clone(),
            daemon: wish.daemon,
            clock: wish.clock,
            replay: self.replay(wish),
        };
        let findings = assemble(&played, &origin, &self.images);
        for guest in &findings.guests {
            write(
                &wish.out.join(format!("{}.log", guest.name())),
                guest.console.text().as_bytes(),
            )?;
        }
        if let Some(text) = recording::text(&self.report(wish, &played, &findings), &played) {
            write(&wish.out.join(recording::FILE), text.as_bytes())?;
        }
        Ok((played, findings))
    }

    /// The report of one run.
    pub fn report(&self, wish: &Wish, played: &Played, findings: &Findings) -> Report {
        let mut report = self.frame(&findings.judgement);
        let resumed = played.kept.map(|kept| kept == Kept::Found);
        report.bed = Some(self.bed_line(wish, resumed));
        report.domains = findings
            .guests
            .iter()
            .map(|guest| {
                let console = wish.out.join(format!("{}.log", guest.name()));
                domain_line(guest, console.display().to_string())
            })
            .collect();
        report.timeline.clone_from(&findings.timeline);
        report.stages.clone_from(&findings.stages);
        report.transfer = findings.transfer;
        report.data = (findings.data != bench::Data::default()).then(|| findings.data.clone());
        report.leaks = findings.leaks.clone();
        report.budgets.clone_from(&findings.budgets);
        // The limit is the main job's.
        if wish.job.scenario == "main" {
            report.budgets.push(self.wall_budget(resumed));
        }
        report.checks.clone_from(&findings.checks);
        report
    }

    /// A report with nothing but what is the same for all.
    pub fn frame(&self, judgement: &Judgement) -> Report {
        let mut report = empty_report(judgement, &self.started_utc);
        (report.commit, report.dirty) = (self.commit.clone(), self.dirty);
        report.wall_s = self.started.elapsed().as_secs_f64();
        report.images = self.images.iter().map(image_line).collect();
        report
    }

    /// The command that does a run again.
    pub fn replay(&self, wish: &Wish) -> String {
        let mut line = "./run-xen.sh".to_string();
        match wish.job.scenario.as_str() {
            "main" => {}
            command @ (roles::CONFORMANCE | roles::BENCH) => line.push_str(&format!(" {command}")),
            scenario if faults::has(scenario) => {
                line.push_str(&format!(" {} --scenario {scenario}", roles::FAULTS));
            }
            scenario => line.push_str(&format!(" --scenario {scenario}")),
        }
        if self.machine.is_none() {
            line.push_str(" --native");
            return line;
        }
        line.push_str(&format!(" --daemon {} --clock {}", wish.daemon.name(), wish.clock.name()));
        if let Some(seed) = wish.seed {
            line.push_str(&format!(" --seed {seed}"));
        }
        line.push_str(&format!(" --cycles {}", wish.job.cycles));
        line
    }

    fn bed_line(&self, wish: &Wish, resumed: Option<bool>) -> BedLine {
        let machine = self.machine.as_ref();
        BedLine {
            kind: if machine.is_some() { "qemu" } else { "native" },
            xen: machine.map(|(_, packages)| packages.manifest.xen.clone()),
            qemu: machine.map(|(setting, _)| setting.qemu.version.clone()),
            dom0: machine.map(|(_, packages)| packages.manifest.linux.clone()),
            daemon: wish.daemon.name().to_string(),
            clock: if machine.is_some() { wish.clock.name() } else { "real" }.to_string(),
            icount_shift: machine.and_then(|_| Qemu::icount_shift(wish.clock)),
            seed: wish.seed,
            resumed,
        }
    }

    fn wall_budget(&self, resumed: Option<bool>) -> Budget {
        let value = self.started.elapsed().as_secs_f64();
        let (name, limit) = match resumed {
            Some(false) => ("wall time, first run", WALL_FIRST_S),
            _ => ("wall time, bed kept", WALL_KEPT_S),
        };
        let value = (value * 10.0).round() / 10.0;
        Budget { name: name.into(), unit: "s", value, limit, ok: value <= limit, binding: false }
    }
}

/// Everything that a machine is made of.
fn machine(layout: &Layout, progress: &Progress, limit: &Limit) -> BedResult<(Setting, Packages)> {
    // One at a time: whoever comes second finds it done.
    let _claim = crate::base::layout::Claim::wait(&layout.cache(), limit)?;
    let cache = layout.cache();
    let packages = Packages::ready(&cache, progress, limit)?;
    let init = layout.dom0_scripts().join("init");
    let dom0 = Dom0::ready(&cache, &packages, &init, progress, limit)?;
    let qemu = Qemu::ready(&cache, progress, limit)?;
    Ok((Setting { layout: layout.clone(), qemu, dom0 }, packages))
}

/// What git says of the workspace; nothing where it says nothing, as outside a checkout.
fn git(layout: &Layout, words: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    git.args(words).current_dir(&layout.workspace);
    let answer = run(&mut git, &Limit::seconds(10), "asking git").ok()?;
    Some(answer.trim().to_string())
}

/// A report that says nothing but how it ended.
pub fn empty_report(judgement: &Judgement, started_utc: &str) -> Report {
    Report {
        schema: SCHEMA,
        verdict: judgement.verdict,
        exit: judgement.verdict.exit_code(),
        reason: judgement.reason.clone(),
        command: std::env::args().collect(),
        commit: None,
        dirty: None,
        started_utc: started_utc.to_string(),
        wall_s: 0.0,
        bed: None,
        images: Vec::new(),
        domains: Vec::new(),
        timeline: Vec::new(),
        stages: std::collections::BTreeMap::new(),
        transfer: None,
        data: None,
        played: std::collections::BTreeMap::new(),
        leaks: Leaks::default(),
        budgets: Vec::new(),
        checks: Vec::new(),
    }
}

/// Removes what an earlier run's guests printed and what that run recorded: it would look like this
/// run's. A file of another name is not ours.
fn forget_logs(out: &Path) {
    let Ok(listing) = std::fs::read_dir(out) else { return };
    for entry in listing.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_console(&name) || name == recording::FILE {
            // One that cannot be removed cannot be written either, which is told then.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether a file has a name as [`Session::play`] gives it to consoles: ROLE.N.log.
fn is_console(file: &str) -> bool {
    let mut parts = file.split('.');
    let (role, number) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    !role.is_empty()
        && number.parse::<u64>().is_ok()
        && (parts.next(), parts.next()) == (Some("log"), None)
}

/// The report's file, in the out folder.
pub const REPORT: &str = "report.json";

/// Writes report.json, in one step: whoever reads it has the last whole one.
pub fn save_report(out: &Path, report: &Report) -> BedResult<()> {
    let part = out.join("report.json.part");
    write(&part, report.json().as_bytes())?;
    rename(&part, &out.join(REPORT))
}

/// Joins the reports of several runs: one check each, the worst verdict.
pub fn join(mut frame: Report, session: &Session, runs: &[(Wish, Report)]) -> Report {
    for (wish, run) in runs {
        let daemon = wish.daemon;
        frame.checks.push(Check {
            name: wish.title(),
            daemon: daemon.name().to_string(),
            ok: run.verdict == Verdict::Success,
            skipped: run.verdict == Verdict::Skip,
            detail: run.reason.clone(),
            replay: session.replay(wish),
        });
        frame.checks.extend(run.checks.iter().cloned());
        frame.domains.extend(run.domains.iter().cloned());
        frame.budgets.extend(run.budgets.iter().map(|budget| Budget {
            name: format!("{} ({})", budget.name, daemon.name()),
            ..budget.clone()
        }));
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tether-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder in the temporary one");
        folder
    }

    #[test]
    fn a_report_replaces_the_last_one_in_one_step() {
        let folder = folder("report");
        let (path, held) = (folder.join(REPORT), folder.join("held"));
        std::fs::write(&path, "earlier").expect("a file");
        // What one that has the file open goes on to read.
        std::fs::hard_link(&path, &held).expect("another name");
        save_report(&folder, &empty_report(&Judgement::new("done"), "")).expect("a report");
        let read = |path: &Path| std::fs::read_to_string(path).expect("a file");
        assert_eq!(read(&held), "earlier");
        assert!(read(&path).contains("tether.report/1"));
        std::fs::remove_file(&held).expect("a file");
        let left = std::fs::read_dir(&folder).expect("a folder").count();
        assert_eq!(left, 1, "a part was left");
        let _ = std::fs::remove_dir_all(folder);
    }

    #[test]
    fn consoles_of_an_earlier_run_are_forgotten_and_nothing_else() {
        let folder = folder("logs");
        let ours = ["frontend.1.log", "xenstore-check.12.log", recording::FILE];
        let others = ["xen.log", "my.notes.log", "frontend.1.log.old", "lock", REPORT];
        for name in ours.into_iter().chain(others) {
            std::fs::write(folder.join(name), "x").expect("a file");
        }
        forget_logs(&folder);
        assert!(ours.iter().all(|name| !folder.join(name).exists()));
        assert!(others.iter().all(|name| folder.join(name).exists()));
        let _ = std::fs::remove_dir_all(folder);
    }
}
