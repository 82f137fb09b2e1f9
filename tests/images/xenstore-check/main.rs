//! The image xenstore-check: does this daemon do what the protocol says and what xenbus expects of
//! it, and does xenbus say so right? One line a case, `@T case name=… ok=1 ns=…`, with what was
//! expected and what was got where it fails, and `note` for what daemons are free to differ in.
//!
//! The cases are in the files beside this one, one idea a file. Some need another domain and
//! dom0's script; with `role=alone` they are left out, and the verdict says so.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod answer;
mod bench;
mod case;
mod directory;
mod dom0;
mod largest;
mod permissions;
mod pipelining;
mod quotas;
mod recovery;
mod refusals;
mod removal;
mod second;
mod shared;
mod timing;
mod transactions;
mod values;
mod watches;

use answer::{Text, Wrong, ok};
use bench::{Bench, NONE, WORK};
use case::{Case, Needs, Under};
use xenbus::{Errno, Request};

use kernel::counts::Totals;
use kernel::{ExitStatus, Machine, Outcome, clock, selftest, store, trace};

/// All cases; those that leave the daemon alone come first.
const CASES: [&[Case]; 11] = [
    values::CASES,
    largest::CASES,
    directory::CASES,
    removal::CASES,
    transactions::CASES,
    watches::CASES,
    permissions::CASES,
    refusals::CASES,
    pipelining::CASES,
    shared::CASES,
    quotas::CASES,
];

/// Cases that disturb the daemon, after everything was measured.
const DISTURBING: &[Case] = recovery::CASES;

/// How many cases came to what.
#[derive(Clone, Copy, Default)]
struct Tally {
    passed: u32,
    failed: u32,
    left_out: u32,
}

kernel::entry!(main, ["role"]);

fn main(mut machine: Machine) -> ExitStatus {
    if let Some(verdict) = selftest::run(&mut machine) {
        return verdict;
    }
    let Some(domid) = machine.domid() else {
        return ExitStatus::error("own-domain-number-unknown");
    };
    let Machine { options, store, .. } = machine;
    let mut bench = Bench::new(store, domid);
    if let Err(Wrong { step, expected, got }) = second::prepare(&mut bench) {
        return ExitStatus::error(format_args!("{step} expected {expected} got {got}"));
    }
    let verdict = match options.own("role").unwrap_or("alone") {
        "second" => second::serve(&mut bench),
        "first" => check(&mut bench, true),
        "alone" => check(&mut bench, false),
        role => return ExitStatus::error(format_args!("malformed option role={role}")),
    };
    trace!("counts stage=total n=1{}", Totals::now(bench.counts()));
    verdict
}

/// Tries all cases, those that need another domain `in_company` alone.
fn check(bench: &mut Bench, in_company: bool) -> ExitStatus {
    trace!("daemon name={}", bench.daemon.name());
    trace!("size client={}", store::client_code_bytes());
    let mut tally = Tally::default();
    if in_company {
        match second::find(bench) {
            Ok(second) => bench.second = Some(second),
            Err(wrong) => {
                return ExitStatus::error(format_args!("no second domain: {}", wrong.got));
            }
        }
    }
    for case in CASES.into_iter().flatten() {
        try_case(bench, case, &mut tally);
    }
    if in_company {
        let measured = clean(bench).and_then(|()| timing::run(bench));
        if let Err(Wrong { step, expected, got }) = measured {
            trace!("figure name=none at={step} expected={expected} got={got}");
            tally.failed += 1;
        }
    }
    for case in DISTURBING {
        try_case(bench, case, &mut tally);
    }
    finish(bench);
    trace!("cases passed={} failed={} left_out={}", tally.passed, tally.failed, tally.left_out);
    match (tally.failed, tally.left_out) {
        (0, 0) => ExitStatus::success(format_args!("{} cases passed", tally.passed)),
        (0, left) => ExitStatus::new(Outcome::Skip, &format_args!("{left} cases need company")),
        (failed, _) => ExitStatus::failure(format_args!("{failed} cases failed")),
    }
}

/// Runs one case and prints its line.
fn try_case(bench: &mut Bench, case: &Case, tally: &mut Tally) {
    if matches!(case.under, Under::Only(daemon) if daemon != bench.daemon) {
        return;
    }
    let name = case.name;
    if case.needs == Needs::Company && bench.second.is_none() {
        trace!("case name={name} ok=skipped");
        tally.left_out += 1;
        return;
    }
    let start = clock::now_ns();
    let outcome = clean(bench).and_then(|()| (case.run)(bench));
    let ns = clock::now_ns() - start;
    match outcome {
        Ok(note) => {
            tally.passed += 1;
            let mark = if note.is_empty() { "" } else { " note=" };
            trace!("case name={name} ok=1 ns={ns}{mark}{note}");
        }
        Err(Wrong { step, expected, got }) => {
            tally.failed += 1;
            trace!("case name={name} ok=0 ns={ns} at={step} expected={expected} got={got}");
            // What a failed case left behind must not fail the next one.
            let _ = bench.order(NONE, Request::ResetWatches);
        }
    }
}

/// The directory where cases work, empty and with no permissions for others; no event pending.
fn clean(bench: &mut Bench) -> Result<(), Wrong> {
    remove_work(bench)?;
    ok("prepare", bench.write(NONE, WORK, b""))?;
    ok("prepare", bench.permit(WORK, &[]))?;
    bench.forget_events();
    Ok(())
}

fn remove_work(bench: &mut Bench) -> Result<(), Wrong> {
    match bench.remove(WORK) {
        Err(error) if !error.is(Errno::Enoent) => ok("clean", Err(error)),
        _ => Ok(()),
    }
}

/// Leaves nothing behind, here and in the other domain.
fn finish(bench: &mut Bench) {
    // A daemon that refuses is named by the cases; there is nothing more to say about it here.
    let _ = remove_work(bench);
    if let Some(mut second) = bench.second.take() {
        let _: Result<Text, Wrong> = second.order(bench, "finish", "-", "");
    }
}
