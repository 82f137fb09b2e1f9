//! Permissions and watches between two unprivileged domains: the first gives, the second tries.

use core::time::Duration;

use xenbus::{Access, DomId, Errno, Permission};

use super::answer::{Outcome, Text, Wrong, held, ok, refused, same, some, words, wrong};
use super::bench::{Bench, NONE, Second, WORK};
use super::case::Case;
use super::permissions::absent_but_hidden;

pub(crate) const CASES: &[Case] = &[
    Case::new("other-domain-without-permission", without).in_company(),
    Case::new("other-domain-may-read", may_read).in_company(),
    Case::new("other-domain-may-write", may_write).in_company(),
    Case::new("other-domain-may-do-both", may_do_both).in_company(),
    Case::new("permission-taken-back", taken_back).in_company(),
    Case::new("permission-for-nobody-is-void", for_nobody).in_company(),
    Case::new("own-watch-sees-the-others-write", own_watch).in_company(),
    Case::new("others-watch-sees-what-it-may-read", others_watch).in_company(),
    Case::new("the-others-home-is-closed", others_home).in_company(),
];

/// The node that the second domain tries, by its absolute path.
fn shared(bench: &Bench) -> Text {
    words(format_args!("/local/domain/{}/{WORK}", bench.domid))
}

/// Runs a case with the second domain taken out of the bench, so that both can be used.
fn with_second(
    bench: &mut Bench,
    case: impl FnOnce(&mut Bench, &mut Second, &str) -> Outcome,
) -> Outcome {
    let mut second = some("second-domain", "introduced", bench.second.take())?;
    let path = shared(bench);
    let outcome = case(bench, &mut second, &path);
    bench.second = Some(second);
    outcome
}

/// Gives the second domain this access to the node.
fn give(bench: &mut Bench, domain: DomId, access: Access) -> Result<(), Wrong> {
    ok("permit", bench.permit(WORK, &[Permission { domain, access }]))
}

/// The second domain tries something, and must hear this.
fn tries(
    bench: &mut Bench,
    second: &mut Second,
    order: (&'static str, &str, &str),
    expected: &str,
) -> Result<(), Wrong> {
    let (verb, path, value) = order;
    let said = second.order(bench, verb, path, value)?;
    if said == expected { Ok(()) } else { Err(wrong(verb, expected, said)) }
}

/// Nothing is told of the node; whether anything is said of what is absent below it is the daemon's
/// choice.
fn without(bench: &mut Bench) -> Outcome {
    with_second(bench, |bench, second, path| {
        ok("write", bench.write(NONE, WORK, b"mine"))?;
        tries(bench, second, ("read", path, ""), "EACCES")?;
        tries(bench, second, ("write", path, "x"), "EACCES")?;
        tries(bench, second, ("remove", path, ""), "EACCES")?;
        let absent = words(format_args!("{path}/nowhere"));
        let hidden = absent_but_hidden(bench.daemon).name();
        tries(bench, second, ("read", &absent, ""), hidden)?;
        let mut room = [0; 8];
        same("read-own", ok("read", bench.read(NONE, WORK, &mut room))?, b"mine")?;
        held()
    })
}

fn may_read(bench: &mut Bench) -> Outcome {
    with_second(bench, |bench, second, path| {
        ok("write", bench.write(NONE, WORK, b"look"))?;
        give(bench, second.domid, Access::Read)?;
        tries(bench, second, ("read", path, ""), "OK:look")?;
        tries(bench, second, ("write", path, "x"), "EACCES")?;
        // What is not there below a node that it may read is said to be absent.
        let absent = words(format_args!("{path}/nowhere"));
        tries(bench, second, ("read", &absent, ""), "ENOENT")?;
        held()
    })
}

fn may_write(bench: &mut Bench) -> Outcome {
    with_second(bench, |bench, second, path| {
        ok("write", bench.write(NONE, WORK, b"old"))?;
        give(bench, second.domid, Access::Write)?;
        tries(bench, second, ("read", path, ""), "EACCES")?;
        tries(bench, second, ("write", path, "new"), "OK")?;
        let mut room = [0; 8];
        same("read-own", ok("read", bench.read(NONE, WORK, &mut room))?, b"new")?;
        held()
    })
}

/// With both it may make children, which are its own, and even remove the node.
fn may_do_both(bench: &mut Bench) -> Outcome {
    with_second(bench, |bench, second, path| {
        give(bench, second.domid, Access::Both)?;
        tries(bench, second, ("write", path, "theirs"), "OK")?;
        tries(bench, second, ("read", path, ""), "OK:theirs")?;
        let child = words(format_args!("{path}/child"));
        tries(bench, second, ("write", &child, "x"), "OK")?;
        tries(bench, second, ("remove", &child, ""), "OK")?;
        tries(bench, second, ("remove", path, ""), "OK")?;
        refused("read-own", bench.read(NONE, WORK, &mut [0; 1]), Errno::Enoent)?;
        held()
    })
}

fn taken_back(bench: &mut Bench) -> Outcome {
    with_second(bench, |bench, second, path| {
        give(bench, second.domid, Access::Both)?;
        tries(bench, second, ("write", path, "x"), "OK")?;
        ok("permit", bench.permit(WORK, &[]))?;
        tries(bench, second, ("read", path, ""), "EACCES")?;
        tries(bench, second, ("write", path, "y"), "EACCES")?;
        held()
    })
}

/// An entry for a domain that does not exist helps nobody, and is no error.
fn for_nobody(bench: &mut Bench) -> Outcome {
    with_second(bench, |bench, second, path| {
        give(bench, DomId(4242), Access::Both)?;
        tries(bench, second, ("read", path, ""), "EACCES")?;
        held()
    })
}

fn own_watch(bench: &mut Bench) -> Outcome {
    with_second(bench, |bench, second, path| {
        give(bench, second.domid, Access::Both)?;
        ok("watch", bench.watch(WORK, "own"))?;
        some("first-event", "event", bench.event(LATE))?;
        second.give(bench, "write", path, "x")?;
        let seen = some("event", "event", bench.event(LATE))?;
        if seen.path != WORK || seen.token != "own" {
            return Err(wrong("event", WORK, seen.path));
        }
        second.answer(bench)?;
        ok("unwatch", bench.unwatch(WORK, "own"))?;
        held()
    })
}

/// It may watch what it may not read, and hears of it only from when it may.
fn others_watch(bench: &mut Bench) -> Outcome {
    with_second(bench, |bench, second, path| {
        tries(bench, second, ("watch", path, ""), "OK")?;
        tries(bench, second, ("event", path, ""), path)?;
        ok("write", bench.write(NONE, WORK, b"hidden"))?;
        tries(bench, second, ("event", path, ""), "none")?;
        give(bench, second.domid, Access::Read)?;
        tries(bench, second, ("event", path, ""), path)?;
        ok("write", bench.write(NONE, WORK, b"seen"))?;
        tries(bench, second, ("event", path, ""), path)?;
        tries(bench, second, ("unwatch", path, ""), "OK")?;
        held()
    })
}

/// The same from the other side: the first may not enter the second's home either.
fn others_home(bench: &mut Bench) -> Outcome {
    with_second(bench, |bench, second, _| {
        let path = second.path("data/check/theirs");
        refused("write", bench.write(NONE, &path, b"x"), Errno::Eacces)?;
        refused("read", bench.read(NONE, &second.path("data"), &mut [0; 1]), Errno::Eacces)?;
        held()
    })
}

/// For an event that must come.
const LATE: Duration = Duration::from_secs(10);
