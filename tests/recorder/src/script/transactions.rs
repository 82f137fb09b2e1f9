//! Transactions: what is seen inside and outside, what conflicts, what the end says.

use super::writer::{HOME_1, Script};
use crate::step::Tx;

pub(super) fn write(s: &mut Script) {
    isolation(s);
    conflicts(s);
    refusals(s);
    failures(s);
    s.clean();
}

fn isolation(s: &mut Script) {
    s.ask(1, "WATCH", &["data", "t"]);
    s.ask(2, "WATCH", &[&format!("{HOME_1}/data"), "peer"]);
    let one = s.start(1);
    s.write_in(1, one, "data/a", "new");
    s.write_in(1, one, "data/a", "newer");
    s.write_in(1, one, "data/b/c", "deep");
    s.ask_in(1, one, "READ", &["data/a"]);
    s.ask_in(1, one, "DIRECTORY", &["data"]);
    s.ask(1, "READ", &["data/a"]);
    s.ask(1, "DIRECTORY", &["data"]);
    s.end(1, one, "T");
    s.ask(1, "READ", &["data/a"]);
    s.ask(1, "DIRECTORY", &["data"]);
    let two = s.start(1);
    s.permit_in(1, two, "data/a", "n1,r2");
    s.ask_in(1, two, "RM", &["data/b"]);
    s.ask_in(1, two, "MKDIR", &["data/d"]);
    s.ask_in(1, two, "GET_PERMS", &["data/a"]);
    s.end(1, two, "F");
    s.ask(1, "GET_PERMS", &["data/a"]);
    let three = s.start(1);
    s.permit_in(1, three, "data/a", "n1,r2");
    s.ask_in(1, three, "RM", &["data/b"]);
    s.ask_in(1, three, "MKDIR", &["data/d"]);
    s.write_in(1, three, "data/d", "x");
    s.ask_in(1, three, "RM", &["data/none"]);
    s.end(1, three, "T");
    s.ask(1, "DIRECTORY", &["data"]);
    let four = s.start(1);
    s.ask_in(1, four, "RM", &["data/d"]);
    s.write_in(1, four, "data/d", "again");
    s.end(1, four, "T");
    let five = s.start(1);
    s.write_in(1, five, "data/e", "");
    s.ask_in(1, five, "RM", &["data/e"]);
    s.end(1, five, "T");
    let six = s.start(1);
    s.end(1, six, "T");
    let seven = s.start(2);
    s.ask_in(2, seven, "READ", &[&format!("{HOME_1}/data/a")]);
    s.write_in(2, seven, &format!("{HOME_1}/data/a"), "no");
    s.end(2, seven, "T");
    let eight = s.start(0);
    s.write_in(0, eight, &format!("{HOME_1}/data/tool"), "x");
    s.permit_in(0, eight, &format!("{HOME_1}/data/tool"), "n0,r1");
    s.end(0, eight, "T");
    // Watches do not belong to transactions.
    let nine = s.start(1);
    s.ask_in(1, nine, "WATCH", &["data/w", "in"]);
    s.ask_in(1, nine, "UNWATCH", &["data/w", "in"]);
    s.ask_in(1, nine, "RESET_WATCHES", &[""]);
    s.end(1, nine, "T");
    s.clean();
}

/// What a change from outside does to an open transaction.
fn conflicts(s: &mut Script) {
    /// What is done inside, and what outside meanwhile.
    type Act = (&'static str, &'static [&'static str]);
    const INSIDE: [Act; 6] = [
        ("READ", &["data/x"]),
        ("READ", &["data/none"]),
        ("DIRECTORY", &["data/dir"]),
        ("WRITE", &["data/x", "in"]),
        ("WRITE", &["data/dir/new", "in"]),
        ("RM", &["data/dir"]),
    ];
    const OUTSIDE: [Act; 7] = [
        ("WRITE", &["data/x", "old"]),
        ("WRITE", &["data/x", "out"]),
        ("WRITE", &["data/none", ""]),
        ("WRITE", &["data/dir/other", ""]),
        ("RM", &["data/x"]),
        ("SET_PERMS", &["data/x", "n1", "r2"]),
        ("MKDIR", &["other"]),
    ];
    for inside in INSIDE {
        for outside in OUTSIDE {
            s.write(1, "data/x", "old");
            s.write(1, "data/dir/y", "");
            let tx = s.start(1);
            act(s, tx, inside);
            act(s, Tx::None, outside);
            s.end(1, tx, "T");
            s.ask(0, "RM", &[&format!("{HOME_1}/data/none")]);
            s.ask(0, "RM", &[&format!("{HOME_1}/data/dir")]);
            s.ask(0, "RM", &[&format!("{HOME_1}/data/x")]);
        }
    }
    // Two at once, apart and on one node; and one whose nodes were put back as they were.
    for (one_writes, other_writes) in [("a", "b"), ("a", "a"), ("p/a", "q/b"), ("p/a", "p/b")] {
        let one = s.start(1);
        let other = s.start(1);
        s.write_in(1, one, &format!("data/{one_writes}"), "1");
        s.write_in(1, other, &format!("data/{other_writes}"), "2");
        s.end(1, one, "T");
        s.end(1, other, "T");
        s.ask(1, "READ", &["data/a"]);
        s.ask(1, "DIRECTORY", &["data"]);
    }
    let one = s.start(1);
    let other = s.start(2);
    s.write_in(1, one, "data/z", "1");
    s.write_in(2, other, "data/z", "2");
    s.end(1, one, "T");
    s.end(2, other, "T");
    let reader = s.start(1);
    s.ask_in(1, reader, "READ", &["data/z"]);
    s.write(1, "data/z", "3");
    s.write(1, "data/z", "1");
    s.ask_in(1, reader, "READ", &["data/z"]);
    s.end(1, reader, "T");
    s.clean();
}

fn act(s: &mut Script, tx: Tx, (kind, arguments): (&str, &[&str])) {
    match (kind, arguments) {
        ("WRITE", [path, value]) => s.write_in(1, tx, path, value),
        _ => s.ask_in(1, tx, kind, arguments),
    }
}

fn refusals(s: &mut Script) {
    let tx = s.start(1);
    s.ask_in(1, tx, "TRANSACTION_START", &[""]);
    s.end(1, tx, "X");
    s.end(1, tx, "");
    s.end(1, tx, "TT");
    s.ask_in(1, tx, "TRANSACTION_END", &["T", "F"]);
    s.end(1, tx, "T");
    s.end(1, tx, "T");
    s.ask_in(1, tx, "READ", &["data"]);
    s.end(1, Tx::None, "T");
    s.end(1, Tx::Number(4_000_000), "T");
    for kind in ["READ", "DIRECTORY", "GET_PERMS", "MKDIR", "RM", "GET_DOMAIN_PATH"] {
        s.ask_in(1, Tx::Number(4_000_000), kind, &["1"]);
    }
    s.write_in(1, Tx::Number(4_000_000), "data/a", "");
    s.ask_in(1, Tx::Number(4_000_000), "WATCH", &["data", "t"]);
    s.ask_in(1, Tx::Number(4_000_000), "UNWATCH", &["data", "t"]);
    s.ask_in(1, Tx::Number(4_000_000), "RESET_WATCHES", &[""]);
    s.ask_in(1, Tx::Number(4_000_000), "TRANSACTION_START", &[""]);
    s.raw(1, "TRANSACTION_START", b"");
    s.raw(1, "TRANSACTION_START", b"x");
    s.ask(1, "TRANSACTION_START", &["a", "b"]);
    s.ask(1, "RESET_WATCHES", &[""]);
    // Somebody else's.
    let mine = s.start(1);
    s.ask_in(2, Tx::Number(1), "READ", &["data"]);
    s.end(1, mine, "F");
    let dropped = s.start(1);
    s.write_in(1, dropped, "data/a", "");
    s.ask(1, "RESET_WATCHES", &[""]);
    s.ask_in(1, dropped, "READ", &["data/a"]);
    s.end(1, dropped, "T");
}

/// A request that fails inside, and what the end says then.
fn failures(s: &mut Script) {
    let large = "x".repeat(2100);
    let failing: [(&str, &[&str]); 9] = [
        ("READ", &["data/none"]),
        ("READ", &["/local/domain/2/data/none"]),
        ("READ", &["data//"]),
        ("WRITE", &["/local/domain/2/data/none", ""]),
        ("WRITE", &["data/large", &large]),
        ("RM", &["/local/domain/2/data"]),
        ("RM", &["data/none/none"]),
        ("SET_PERMS", &["data", "n2"]),
        ("SET_PERMS", &["data", "x"]),
    ];
    for (kind, arguments) in failing {
        let tx = s.start(1);
        s.write_in(1, tx, "data/before", "");
        act(s, tx, (kind, arguments));
        s.write_in(1, tx, "data/after", "");
        s.end(1, tx, "T");
        s.ask(1, "DIRECTORY", &["data"]);
        s.ask(1, "RM", &["data/before"]);
        s.ask(1, "RM", &["data/after"]);
    }
}
