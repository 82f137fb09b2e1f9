//! Watches: the first event, which changes fire them, whose, with which path and token; what is
//! not sent twice; what a reader that sleeps does to a writer.

use super::writer::{HOME_1, HOME_2, Script};
use crate::step::ScriptStep;

pub(super) fn write(s: &mut Script) {
    registration(s);
    changes(s);
    peers(s);
    toolstack(s);
    s.clean();
    coalescing(s);
    s.clean();
    outstanding(s);
    s.clean();
}

fn registration(s: &mut Script) {
    s.ask(1, "WATCH", &["data", "t"]);
    s.ask(1, "WATCH", &["data", "t"]);
    s.ask(1, "WATCH", &["data", "u"]);
    s.ask(1, "WATCH", &["/local/domain/1/data", "t"]);
    s.ask(1, "WATCH", &["/local/domain/1/data", "absolute"]);
    s.ask(1, "WATCH", &["data/none/deep", "absent"]);
    s.ask(1, "WATCH", &["", "home"]);
    s.ask(1, "WATCH", &["data", ""]);
    s.ask(1, "WATCH", &["data", "a token of words: {}"]);
    s.ask(1, "WATCH", &["data", &"t".repeat(500)]);
    s.ask(1, "WATCH", &["data/", "t"]);
    s.ask(1, "WATCH", &["data//a", "t"]);
    s.ask(1, "WATCH", &["data/a b", "t"]);
    s.ask(1, "WATCH", &["data/.", "t"]);
    s.ask(1, "WATCH", &["/", "root"]);
    s.ask(1, "WATCH", &["@introduceDomain", "i"]);
    s.ask(1, "WATCH", &["@releaseDomain", "r"]);
    s.ask(1, "WATCH", &["@nonsense", "n"]);
    s.ask(1, "WATCH", &["data"]);
    s.ask(1, "WATCH", &["data", "t", "extra"]);
    s.ask(1, "WATCH", &["data", "depth", "1"]);
    s.raw(1, "WATCH", b"data\0t");
    s.raw(1, "WATCH", b"data\0half\0rest");
    s.raw(1, "WATCH", b"");
    s.ask(1, "WATCH", &[&format!("data/{}", "w".repeat(2100)), "t"]);
    s.ask(1, "WATCH", &[&format!("data/{}", "w".repeat(1100)), "t"]);
    s.write(1, "data/x", "everybody");
    s.ask(1, "UNWATCH", &["data", "none"]);
    s.ask(1, "UNWATCH", &["data", "u"]);
    s.ask(1, "UNWATCH", &["data", "u"]);
    s.ask(1, "UNWATCH", &["/local/domain/1/data", "t"]);
    s.ask(1, "UNWATCH", &["data", "t"]);
    s.ask(1, "UNWATCH", &["data/", "t"]);
    s.ask(1, "UNWATCH", &["data"]);
    s.ask(1, "UNWATCH", &["", "home"]);
    s.write(1, "data/x", "fewer");
    s.ask(1, "RESET_WATCHES", &[""]);
    s.write(1, "data/x", "nobody");
    s.ask(1, "WATCH", &["data", "t"]);
    s.ask(1, "RESET_WATCHES", &[""]);
}

fn changes(s: &mut Script) {
    for (path, token) in [
        ("data", "high"),
        ("data/a", "mid"),
        ("data/a/b", "low"),
        ("data/a/b", "low2"),
        ("data/a/b/c/d", "deep"),
        ("data/ab", "alike"),
        ("/local/domain/1/data/a", "absolute"),
    ] {
        s.ask(1, "WATCH", &[path, token]);
    }
    s.write(1, "data/a/b/c", "on the way");
    s.write(1, "data/a/b", "same");
    s.write(1, "data/a/b", "same");
    s.ask(1, "MKDIR", &["data/a/b"]);
    s.ask(1, "MKDIR", &["data/a/b/c/d"]);
    s.ask(1, "READ", &["data/a/b"]);
    s.permit(1, "data/a/b", "n1,r2");
    s.permit(1, "data/a/b", "n1,r2");
    s.ask(1, "RM", &["data/a/b/c/d"]);
    s.ask(1, "RM", &["data/a/b/c/d"]);
    s.write(1, "data/a/b/c/d/e", "");
    s.ask(1, "RM", &["data/a"]);
    s.write(1, "data/a/b/c/d/e", "");
    s.write(1, "data/a/b/x", "");
    s.ask(1, "RM", &["data/a/b"]);
    s.write(1, "data/ab", "");
    s.write(1, "data/a", &"x".repeat(3000));
    s.write(0, &format!("{HOME_1}/data/a"), "by dom0");
    s.ask(0, "RM", &[&format!("{HOME_1}/data/a")]);
    s.permit(0, &format!("{HOME_1}/data"), "n1,r2");
    s.permit(0, &format!("{HOME_1}/data"), "n1");
    s.ask(0, "RM", &[&format!("{HOME_1}/data")]);
    s.ask(0, "MKDIR", &[&format!("{HOME_1}/data")]);
    s.permit(0, &format!("{HOME_1}/data"), "n1");
    s.ask(1, "RESET_WATCHES", &[""]);
}

/// What another domain sees.
fn peers(s: &mut Script) {
    let theirs = format!("{HOME_1}/data/box");
    s.ask(2, "WATCH", &[&theirs, "box"]);
    s.ask(2, "WATCH", &[&format!("{theirs}/in/deep"), "deep"]);
    s.ask(2, "WATCH", &[HOME_1, "home"]);
    s.ask(2, "WATCH", &["/local", "local"]);
    s.ask(1, "WATCH", &["data", "own"]);
    s.write(1, "data/box", "secret");
    s.permit(1, "data/box", "n1,r2");
    s.write(1, "data/box", "open");
    s.write(1, "data/box/in", "inherited");
    s.permit(1, "data/box", "n1");
    s.write(1, "data/box", "closed");
    s.write(1, "data/box/in", "still open");
    s.permit(1, "data/box/in", "n1");
    s.write(1, "data/box/in", "closed");
    s.permit(1, "data/box", "r1");
    s.write(1, "data/box/in/deep", "parent closed");
    s.ask(1, "RM", &["data/box/in"]);
    s.write(1, "data/box/in/deep", "child of open");
    s.ask(1, "RM", &["data/box/in/deep"]);
    s.permit(1, "data/box", "n1,b2");
    s.write(2, &theirs, "hello");
    s.write(2, &format!("{theirs}/mine"), "hello");
    s.permit(2, &format!("{theirs}/mine"), "n2");
    s.write(2, &format!("{theirs}/mine"), "to myself");
    s.write(2, &format!("{theirs}/mine/own"), "to myself");
    s.ask(2, "RM", &[&format!("{theirs}/mine")]);
    s.write(1, "data/box/in/deep", "");
    s.ask(1, "RM", &["data/box"]);
    s.write(1, "data/box", "");
    s.permit(1, "data/box", "n1,w2");
    s.write(1, "data/box", "may not look");
    s.write(2, &theirs, "own");
    s.ask(2, "RM", &[&theirs]);
    s.ask(2, "RESET_WATCHES", &[""]);
    s.ask(1, "RESET_WATCHES", &[""]);
}

/// What dom0's own watches see.
fn toolstack(s: &mut Script) {
    s.ask(0, "WATCH", &[&format!("{HOME_1}/data"), "dom0"]);
    s.ask(0, "WATCH", &[&format!("{HOME_2}/data/deep/er"), "dom0"]);
    s.ask(0, "WATCH", &[&format!("{HOME_1}/data"), "dom0"]);
    s.ask(1, "WATCH", &["data", "own"]);
    s.write(1, "data/a", "x");
    s.permit(1, "data/a", "n1");
    s.ask(1, "RM", &["data/a"]);
    s.write(2, "data/deep/er/est", "x");
    s.ask(2, "RM", &["data/deep"]);
    s.write(0, &format!("{HOME_1}/data/a"), "x");
    s.ask(0, "RM", &[&format!("{HOME_1}/data/a")]);
    s.ask(0, "UNWATCH", &[&format!("{HOME_1}/data"), "dom0"]);
    s.write(1, "data/a", "x");
    s.ask(0, "RESET_WATCHES", &[""]);
}

/// A reader that does not read: what is queued, and what is not queued twice.
fn coalescing(s: &mut Script) {
    s.ask(1, "WATCH", &["data", "t"]);
    s.write(1, "data/box", "");
    s.permit(1, "data/box", "n1,b2");
    s.write(1, "data/fill", &"f".repeat(1500));
    s.sleep(1);
    // Its answer fills the ring, so that what follows waits in the daemon.
    s.ask(1, "READ", &["data/fill"]);
    for number in 0..6 {
        s.write(2, &format!("{HOME_1}/data/box"), &format!("{number}"));
        s.write(2, &format!("{HOME_1}/data/box/{}", number % 2), "");
    }
    s.wake(1);
    s.write(1, "data/box", "awake");
    // The first events fit into the ring and are not waiting any more.
    s.sleep(1);
    for number in 0..60 {
        s.try_write(2, &format!("{HOME_1}/data/box"), &format!("{number}"));
    }
    s.wake(1);
    s.ask(1, "READ", &["data/box"]);
}

/// C xenstored does not read from who has twenty requests outstanding, and gives an event up after
/// twenty seconds.
fn outstanding(s: &mut Script) {
    s.ask(1, "WATCH", &["data", "t"]);
    s.write(1, "data/box", "");
    s.permit(1, "data/box", "n1,b2");
    s.sleep(1);
    for number in 0..80 {
        s.try_write(2, &format!("{HOME_1}/data/box/{number}"), "");
    }
    s.steps.push(ScriptStep::Pass(1));
    s.ask(0, "DIRECTORY", &[&format!("{HOME_1}/data/box")]);
    s.steps.push(ScriptStep::Pass(25));
    s.ask(0, "DIRECTORY", &[&format!("{HOME_1}/data/box")]);
    s.try_write(2, &format!("{HOME_1}/data/box/more"), "");
    s.wake(1);
    s.write(2, &format!("{HOME_1}/data/box/after"), "");
    s.ask(1, "DIRECTORY", &["data/box"]);
}
