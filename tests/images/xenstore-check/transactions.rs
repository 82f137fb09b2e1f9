//! Transactions: empty, read-modify-write, given up, in conflict. The first five are those of Xen's
//! test-xenstore (`ta empty` to `ta err`).

use core::time::Duration;

use xenbus::blocking::StoreError;
use xenbus::transaction::{ATTEMPTS_MAX, Backoff};
use xenbus::{Cause, Errno, Outcome as End, Request, SubmitError, TransactionId};

use super::answer::{
    Outcome, equal, held, name, noted, ok, refused, refused_for, same, some, wrong,
};
use super::bench::{Bench, NONE, WORK};
use super::case::Case;
use kernel::random;

pub(crate) const CASES: &[Case] = &[
    Case::new("transaction-empty", |bench| empty(bench, End::Commit)),
    Case::new("transaction-empty-abort", |bench| empty(bench, End::Abort)),
    Case::new("transaction-read-modify-write", |bench| modify(bench, End::Commit)),
    Case::new("transaction-read-modify-write-abort", |bench| modify(bench, End::Abort)),
    Case::new("transaction-conflict", conflict),
    Case::new("transaction-conflict-retried", retried),
    Case::new("transaction-node-made-inside", made_inside),
    Case::new("transaction-gather", gather),
    Case::new("transaction-unknown", unknown),
    Case::new("transaction-in-transaction", nested),
    Case::new("transaction-watch-fires-on-commit", watch_fires_on_commit),
];

const NODE: &str = "data/check/w/a";

fn empty(bench: &mut Bench, end: End) -> Outcome {
    let transaction = ok("start", bench.begin())?;
    ok("end", bench.end(transaction, end))?;
    held()
}

/// Inside, the new value is seen; outside, the old one until the commit, and after an abort.
fn modify(bench: &mut Bench, end: End) -> Outcome {
    ok("write", bench.write(NONE, NODE, b"a"))?;
    let transaction = ok("start", bench.begin())?;
    let mut room = [0; 2];
    same("read-inside", ok("read", bench.read(transaction, NODE, &mut room))?, b"a")?;
    ok("write-inside", bench.write(transaction, NODE, b"b"))?;
    same("read-own-write", ok("read", bench.read(transaction, NODE, &mut room))?, b"b")?;
    same("read-outside", ok("read", bench.read(NONE, NODE, &mut room))?, b"a")?;
    ok("end", bench.end(transaction, end))?;
    let left: &[u8] = if end == End::Commit { b"b" } else { b"a" };
    same("read-after", ok("read", bench.read(NONE, NODE, &mut room))?, left)?;
    held()
}

/// A write from outside: not seen inside, and the commit is refused.
fn conflict(bench: &mut Bench) -> Outcome {
    ok("write", bench.write(NONE, NODE, b"a"))?;
    let transaction = ok("start", bench.begin())?;
    let mut room = [0; 2];
    same("read-inside", ok("read", bench.read(transaction, NODE, &mut room))?, b"a")?;
    ok("write-outside", bench.write(NONE, NODE, b"b"))?;
    same("read-inside-again", ok("read", bench.read(transaction, NODE, &mut room))?, b"a")?;
    ok("write-inside", bench.write(transaction, NODE, b"c"))?;
    same("read-own-write", ok("read", bench.read(transaction, NODE, &mut room))?, b"c")?;
    refused("commit", bench.end(transaction, End::Commit), Errno::Eagain)?;
    same("read-after", ok("read", bench.read(NONE, NODE, &mut room))?, b"b")?;
    held()
}

/// Three writes from outside, one an attempt; the fourth attempt has nobody against it.
fn retried(bench: &mut Bench) -> Outcome {
    const DISTURBED: u32 = 3;
    let mut backoff = Backoff::new();
    for attempt in 0..ATTEMPTS_MAX {
        let transaction = ok("start", bench.begin())?;
        let outside = [b'0' + attempt as u8];
        let read = bench.read(transaction, WORK, &mut [0; 8]).map(drop);
        ok("read-inside", read)?;
        if attempt < DISTURBED {
            ok("write-outside", bench.write(NONE, WORK, &outside))?;
        }
        ok("write-inside", bench.write(transaction, WORK, b"mine"))?;
        match bench.end(transaction, End::Commit) {
            Ok(()) => break,
            Err(error) if error.is(Errno::Eagain) => {}
            Err(error) => return Err(wrong("commit", "OK-or-EAGAIN", error)),
        }
        let random = random::draw().unwrap_or(0) as u32;
        let pause = backoff.next_pause(random);
        bench.pause(some("attempts", "less-than-16", pause)?);
    }
    equal("conflicts", backoff.attempts(), DISTURBED)?;
    let mut room = [0; 8];
    same("read-after", ok("read", bench.read(NONE, WORK, &mut room))?, b"mine")?;
    held()
}

fn made_inside(bench: &mut Bench) -> Outcome {
    let transaction = ok("start", bench.begin())?;
    ok("write-inside", bench.write(transaction, NODE, b"new"))?;
    refused("read-outside", bench.read(NONE, NODE, &mut [0; 1]), Errno::Enoent)?;
    ok("commit", bench.end(transaction, End::Commit))?;
    let mut room = [0; 4];
    same("read-after", ok("read", bench.read(NONE, NODE, &mut room))?, b"new")?;
    held()
}

/// Two nodes read at one moment: with the closure of `xenbus::blocking`, which ends with a commit.
fn gather(bench: &mut Bench) -> Outcome {
    ok("write", bench.write(NONE, "data/check/w/a", b"1"))?;
    ok("write", bench.write(NONE, "data/check/w/b", b"2"))?;
    let mut store = bench.access.blocking();
    let spread = || random::draw().unwrap_or(0) as u32;
    let both = store.transaction(spread, |store| {
        let mut both = [0; 2];
        store.read("data/check/w/a", &mut both[..1])?;
        store.read("data/check/w/b", &mut both[1..])?;
        Ok(both)
    });
    same("read", &ok("gather", both)?, b"12")?;
    held()
}

fn unknown(bench: &mut Bench) -> Outcome {
    let Some(nobodys) = TransactionId::of_number(0x7fff_fff0) else {
        return Err(wrong("number", "a-transaction", "none"));
    };
    match bench.read(nobodys, WORK, &mut [0; 1]) {
        // oxenstored has no name for it.
        Err(error) if error.is(Errno::Enoent) || error.is(Errno::Eio) => noted(name(&error)),
        Err(error) => Err(wrong("read", "ENOENT", error)),
        Ok(_) => Err(wrong("read", "ENOENT", "OK")),
    }
}

/// The client refuses it; the daemon is not asked.
fn nested(bench: &mut Bench) -> Outcome {
    let transaction = ok("start", bench.begin())?;
    let inner = bench.order(transaction, Request::TransactionStart);
    ok("end", bench.end(transaction, End::Abort))?;
    match inner {
        Err(StoreError::Submit(SubmitError::InTransaction)) => held(),
        Err(error) => Err(wrong("start-inside", "refused-by-client", error)),
        Ok(()) => Err(wrong("start-inside", "refused-by-client", "OK")),
    }
}

fn watch_fires_on_commit(bench: &mut Bench) -> Outcome {
    const SOON: Duration = Duration::from_millis(50);
    const LATE: Duration = Duration::from_secs(10);
    ok("watch", bench.watch(NODE, "t"))?;
    some("first", "event", bench.event(LATE))?;
    let given_up = ok("start", bench.begin())?;
    ok("write-inside", bench.write(given_up, NODE, b"1"))?;
    ok("abort", bench.end(given_up, End::Abort))?;
    if let Some(seen) = bench.event(SOON) {
        return Err(wrong("after-abort", "no-event", seen.path));
    }
    let transaction = ok("start", bench.begin())?;
    ok("write-inside", bench.write(transaction, NODE, b"2"))?;
    if let Some(seen) = bench.event(SOON) {
        return Err(wrong("before-commit", "no-event", seen.path));
    }
    ok("commit", bench.end(transaction, End::Commit))?;
    some("after-commit", "event", bench.event(LATE))?;
    ok("unwatch", bench.unwatch(NODE, "t"))?;
    // What an absent watch is called is the same under both.
    refused_for("unwatch-again", bench.unwatch(NODE, "t"), Cause::Absent)?;
    held()
}
