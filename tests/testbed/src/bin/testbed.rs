//! `run-xen.sh`: reads the command line, runs the testbed and prints the result. The library does
//! the work; this file has the order of the steps, stdout and the exit code.

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicUsize, Ordering};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;

use clap::Parser;
use clap::error::ErrorKind;
use testbed::base::layout::{Claim, Layout};
use testbed::base::options::{Command, Options};
use testbed::base::progress::Progress;
use testbed::base::roles;
use testbed::base::stop::{Limit, listen};
use testbed::base::trouble::{BedResult, Trouble};
use testbed::base::verdict::{Judgement, Verdict};
use testbed::evaluation::findings::Findings;
use testbed::evaluation::report::Report;
use testbed::machine::job::Job;
use testbed::machine::play::{Choice, Setting, on_bed};
use testbed::machine::qemu::Line;
use testbed::output::played::Played;
use testbed::runs::explore::explore;
use testbed::runs::faults;
use testbed::runs::rows::{self, Row};
use testbed::runs::session::{REPORT, Session, empty_report, join, save_report};
use testbed::runs::soak::soak;
use testbed::runs::wish::{Wish, wishes};
use testbed::tables::page::{self, Run};
use testbed::tables::show::tables;

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(refused) => {
            let _ = refused.print();
            return match refused.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => {
                    let is_json = std::env::args().any(|word| word == "--json");
                    end(&bare(Verdict::Error, "bad-command-line"), is_json)
                }
            };
        }
    };
    let report = carry_out(&options).unwrap_or_else(|trouble| {
        eprintln!("run-xen.sh: {trouble}");
        let exit = trouble.exit_code();
        Report { exit, ..bare(Verdict::Error, trouble.reason()) }
    });
    end(&report, options.json)
}

/// The report of what did not come as far as to have anything in it.
fn bare(verdict: Verdict, reason: &str) -> Report {
    empty_report(&Judgement { verdict, reason: reason.to_string() }, "")
}

/// The verdict line, last on stdout, or the report alone there; and the exit code.
fn end(report: &Report, is_json: bool) -> ExitCode {
    if is_json {
        println!("{}", report.json());
    } else {
        println!("VERDICT {} {}", report.verdict.word(), report.reason);
    }
    ExitCode::from(report.exit)
}

fn carry_out(options: &Options) -> BedResult<Report> {
    if options.command() == Command::Unknown {
        eprintln!("run-xen.sh: no command {}; try --help", options.command);
        return Ok(bare(Verdict::Error, "bad-command-line"));
    }
    if options.native && !std::path::Path::new("/proc/xen/capabilities").exists() {
        eprintln!(
            "run-xen.sh: --native: this machine is not a Xen dom0 (no /proc/xen/capabilities)"
        );
        return Ok(bare(Verdict::Skip, "not-a-xen-dom0"));
    }
    if options.would_stop_host_daemon() {
        eprintln!(
            "run-xen.sh: this would stop or replace this host's xenstored: name another --scenario, or add --stop-host-xenstored"
        );
        return Ok(bare(Verdict::Error, "would-stop-host-xenstored"));
    }
    listen()?;
    let limit = Limit::seconds(options.timeout_s());
    let layout = Layout::new(options.out.as_deref())?;
    let _claim = Claim::take(&layout.out)?;
    let progress = Progress::on_stderr();
    let out = layout.out.clone();
    let result = match options.command() {
        Command::Shell => shell(options, layout, &progress, &limit),
        Command::Explore => explore(options, layout, &progress, &limit),
        Command::Faults => campaign(options, layout, &progress, &limit),
        Command::Soak => soak(options, layout, &progress, &limit),
        _ => runs(options, layout, &progress, &limit),
    };
    progress.finish();
    match &result {
        // Nothing was played: there is nothing to keep.
        Ok(report) if report.is_bare() => {}
        Ok(report) => save_report(&out, report)?,
        // What was cut short has no report. The last one says itself when it was made.
        Err(_) if out.join(REPORT).exists() => {
            eprintln!("run-xen.sh: {} is an earlier run's", out.join(REPORT).display());
        }
        Err(_) => {}
    }
    result
}

fn runs(
    options: &Options,
    layout: Layout,
    progress: &Progress,
    limit: &Limit,
) -> BedResult<Report> {
    let session = Session::prepare(layout, options.native, progress, limit)?;
    let mut wishes = wishes(options, &session.layout);
    if options.scenario().starts_with(roles::BENCH) {
        let mut files = session.tracer();
        if options.scenario() == roles::BENCH {
            files.extend(session.comparators(progress, limit)?);
        }
        wishes.iter_mut().for_each(|wish| wish.job.files.clone_from(&files));
    }
    let played = play_all(&session, &wishes, options.jobs_in_force(), progress, limit);
    progress.finish();
    let mut reports = Vec::new();
    let mut all_findings = Vec::new();
    let mut judgement = Judgement::new("all-done-and-nothing-left");
    for (wish, outcome) in wishes.iter().zip(played) {
        let (played, findings) = outcome?;
        let report = session.report(wish, &played, &findings);
        if !options.json {
            if wishes.len() > 1 {
                println!("\n== xenstored: {}", wish.daemon.name());
            }
            print!("{}", tables(&findings, &report, &session.images, wish.clock));
        }
        judgement.add(report.verdict, report.reason.clone());
        reports.push((wish.clone(), report));
        all_findings.push(findings);
    }
    if options.scenario().starts_with(roles::BENCH) {
        let runs: Vec<Run<'_>> = reports
            .iter()
            .zip(&all_findings)
            .map(|((wish, report), findings)| Run { daemon: wish.daemon, findings, report })
            .collect();
        let page = page::save(&session.layout.out.join("bench"), &runs)?;
        eprintln!("run-xen.sh: the page is {}", page.display());
    }
    if let [(_, report)] = &reports[..] {
        return Ok(report.clone());
    }
    for (wish, report) in &reports {
        save_report(&wish.out, report)?;
    }
    Ok(join(session.frame(&judgement), &session, &reports))
}

/// The fault campaign: every scenario under every daemon, a table, one verdict.
fn campaign(
    options: &Options,
    layout: Layout,
    progress: &Progress,
    limit: &Limit,
) -> BedResult<Report> {
    let wishes = faults::wishes(options, &layout)?;
    let session = Session::prepare(layout, options.native, progress, limit)?;
    let played = play_all(&session, &wishes, options.jobs_in_force(), progress, limit);
    progress.finish();
    let mut judgement = Judgement::new("every-fault-was-borne");
    let (mut rows, mut reports) = (Vec::new(), Vec::new());
    for (wish, outcome) in wishes.iter().zip(played) {
        let row = match outcome {
            Ok((played, findings)) => {
                let row = Row::played(wish, &played, &findings, &session.replay(wish));
                let mut report = session.report(wish, &played, &findings);
                report.checks.clone_from(&row.checks);
                (report.verdict, report.exit) =
                    (row.judgement.verdict, row.judgement.verdict.exit_code());
                report.reason.clone_from(&row.judgement.reason);
                save_report(&wish.out, &report)?;
                reports.push((wish.clone(), report));
                row
            }
            Err(trouble @ (Trouble::Interrupted | Trouble::TimeLimit { .. })) => {
                return Err(trouble);
            }
            Err(trouble) => {
                eprintln!("run-xen.sh: {}: {trouble}", wish.title());
                Row::troubled(wish, &trouble)
            }
        };
        judgement.add(row.judgement.verdict, format!("{}-{}", row.scenario, row.judgement.reason));
        rows.push(row);
    }
    let mut report = join(session.frame(&judgement), &session, &reports);
    report.budgets = rows::figures(&rows);
    if !options.json {
        print!("{}", rows::table(&rows, options.daemons()));
    }
    Ok(report)
}

/// Plays every run, at most `jobs` at once: whoever has done one takes up the next.
fn play_all(
    session: &Session,
    wishes: &[Wish],
    jobs: usize,
    progress: &Progress,
    limit: &Limit,
) -> Vec<BedResult<(Played, Findings)>> {
    let next = AtomicUsize::new(0);
    let outcomes: Vec<Mutex<Option<_>>> = wishes.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        let work = || {
            while let Some(index) = Some(next.fetch_add(1, Ordering::Relaxed))
                && let Some(wish) = wishes.get(index)
            {
                let progress = match wishes {
                    [_] => progress.clone(),
                    _ => progress.with_prefix(&wish.title()),
                };
                let started = limit.check("a run waits for its turn");
                let outcome = started.and_then(|()| session.play(wish, &progress, limit));
                *outcomes[index].lock().expect("nobody else has this one") = Some(outcome);
            }
        };
        let workers: Vec<_> = (0..jobs.min(wishes.len())).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            // Of one that panicked there is no outcome.
            let _ = worker.join();
        }
    });
    let stopped = || Err(Trouble::Bed { what: "a run panicked".into() });
    let taken =
        |outcome: Mutex<Option<_>>| outcome.into_inner().ok().flatten().unwrap_or_else(stopped);
    outcomes.into_iter().map(taken).collect()
}

/// dom0's root shell on this terminal.
fn shell(
    options: &Options,
    layout: Layout,
    progress: &Progress,
    limit: &Limit,
) -> BedResult<Report> {
    let session = Session::prepare(layout, options.native, progress, limit)?;
    let Some((setting, _)) = &session.machine else {
        eprintln!("run-xen.sh: shell: this machine is the dom0; its own shell serves");
        return Ok(bare(Verdict::Skip, "native-has-a-shell"));
    };
    let setting = Setting { layout: session.layout.clone(), ..setting.clone() };
    let job = Job {
        scenario: "shell".into(),
        cycles: options.cycles_in_force(),
        settings: Vec::new(),
        files: Vec::new(),
    };
    let choice = Choice {
        daemon: options.daemons()[0],
        clock: options.clock,
        seed: options.seed_in_force(),
        line: Line::Terminal,
    };
    progress.finish();
    on_bed(&setting, choice, &job, progress, limit)?;
    Ok(bare(Verdict::Success, "shell-ended"))
}
