//! Watches: when they fire, with which path, and that they stop.
//!
//! A daemon may fire more often than something changed, and may merge; so what is asserted is that
//! an event comes, and in two cases that none does, which both daemons keep to.

use core::time::Duration;

use xenbus::watch::Changed;
use xenbus::{Cause, Errno, Request};

use super::answer::{Outcome, Wrong, equal, held, name, noted, ok, refused, some, words, wrong};
use super::bench::{Bench, NONE, WORK};
use super::case::Case;

pub(crate) const CASES: &[Case] = &[
    Case::new("watch-fires-at-once", at_once),
    Case::new("watch-fires-on-write", on_write),
    Case::new("watch-fires-for-a-child", for_a_child),
    Case::new("watch-fires-on-removal", on_removal),
    Case::new("watch-fires-when-the-parent-goes", on_parents_removal),
    Case::new("watch-on-an-absent-node", on_absent),
    Case::new("watch-path-comes-as-given", as_given),
    Case::new("watch-twice-is-refused", twice),
    Case::new("watch-with-two-tokens", two_tokens),
    Case::new("unwatch-stops-events", unwatch),
    Case::new("unwatch-what-is-not-watched", unwatch_absent),
    Case::new("reset-watches", reset),
    Case::new("watch-of-a-release", release),
    Case::new("watch-marks-merge-and-overflow", marks),
];

const NODE: &str = "data/check/w/a";
/// For an event that must come: long enough for a daemon that is busy.
const LATE: Duration = Duration::from_secs(10);
/// For an event that must not: a request and its answer take a hundredth of that.
const SOON: Duration = Duration::from_millis(50);

/// Sets a watch and takes its first event.
fn watch(bench: &mut Bench, path: &str, token: &str) -> Result<(), Wrong> {
    ok("watch", bench.watch(path, token))?;
    expect(bench, "first-event", path, token)
}

/// The next event is this one.
fn expect(bench: &mut Bench, step: &'static str, path: &str, token: &str) -> Result<(), Wrong> {
    let seen = some(step, "event", bench.event(LATE))?;
    if seen.token != token {
        return Err(wrong(step, token, seen.token));
    }
    if seen.path == path { Ok(()) } else { Err(wrong(step, path, seen.path)) }
}

fn at_once(bench: &mut Bench) -> Outcome {
    watch(bench, WORK, "t")?;
    ok("unwatch", bench.unwatch(WORK, "t"))?;
    held()
}

fn on_write(bench: &mut Bench) -> Outcome {
    ok("write", bench.write(NONE, NODE, b"1"))?;
    watch(bench, NODE, "t")?;
    ok("overwrite", bench.write(NONE, NODE, b"2"))?;
    expect(bench, "event", NODE, "t")?;
    // Also if the value stays as it was.
    ok("overwrite", bench.write(NONE, NODE, b"2"))?;
    expect(bench, "event-of-same-value", NODE, "t")?;
    ok("unwatch", bench.unwatch(NODE, "t"))?;
    held()
}

fn for_a_child(bench: &mut Bench) -> Outcome {
    watch(bench, WORK, "t")?;
    ok("write", bench.write(NONE, NODE, b"1"))?;
    expect(bench, "event", NODE, "t")?;
    ok("unwatch", bench.unwatch(WORK, "t"))?;
    held()
}

fn on_removal(bench: &mut Bench) -> Outcome {
    ok("write", bench.write(NONE, NODE, b"1"))?;
    watch(bench, WORK, "t")?;
    ok("remove", bench.remove(NODE))?;
    expect(bench, "event", NODE, "t")?;
    ok("unwatch", bench.unwatch(WORK, "t"))?;
    held()
}

/// The watch of a node fires when something above it is removed, with the watched path.
fn on_parents_removal(bench: &mut Bench) -> Outcome {
    ok("write", bench.write(NONE, NODE, b"1"))?;
    watch(bench, NODE, "t")?;
    ok("remove", bench.remove(WORK))?;
    expect(bench, "event", NODE, "t")?;
    ok("unwatch", bench.unwatch(NODE, "t"))?;
    held()
}

fn on_absent(bench: &mut Bench) -> Outcome {
    watch(bench, NODE, "t")?;
    ok("write", bench.write(NONE, NODE, b"1"))?;
    expect(bench, "event", NODE, "t")?;
    ok("unwatch", bench.unwatch(NODE, "t"))?;
    held()
}

/// An absolute watch reports absolute paths, of the same node.
fn as_given(bench: &mut Bench) -> Outcome {
    let absolute = words(format_args!("/local/domain/{}/{NODE}", bench.domid));
    watch(bench, &absolute, "t")?;
    ok("write", bench.write(NONE, NODE, b"1"))?;
    expect(bench, "event", &absolute, "t")?;
    ok("unwatch", bench.unwatch(&absolute, "t"))?;
    held()
}

fn twice(bench: &mut Bench) -> Outcome {
    watch(bench, NODE, "t")?;
    refused("watch-again", bench.watch(NODE, "t"), Errno::Eexist)?;
    // The one that stands is not disturbed.
    ok("write", bench.write(NONE, NODE, b"1"))?;
    expect(bench, "event", NODE, "t")?;
    ok("unwatch", bench.unwatch(NODE, "t"))?;
    held()
}

fn two_tokens(bench: &mut Bench) -> Outcome {
    watch(bench, NODE, "one")?;
    watch(bench, NODE, "two")?;
    ok("write", bench.write(NONE, NODE, b"1"))?;
    let first = some("event", "event", bench.event(LATE))?;
    let second = some("event", "event", bench.event(LATE))?;
    // In either order.
    let both = [first.token.as_str(), second.token.as_str()];
    if !both.contains(&"one") || !both.contains(&"two") {
        return Err(wrong("tokens", "one-and-two", format_args!("{}-{}", both[0], both[1])));
    }
    ok("unwatch", bench.unwatch(NODE, "one"))?;
    ok("write", bench.write(NONE, NODE, b"2"))?;
    expect(bench, "event-of-the-other", NODE, "two")?;
    ok("unwatch", bench.unwatch(NODE, "two"))?;
    held()
}

/// Stragglers may come between the writes and the answer to UNWATCH; none comes after.
fn unwatch(bench: &mut Bench) -> Outcome {
    watch(bench, WORK, "t")?;
    for value in [b"1", b"2", b"3"] {
        ok("write", bench.submit(NONE, Request::Write { path: NODE, value }))?;
    }
    let request = Request::Unwatch { path: WORK, token: "t" };
    let unwatched = ok("unwatch", bench.submit(NONE, request))?;
    let answer = bench.answer(unwatched, LATE.as_nanos() as u64, |result| result.is_ok());
    equal("unwatched", ok("unwatch", answer)?, true)?;
    bench.forget_events();
    ok("write", bench.write(NONE, NODE, b"late"))?;
    match bench.event(SOON) {
        None => held(),
        Some(seen) => Err(wrong("after-unwatch", "no-event", seen.path)),
    }
}

fn unwatch_absent(bench: &mut Bench) -> Outcome {
    refused("unwatch", bench.unwatch(NODE, "nobody"), Errno::Enoent)?;
    held()
}

/// All watches go, and the transactions with them.
fn reset(bench: &mut Bench) -> Outcome {
    watch(bench, NODE, "t")?;
    let transaction = ok("start", bench.begin())?;
    ok("reset", bench.order(NONE, Request::ResetWatches))?;
    ok("write", bench.write(NONE, NODE, b"1"))?;
    if let Some(seen) = bench.event(SOON) {
        return Err(wrong("after-reset", "no-event", seen.path));
    }
    match bench.read(transaction, WORK, &mut [0; 1]) {
        Ok(_) => Err(wrong("transaction-after-reset", "refused", "OK")),
        Err(error) => noted(format_args!("transaction-{}", name(&error))),
    }
}

/// A guest may ask for it; whether it will ever hear of another domain's end is another matter.
fn release(bench: &mut Bench) -> Outcome {
    match bench.watch("@releaseDomain", "t") {
        Ok(()) => {
            expect(bench, "first-event", "@releaseDomain", "t")?;
            ok("unwatch", bench.unwatch("@releaseDomain", "t"))?;
            noted("registered")
        }
        Err(error) if error.cause() == Cause::Permission => noted(name(&error)),
        Err(error) => Err(wrong("watch", "OK-or-refused", error)),
    }
}

/// More changed nodes than xenbus has marks become one "look at everything", and none is lost.
fn marks(bench: &mut Bench) -> Outcome {
    let mut store = bench.access.blocking();
    let watch = ok("watch", store.watch(WORK))?;
    some("first", "change", ok("change", store.change(LATE))?)?;
    for number in 0..40_u8 {
        let path = words(format_args!("{WORK}/{number}"));
        ok("write", store.write(&path, b""))?;
    }
    let mut rescans = 0;
    while let Some(change) = ok("change", store.change(SOON))? {
        equal("watch", change.watch == watch, true)?;
        rescans += u32::from(change.what == Changed::Rescan);
    }
    equal("rescans", rescans > 0, true)?;
    ok("unwatch", store.unwatch(watch, WORK))?;
    held()
}
