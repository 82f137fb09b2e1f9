//! Who may do what with a node under which permissions, and what SET_PERMS takes.

use super::writer::{HOME_1, Script};

pub(super) fn write(s: &mut Script) {
    matrix(s);
    lists(s);
    absent(s);
    borrowed(s);
    s.clean();
}

/// Every kind of entry, as the default and as the exception, against every kind of request.
fn matrix(s: &mut Script) {
    let theirs = format!("{HOME_1}/data/box");
    let child = format!("{theirs}/child");
    for entries in
        ["n1", "r1", "w1", "b1", "n1,n2", "n1,r2", "n1,w2", "n1,b2", "b1,n2", "r1,w2", "n1,b3"]
    {
        s.write(1, "data/box/own", "secret");
        s.permit(1, "data/box", entries);
        s.ask(1, "GET_PERMS", &["data/box"]);
        s.ask(2, "READ", &[&theirs]);
        s.ask(2, "DIRECTORY", &[&theirs]);
        s.ask(2, "GET_PERMS", &[&theirs]);
        s.write(2, &theirs, "theirs");
        s.ask(2, "READ", &[&format!("{theirs}/own")]);
        s.ask(2, "READ", &[&format!("{theirs}/none")]);
        s.ask(2, "READ", &[&format!("{theirs}/none/deeper")]);
        s.write(2, &child, "mine");
        s.ask(2, "GET_PERMS", &[&child]);
        s.ask(1, "GET_PERMS", &["data/box/child"]);
        s.ask(1, "READ", &["data/box/child"]);
        s.permit(2, &child, "n2,r1");
        s.ask(1, "READ", &["data/box/child"]);
        s.permit(2, &theirs, "b2");
        s.ask(2, "MKDIR", &[&format!("{theirs}/dir/deep")]);
        s.ask(2, "RM", &[&format!("{theirs}/own")]);
        s.ask(2, "RM", &[&format!("{theirs}/none")]);
        s.ask(2, "RM", &[&theirs]);
        s.write(2, &theirs, "again");
        s.ask(1, "READ", &["data/box"]);
        s.ask(1, "RM", &["data/box"]);
    }
}

/// Forms of the list.
fn lists(s: &mut Script) {
    s.write(1, "data/p", "");
    for entries in [
        "n1,r2,r3,r4,r5",
        "n1,r2,r3,r4,r5,r6",
        "n1,r2,r2,b2",
        "n1,n1",
        "r1,n1",
        "n2",
        "n0",
        "n2,b1",
        "b1,r0",
        "x1",
        "n",
        "",
        "n1,",
        "n1,x2",
        "n-1",
        "n1,r-1",
        "n1,r65535",
        "n1,r99999",
        "N1",
        "1",
        "n 1",
        "n01",
        "n1x",
        "rw1",
    ] {
        s.permit(1, "data/p", entries);
        s.ask(1, "GET_PERMS", &["data/p"]);
    }
    s.raw(1, "SET_PERMS", b"data/p\0n1");
    s.raw(1, "SET_PERMS", b"data/p\0");
    s.raw(1, "SET_PERMS", b"data/p");
    s.permit(1, "data/p", "n1");
    s.permit(0, &format!("{HOME_1}/data/p"), "n2,b1");
    s.ask(1, "GET_PERMS", &["data/p"]);
    s.write(1, "data/p", "granted");
    s.permit(1, "data/p", "n1");
    s.permit(0, &format!("{HOME_1}/data/p"), "n0,r1");
    s.write(1, "data/p", "denied");
    s.ask(1, "RM", &["data/p"]);
    s.permit(0, &format!("{HOME_1}/data/p"), "n1");
    s.permit(1, "data/none", "n1");
    s.permit(1, "data/none/deeper", "n1");
    s.permit(1, "nowhere", "n1");
    s.permit(1, "@releaseDomain", "n1");
    s.permit(1, "@introduceDomain", "n1,r2");
    s.ask(1, "GET_PERMS", &["@releaseDomain"]);
    s.ask(1, "READ", &["@releaseDomain"]);
}

/// Absent nodes, below ones that are open and ones that are closed.
fn absent(s: &mut Script) {
    for entries in ["n1", "r1", "w1", "n1,r2", "n1,w2"] {
        s.write(1, "data/dir/inner", "");
        s.permit(1, "data/dir", entries);
        let below = |path: &str| format!("{HOME_1}/data/dir/{path}");
        for path in ["none", "none/none", "inner", "inner/none"] {
            for kind in ["READ", "DIRECTORY", "GET_PERMS", "RM"] {
                s.ask(2, kind, &[&below(path)]);
            }
            s.permit(2, &below(path), "n2");
        }
        s.ask(1, "RM", &["data/dir"]);
    }
}

/// A child inherits; what the owner changes later it does not.
fn borrowed(s: &mut Script) {
    s.ask(1, "MKDIR", &["data/shared"]);
    s.permit(1, "data/shared", "n1,b2,r3");
    s.write(1, "data/shared/a/b", "");
    s.ask(1, "GET_PERMS", &["data/shared/a"]);
    s.ask(1, "GET_PERMS", &["data/shared/a/b"]);
    let theirs = format!("{HOME_1}/data/shared");
    s.write(2, &format!("{theirs}/c/d"), "");
    s.ask(2, "GET_PERMS", &[&format!("{theirs}/c")]);
    s.ask(1, "GET_PERMS", &["data/shared/c/d"]);
    s.write(0, &format!("{theirs}/e/f"), "");
    s.ask(0, "GET_PERMS", &[&format!("{theirs}/e/f")]);
    s.permit(1, "data/shared", "n1");
    s.ask(2, "READ", &[&theirs]);
    s.ask(2, "READ", &[&format!("{theirs}/a/b")]);
    s.write(2, &format!("{theirs}/a/b"), "still");
    s.write(2, &format!("{theirs}/a/c"), "still");
    s.ask(1, "RM", &["data/shared"]);
}
