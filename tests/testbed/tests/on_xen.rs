//! Tests on real Xen: each plays a scenario of tests/dom0/scenarios/ on the bed and looks at what it
//! left. The same seed gives the same course each time, so a failure here is a failure there.
//!
//! A new scenario is a file there and a line in [`SCENARIOS`]. Where QEMU or Debian's packages cannot
//! be had every test fails and says so.

use core::time::Duration;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use libtest_mimic::{Arguments, Failed, Trial};
use recorder::record::Record;
use testbed::base::layout::{Claim, Layout};
use testbed::base::options::{Clock, Daemon};
use testbed::base::progress::Progress;
use testbed::base::roles;
use testbed::base::stop::Limit;
use testbed::base::verdict::Verdict;
use testbed::evaluation::bench;
use testbed::evaluation::findings::Findings;
use testbed::machine::job::Job;
use testbed::output::played::Played;
use testbed::runs::faults::{CAMPAIGN, job as fault_job};
use testbed::runs::recording;
use testbed::runs::rows::Row;
use testbed::runs::session::Session;
use testbed::runs::wish::Wish;

/// Name, scenario, daemon, clock, cycles. All under the counted clock: under the real one programs of
/// dom0 were seen to crash (docs/decisions/0007-tests-under-the-counted-clock.md), so that a failure says
/// nothing about the images.
const SCENARIOS: [(&str, &str, Daemon, Clock, u32); 15] = [
    ("main_job_under_c_xenstored", "main", Daemon::C, Clock::Counted, 4),
    ("main_job_under_oxenstored", "main", Daemon::Ocaml, Clock::Counted, 4),
    ("selftests_under_c_xenstored", "selftest", Daemon::C, Clock::Counted, 1),
    ("selftests_under_oxenstored", "selftest", Daemon::Ocaml, Clock::Counted, 1),
    ("frontend_first", "frontend_first", Daemon::C, Clock::Counted, 3),
    ("backend_first", "backend_first", Daemon::Ocaml, Clock::Counted, 3),
    ("frontend_killed_in_mid_connection", "killed_frontend", Daemon::C, Clock::Counted, 3),
    ("backend_killed_in_mid_connection", "killed_backend", Daemon::C, Clock::Counted, 3),
    ("backend_killed_under_oxenstored", "killed_backend", Daemon::Ocaml, Clock::Counted, 3),
    ("a_hundred_links_between_two_images", "links", Daemon::C, Clock::Counted, 2),
    ("wrong_options_are_named", "bad_options", Daemon::C, Clock::Counted, 1),
    ("a_lonely_frontend_waits_and_ends_in_order", "lonely", Daemon::C, Clock::Counted, 1),
    ("hello_reads_a_key", "hello", Daemon::Ocaml, Clock::Counted, 1),
    ("xenstore_check_under_c_xenstored", "xenstore-check", Daemon::C, Clock::Counted, 1),
    ("xenstore_check_under_oxenstored", "xenstore-check", Daemon::Ocaml, Clock::Counted, 1),
];

/// Scenarios of the fault campaign that have no test of their own: `many` creates 33 domains, which
/// takes minutes, and is left to `./run-xen.sh faults`; `soak` is what a test of that command plays.
const OTHERWISE: [&str; 2] = ["many", "soak"];

/// Longest for one test: booting its bed and the slowest scenario, on a busy machine.
const TEST_S_MAX: u64 = 1200;
/// Longest for fetching and building what all tests need.
const PREPARE_S_MAX: u64 = 900;
/// Longest until an interrupted run has ended.
const END_S_MAX: u64 = 20;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials: Vec<Trial> = SCENARIOS
        .into_iter()
        .map(|(name, scenario, daemon, clock, cycles)| {
            Trial::test(name, move || {
                let findings = play(name, (daemon, clock, 1), job(scenario, cycles))?;
                succeeded(&findings)
            })
        })
        .collect();
    for (scenario, _) in CAMPAIGN.into_iter().filter(|(name, _)| !OTHERWISE.contains(name)) {
        for daemon in [Daemon::C, Daemon::Ocaml] {
            let name = format!("fault_{scenario}_under_{}", daemon.name());
            trials.push(Trial::test(name.clone(), move || fault(&name, scenario, daemon)));
        }
    }
    for daemon in [Daemon::C, Daemon::Ocaml] {
        let name = format!("a_cycle_costs_no_more_than_allowed_under_{}", daemon.name());
        trials.push(Trial::test(name.clone(), move || thrifty(&name, daemon)));
    }
    for (name, daemon) in [
        ("answers_of_c_xenstored_are_as_recorded", Daemon::C),
        ("answers_of_oxenstored_are_as_recorded", Daemon::Ocaml),
    ] {
        trials.push(Trial::test(name, move || recorded_answers(name, daemon)));
    }
    trials.push(Trial::test("one_seed_prints_the_same_consoles_twice", same_consoles));
    trials.push(Trial::test("random_courses_under_both_daemons", random_courses));
    trials.push(Trial::test("a_short_soak_under_both_daemons", short_soak));
    trials.push(Trial::test("an_interrupted_run_leaves_no_process", nothing_left_running));
    trials.push(Trial::test("guests_are_heard_where_xenconsoled_keeps_no_log", attached_consoles));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What all tests share; fetched and built once, by whichever test comes first.
fn session() -> Result<&'static Session, Failed> {
    static SESSION: OnceLock<Result<Session, String>> = OnceLock::new();
    let prepare = || {
        let limit = Limit::seconds(PREPARE_S_MAX);
        let layout = Layout::new(None)?;
        Session::prepare(layout, false, &Progress::silent(), &limit)
    };
    let session = SESSION.get_or_init(|| prepare().map_err(|trouble| trouble.to_string()));
    session.as_ref().map_err(|what| Failed::from(format!("no bed to test on: {what}")))
}

fn job(scenario: &str, cycles: u32) -> Job {
    Job { scenario: scenario.into(), cycles, settings: Vec::new(), files: Vec::new() }
}

/// One scenario of the fault campaign, with the checks that it adds to a run's own.
fn fault(name: &str, scenario: &str, daemon: Daemon) -> Result<(), Failed> {
    let (wish, played, findings) =
        play_whole(name, (daemon, Clock::Counted, 1), fault_job(scenario, 1))?;
    succeeded(&findings)?;
    let row = Row::played(&wish, &played, &findings, &session()?.replay(&wish));
    match row.judgement.verdict {
        Verdict::Success => Ok(()),
        _ => Err(Failed::from(row.judgement.reason)),
    }
}

/// Plays a scenario in a folder named after the test.
fn play(name: &str, machine: (Daemon, Clock, u64), job: Job) -> Result<Findings, Failed> {
    play_whole(name, machine, job).map(|(_, _, findings)| findings)
}

fn play_whole(
    name: &str,
    (daemon, clock, seed): (Daemon, Clock, u64),
    job: Job,
) -> Result<(Wish, Played, Findings), Failed> {
    let session = session()?;
    let out = session.layout.store.join("tests").join(name);
    let _claim = Claim::take(&out).map_err(|trouble| trouble.to_string())?;
    for again in 0..=AGAIN_MAX {
        let (seed, job, out) = (Some(seed + again * SEED_STEP), job.clone(), out.clone());
        let wish = Wish { daemon, clock, seed, job, out };
        let limit = Limit::seconds(TEST_S_MAX);
        let played = session.play(&wish, &Progress::silent(), &limit);
        let (played, findings) = played.map_err(|trouble| trouble.to_string())?;
        let log = std::fs::read_to_string(wish.out.join("dom0.log")).unwrap_or_default();
        let died = log.lines().find(|line| SIGNALS.contains(line));
        match died {
            Some(how) if findings.judgement.verdict != Verdict::Success && again < AGAIN_MAX => {
                eprintln!("{name}: a program of dom0 ended by a signal ({how}): played again");
            }
            _ => return Ok((wish, played, findings)),
        }
    }
    unreachable!("the last round returns")
}

/// What dom0's shell prints when a program that it started was ended by a signal. Where the machine is
/// emulated that happens to Debian's own tools now and then, in which nothing of ours runs: such a run
/// says nothing of the images (docs/decisions/0012-dom0-without-avx.md).
const SIGNALS: [&str; 4] = ["Segmentation fault", "Aborted", "Bus error", "Illegal instruction"];
/// How often a run is played again for that.
const AGAIN_MAX: u64 = 2;
/// From one seed to the next then: none that a test is given.
const SEED_STEP: u64 = 1_000;

/// The verdict is SUCCESS, which takes every guest, every check and the leaks in.
fn succeeded(findings: &Findings) -> Result<(), Failed> {
    let judgement = &findings.judgement;
    if judgement.verdict == Verdict::Success {
        return Ok(());
    }
    let mut text = format!("{} {}\n", judgement.verdict.word(), judgement.reason);
    for check in findings.checks.iter().filter(|check| !check.ok) {
        text.push_str(&format!("check {}: {}\n", check.name, check.detail));
    }
    for detail in &findings.leaks.details {
        text.push_str(&format!("left behind: {detail}\n"));
    }
    for guest in &findings.guests {
        let lines: Vec<&str> = guest.console.text().lines().collect();
        let tail = lines.iter().skip(lines.len().saturating_sub(LINES_SHOWN));
        let tail: Vec<&str> = tail.copied().collect();
        text.push_str(&format!("-- {} --\n{}\n", guest.name(), tail.join("\n")));
    }
    Err(Failed::from(text))
}

/// Steps of the script that are played again: all that domains ask on nodes of their own.
const STEPS_AGAIN: usize = 300;

/// What tests/replies/ has is what the daemon answers: the script's first steps, played again.
fn recorded_answers(name: &str, daemon: Daemon) -> Result<(), Failed> {
    let mut job = job(roles::RECORDING, 1);
    job.settings.push(("STEPS".into(), STEPS_AGAIN.to_string()));
    succeeded(&play(name, (daemon, Clock::Counted, 1), job)?)?;
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path);
        text.map_err(|e| e.to_string()).and_then(|text| Record::parse(&text))
    };
    let session = session()?;
    let again = read(&session.layout.store.join("tests").join(name).join(recording::FILE))?;
    let file = format!("tests/replies/{}.txt", daemon.name());
    let recorded = read(&session.layout.workspace.join(&file))?;
    if again.entries.len() != STEPS_AGAIN {
        return Err(format!("{} steps were played", again.entries.len()).into());
    }
    for (again, recorded) in again.entries.iter().zip(&recorded.entries) {
        if (&again.step, &again.came) != (&recorded.step, &recorded.came) {
            let (step, line) = (again.step.line(), recorded.line);
            let (now, then) = (again.came.join("\n"), recorded.came.join("\n"));
            return Err(format!("{file}:{line}: {step}\nrecorded\n{then}\nnow\n{now}").into());
        }
    }
    Ok(())
}

/// How much of a console a failure shows; all of it is in target/xen/tests/.
const LINES_SHOWN: usize = 8;

/// The course of a run is decided by its seed: every console is the same, byte for byte. With
/// another seed it is not: the epochs that the guests draw are others.
fn same_consoles() -> Result<(), Failed> {
    let first = play("same_consoles_1", (Daemon::C, Clock::Exact, 1), job("killed_backend", 2))?;
    let second = play("same_consoles_2", (Daemon::C, Clock::Exact, 1), job("killed_backend", 2))?;
    succeeded(&first)?;
    if first.guests.len() != second.guests.len() {
        return Err("the runs created different guests".into());
    }
    for (one, other) in first.guests.iter().zip(&second.guests) {
        let pairs = one.console.text().lines().zip(other.console.text().lines());
        for (number, (left, right)) in pairs.enumerate() {
            if left != right {
                let name = one.name();
                return Err(format!("{name}, line {}:\n{left}\n{right}", number + 1).into());
            }
        }
        if one.console != other.console || one.domid != other.domid {
            return Err(format!("{} printed more in one of the runs", one.name()).into());
        }
    }
    let other = play("other_consoles", (Daemon::C, Clock::Exact, 2), job("killed_backend", 2))?;
    succeeded(&other)?;
    let epochs = |findings: &Findings| -> Vec<String> {
        let ups = findings.guests.iter().flat_map(|guest| guest.of("up"));
        ups.map(|fact| fact.text("epoch").to_string()).collect()
    };
    if epochs(&first).is_empty() || epochs(&first) == epochs(&other) {
        return Err("another seed gave the same epochs".into());
    }
    Ok(())
}

/// Some of the seeds of `explore`, each twice: no violation, nothing left, the same bytes.
fn random_courses() -> Result<(), Failed> {
    campaign("explore", &["--seeds", "0..2", "--replays", "2"])
}

/// Eight deaths and some cycles in between, on one machine.
fn short_soak() -> Result<(), Failed> {
    campaign("soak", &["--destroys", "8", "--cycles", "80"])
}

/// Where cargo has the bed now; the tree may have been moved since this was compiled.
fn bed() -> std::ffi::OsString {
    std::env::var_os("CARGO_BIN_EXE_testbed").expect("cargo names it to its tests")
}

/// Runs a campaign as a user does, under both daemons; it must succeed, and say so as JSON alone.
fn campaign(command: &str, words: &[&str]) -> Result<(), Failed> {
    let session = session()?;
    let out = session.layout.store.join("tests").join(command);
    let mut run = Command::new(bed());
    run.args([command, "--json", "--daemon", "both", "--out"]).arg(&out).args(words);
    let output = run.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let said =
        report.as_ref().map_or("no report", |report| report["verdict"].as_str().unwrap_or("none"));
    if output.status.success() && said == "SUCCESS" {
        return Ok(());
    }
    Err(format!("{said}: {text}{}", String::from_utf8_lossy(&output.stderr)).into())
}

/// No stage of a cycle makes a request, a doorbell or a hypercall more than the ledger allows; nor a
/// request more where its back has several links.
fn thrifty(name: &str, daemon: Daemon) -> Result<(), Failed> {
    let mut job = job("bench", 20);
    let parts = [("BOOTS", "1"), ("LAB_PAGES", ""), ("LINKS", "1 4"), ("LINKS_CYCLES", "20")];
    for (name, value) in parts {
        job.settings.push((name.into(), value.into()));
    }
    let findings = play(name, (daemon, Clock::Counted, 1), job)?;
    succeeded(&findings)?;
    let mut overspent = bench::ledger::overspent(&findings.stages);
    if findings.data.links.len() != 2 {
        return Err("what many links cost was not measured".into());
    }
    overspent.extend(bench::ledger::overspent_among(&findings.data.links));
    if overspent.is_empty() { Ok(()) } else { Err(overspent.join("\n").into()) }
}

/// As on a Debian host as it comes, where `--native` has to listen to the guests itself.
fn attached_consoles() -> Result<(), Failed> {
    let mut job = job("hello", 1);
    job.settings.push(("CONSOLES".into(), "attach".into()));
    succeeded(&play("attached_consoles", (Daemon::C, Clock::Counted, 1), job)?)
}

/// A run that is interrupted while its machine runs ends the machine too.
fn nothing_left_running() -> Result<(), Failed> {
    let session = session()?;
    let out = session.layout.store.join("tests/interrupted");
    let _ = std::fs::remove_dir_all(&out);
    let mut run = Command::new(bed())
        .arg("--out")
        .arg(&out)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let log = out.join("dom0.log");
    let started = Instant::now();
    while !std::fs::read_to_string(&log).is_ok_and(|text| text.contains("creating frontend")) {
        if started.elapsed() > Duration::from_secs(TEST_S_MAX) || run.try_wait()?.is_some() {
            run.kill()?;
            return Err("the run did not come as far as to be interrupted".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    if !running_with(&out.display().to_string()) {
        return Err("no machine was seen to run, so nothing would be proved".into());
    }
    Command::new("kill").args(["-INT", &run.id().to_string()]).status()?;
    let asked = Instant::now();
    while run.try_wait()?.is_none() {
        if asked.elapsed() > Duration::from_secs(END_S_MAX) {
            run.kill()?;
            return Err("the run did not end".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = run.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.lines().last() != Some("VERDICT ERROR interrupted") {
        return Err(format!("the last line was not the verdict: {text}").into());
    }
    if output.status.code() != Some(130) {
        return Err(format!("exit code {:?}", output.status.code()).into());
    }
    if running_with(&out.display().to_string()) {
        return Err("QEMU was left running".into());
    }
    Ok(())
}

/// Whether any process has `text` on its command line, but for the bed itself and shells.
fn running_with(text: &str) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    processes.flatten().any(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("qemu-system") && line.contains(text)
    })
}
