//! What a guest may have at most: watches, transactions, nodes, bytes in a node, entries of
//! permissions. The numbers and the names of the refusals differ between daemons and versions; that
//! it is a quota must be said all the same, and afterwards everything must be as before.

use xenbus::blocking::StoreError;
use xenbus::{Cause, Outcome as End, Permission, Request, TransactionId};

use super::answer::{Outcome, equal, name, noted, ok, refused_for, same, text, wrong};
use super::bench::{Bench, NONE, WORK};
use super::case::Case;

pub(crate) const CASES: &[Case] = &[
    Case::new("quota-of-watches", watches),
    Case::new("quota-of-transactions", transactions),
    Case::new("quota-of-a-nodes-bytes", bytes),
    Case::new("quota-of-nodes", nodes),
    Case::new("quota-of-permissions", permissions),
];

/// How many are tried before it is taken for granted that there is no quota. Each default is far
/// below (docs/protocol.md §12).
const TRIED_MAX: usize = 2000;

/// Checks the refusal that ended `count` successes.
fn over(count: usize, error: StoreError) -> Outcome {
    match error.cause() {
        Cause::Quota => noted(format_args!("{}-after-{count}", name(&error))),
        _ => Err(wrong("refusal", "a-quota", name(&error))),
    }
}

fn watches(bench: &mut Bench) -> Outcome {
    let mut count = 0;
    let refusal = loop {
        match bench.watch(WORK, &text(format_args!("{count}"))) {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
        // Their first events, which are not what this is about.
        bench.forget_events();
        equal("ended", count < TRIED_MAX, true)?;
    };
    for number in 0..count {
        ok("unwatch", bench.unwatch(WORK, &text(format_args!("{number}"))))?;
    }
    // There is room again.
    ok("watch-again", bench.watch(WORK, "t"))?;
    ok("unwatch-again", bench.unwatch(WORK, "t"))?;
    over(count, refusal)
}

fn transactions(bench: &mut Bench) -> Outcome {
    /// More than any daemon gives by default (10).
    const PLACES: usize = 64;
    let mut open: [TransactionId; PLACES] = [NONE; PLACES];
    let mut count = 0;
    let refusal = loop {
        match bench.begin() {
            Ok(transaction) => open[count] = transaction,
            Err(error) => break error,
        }
        count += 1;
        equal("ended", count < PLACES, true)?;
    };
    for transaction in &open[..count] {
        ok("end", bench.end(*transaction, End::Abort))?;
    }
    let again = ok("start-again", bench.begin())?;
    ok("end-again", bench.end(again, End::Commit))?;
    over(count, refusal)
}

/// The old value stays.
fn bytes(bench: &mut Bench) -> Outcome {
    ok("write", bench.write(NONE, WORK, b"kept"))?;
    let refusal = bench.write(NONE, WORK, &core::hint::black_box([b'x'; 4000]));
    let errno = refused_for("write-4000", refusal, Cause::Quota)?;
    let mut room = [0; 8];
    same("read", ok("read", bench.read(NONE, WORK, &mut room))?, b"kept")?;
    noted(errno)
}

/// In tens of tens: C xenstored keeps the names of a node's children in the node.
fn nodes(bench: &mut Bench) -> Outcome {
    let mut count = 0;
    let refusal = loop {
        let path = text(format_args!("{WORK}/{}/{}", count / 50, count % 50));
        match bench.write(NONE, &path, b"") {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
        equal("ended", count < TRIED_MAX, true)?;
    };
    ok("remove", bench.remove(WORK))?;
    ok("write-again", bench.write(NONE, WORK, b""))?;
    over(count, refusal)
}

/// C xenstored keeps to five entries; oxenstored has no such quota.
fn permissions(bench: &mut Bench) -> Outcome {
    /// More than C xenstored's five; as text they are far from the longest packet.
    const ENTRIES: usize = 40;
    let mut list = [Permission::owner(bench.domid); ENTRIES];
    for (entry, domain) in list[1..].iter_mut().zip(1..) {
        *entry = Permission::read(xenbus::DomId(domain));
    }
    let mut count = 0;
    while count < ENTRIES {
        let permissions = &list[..count + 1];
        let request = Request::SetPermissions { path: WORK, permissions };
        match bench.order(NONE, request) {
            Ok(()) => count += 1,
            Err(error) => return over(count, error),
        }
    }
    noted(format_args!("none-up-to-{count}"))
}
