//! A daemon that is replaced, stopped, or no longer reads from us: nothing is lost, what lasts too
//! long is noticed and named, and afterwards everything goes on.

use core::time::Duration;

use xenbus::blocking::StoreError;
use xenbus::{Cause, Permission, Request};

use super::answer::{Outcome, Text, Wrong, equal, held, noted, ok, same, some, text, words, wrong};
use super::bench::{Bench, Daemon, NONE, Second, WORK};
use super::case::Case;
use super::dom0;

pub(crate) const CASES: &[Case] = &[
    Case::new("live-update", live_update).in_company().only_under(Daemon::C),
    Case::new("stopped-daemon-is-noticed", stopped).in_company(),
    Case::new("stall-over-quota-is-noticed", over_quota).in_company().only_under(Daemon::C),
];

const NODE: &str = "data/check/w/a";
/// How long a silence is borne here, so that it is noticed while the daemon is still stopped.
const BOUND_NS: u64 = 1_000_000_000;
/// How long it may take to go on.
const RECOVERY_NS: u64 = 30_000_000_000;

/// The daemon is replaced by a new process image while we read; a watch outlives it.
fn live_update(bench: &mut Bench) -> Outcome {
    ok("write", bench.write(NONE, NODE, b"before"))?;
    ok("watch", bench.watch(NODE, "t"))?;
    some("first-event", "event", bench.event(LATE))?;
    dom0::ask(bench, "live-update");
    let wanted = bench.asked;
    let until = bench.now() + dom0::PATIENCE.as_nanos() as u64;
    let mut longest_ns = 0;
    let mut reads = 0_u32;
    // Without a pause between them: some read is under way when it happens.
    loop {
        let (start, mut room) = (bench.now(), [0; 16]);
        same("read", ok("read", bench.read(NONE, NODE, &mut room))?, b"before")?;
        longest_ns = longest_ns.max(bench.now() - start);
        reads += 1;
        let told = ok("told", read_number(bench))?;
        if told == Some(wanted) {
            break;
        }
        if bench.now() > until {
            return Err(wrong("live-update", "done", "not-in-time"));
        }
    }
    bench.forget_events();
    ok("write", bench.write(NONE, NODE, b"after"))?;
    some("event-after", "event", bench.event(LATE))?;
    ok("unwatch", bench.unwatch(NODE, "t"))?;
    noted(format_args!("{reads}-reads,-longest-{}-us", longest_ns / 1000))
}

fn read_number(bench: &mut Bench) -> Result<Option<u32>, StoreError> {
    let mut room = [0; 8];
    match bench.read(NONE, dom0::TOLD, &mut room) {
        Ok(value) => Ok(core::str::from_utf8(value).ok().and_then(|text| text.parse().ok())),
        Err(error) if error.cause() == Cause::Absent => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads until one is not answered in time, then waits for that very answer.
fn stopped(bench: &mut Bench) -> Outcome {
    ok("write", bench.write(NONE, NODE, b"kept"))?;
    dom0::ask_and_wait(bench, "stop-daemon")?;
    let until = bench.now() + RECOVERY_NS;
    loop {
        let id = ok("submit", bench.submit(NONE, Request::Read { path: NODE }))?;
        match bench.answer(id, BOUND_NS, |result| result.is_ok()) {
            Ok(answered) => equal("answered", answered, true)?,
            Err(StoreError::Stalled(stalled)) => {
                equal("in-flight", stalled.in_flight, 1)?;
                let late = bench.answer(id, RECOVERY_NS, |result| result.is_ok());
                equal("answered-late", ok("answer", late)?, true)?;
                break;
            }
            Err(error) => return Err(wrong("read", "OK-or-stalled", error)),
        }
        if bench.now() > until {
            return Err(wrong("stall", "noticed", "never-stopped"));
        }
    }
    let mut room = [0; 8];
    same("read-after", ok("read", bench.read(NONE, NODE, &mut room))?, b"kept")?;
    held()
}

/// The second domain watches our nodes and does not read its ring: C xenstored counts a request of
/// ours as outstanding until the events that it caused are in that ring, and at its quota stops
/// reading from us, without a word. When the second looks again, everything goes on.
fn over_quota(bench: &mut Bench) -> Outcome {
    let mut second = some("second-domain", "introduced", bench.second.take())?;
    let outcome = stall(bench, &mut second);
    bench.second = Some(second);
    outcome
}

fn stall(bench: &mut Bench, second: &mut Second) -> Outcome {
    /// The ring takes two dozen events and the quota is 20 requests (docs/protocol.md §12).
    const WRITES: u32 = 200;
    const SLEEP_MS: &str = "5000";
    let shared = words(format_args!("/local/domain/{}/{WORK}", bench.domid));
    ok("permit", bench.permit(WORK, &[Permission::read(second.domid)]))?;
    ordered(second.order(bench, "watch", &shared, "")?)?;
    second.give(bench, "sleep", "-", SLEEP_MS)?;
    // It takes the order up and looks away.
    bench.pause(Duration::from_millis(500));
    let mut stalled_after = None;
    for number in 0..WRITES {
        let path = text(format_args!("{WORK}/{number}"));
        let request = Request::Write { path: &path, value: b"x" };
        let id = ok("submit", bench.submit(NONE, request))?;
        match bench.answer(id, BOUND_NS, |result| result.is_ok()) {
            Ok(answered) => equal("written", answered, true)?,
            Err(StoreError::Stalled(_)) => {
                let late = bench.answer(id, RECOVERY_NS, |result| result.is_ok());
                equal("written-late", ok("answer", late)?, true)?;
                stalled_after = Some(number);
                break;
            }
            Err(error) => return Err(wrong("write", "OK-or-stalled", error)),
        }
    }
    second.answer(bench)?;
    ordered(second.order(bench, "unwatch", &shared, "")?)?;
    let after = some("stall", "noticed", stalled_after)?;
    noted(format_args!("after-{after}-writes"))
}

fn ordered(said: Text) -> Result<(), Wrong> {
    if said == "OK" { Ok(()) } else { Err(wrong("second-domain", "OK", said)) }
}

/// For an event that must come.
const LATE: Duration = Duration::from_secs(10);
