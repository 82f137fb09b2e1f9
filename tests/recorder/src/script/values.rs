//! READ, WRITE, MKDIR, RM, DIRECTORY and DIRECTORY_PART on nodes of one's own; values at and around
//! the largest; paths of every form.

use super::writer::{HOME_1, Script};
use crate::step::Tx;

pub(super) fn write(s: &mut Script) {
    plain(s);
    sizes(s);
    paths(s);
    directories(s);
    s.clean();
}

fn plain(s: &mut Script) {
    s.ask(1, "READ", &["domid"]);
    s.ask(1, "DIRECTORY", &["data"]);
    s.ask(1, "GET_PERMS", &["data"]);
    s.ask(1, "GET_PERMS", &["."]);
    s.ask(1, "GET_PERMS", &[HOME_1]);
    s.ask(1, "READ", &["data/a"]);
    s.write(1, "data/a", "one");
    s.ask(1, "READ", &["data/a"]);
    s.write(1, "data/a", "");
    s.ask(1, "READ", &["data/a"]);
    s.raw(1, "WRITE", b"data/a\0\x01\0\xff binary\0");
    s.ask(1, "READ", &["data/a"]);
    s.write(1, "data/b/c/d", "deep");
    s.ask(1, "READ", &["data/b/c"]);
    s.ask(1, "DIRECTORY", &["data/b"]);
    s.ask(1, "GET_PERMS", &["data/b/c/d"]);
    s.ask(1, "MKDIR", &["data/b"]);
    s.ask(1, "MKDIR", &["data/e/f"]);
    s.ask(1, "DIRECTORY", &["data/e"]);
    s.ask(1, "DIRECTORY", &["data/e/f"]);
    s.ask(1, "DIRECTORY", &["data/e/f/g"]);
    s.ask(1, "RM", &["data/e/f/g"]);
    s.ask(1, "RM", &["data/e/f/g/h"]);
    s.ask(1, "RM", &["data/b"]);
    s.ask(1, "READ", &["data/b/c/d"]);
    s.ask(1, "RM", &["data/b"]);
    s.ask(1, "RM", &["nowhere/a"]);
    s.ask(1, "DIRECTORY", &["data"]);
    for path in ["name", "domid", "memory/target", "control/shutdown", "device", "nowhere"] {
        s.ask(1, "GET_PERMS", &[path]);
        s.write(1, path, "");
        s.ask(1, "RM", &[path]);
    }
    s.ask(1, "MKDIR", &["nowhere"]);
    s.ask(1, "DIRECTORY", &["/local/domain/0"]);
    s.ask(1, "READ", &["/local/domain/0/nothing"]);
    s.ask(1, "READ", &["/nothing"]);
    s.ask(1, "WRITE", &["/nothing"]);
    s.ask(1, "RM", &["/local/domain/1"]);
}

fn sizes(s: &mut Script) {
    let mut sizes = |path: &str, sizes: &[usize]| {
        for size in sizes {
            s.write(1, path, &"x".repeat(*size));
        }
    };
    sizes("data/v", &[1000, 2014, 2015, 2016, 2047, 2048, 2049, 4000, 4089]);
    s.ask(1, "READ", &["data/v"]);
    s.write(1, "data/v", "");
    s.permit(1, "data/v", "n1,b2");
    for size in [2006, 2007, 2008] {
        s.write(1, "data/v", &"y".repeat(size));
    }
    s.permit(1, "data/v", "n1,b2,r3");
    s.permit(1, "data/v", "n1");
    s.write(1, "data/v", &"z".repeat(2010));
    s.write(1, "data/v/child", "");
    s.write(1, "data/v/c", "");
    s.write(1, "data/v", &"z".repeat(2012));
    s.write(1, "data/v", &"z".repeat(2014));
    s.write(1, "data/new", &"z".repeat(2016));
    s.write(1, "data/newer/node", &"z".repeat(2016));
    s.ask(1, "DIRECTORY", &["data"]);
    for size in [2048, 2049, 4000] {
        s.write(0, &format!("{HOME_1}/data/large"), &"d".repeat(size));
        s.ask(1, "READ", &["data/large"]);
    }
    s.permit(0, &format!("{HOME_1}/data/large"), "n1");
    s.ask(1, "READ", &["data/large"]);
    s.write(1, "data/large", "small");
    s.ask(1, "READ", &["data/large"]);
}

fn paths(s: &mut Script) {
    let long = |bytes: usize| format!("data/{}", "p".repeat(bytes - 5));
    let mut paths: Vec<String> = [
        "",
        "/",
        "//",
        "data/",
        "data//a",
        "/local/domain/1/data/",
        ".",
        "..",
        "data/..",
        "data/.a",
        "data/a b",
        "data/a:b",
        "data/a+b",
        "data/a@b",
        "data/-_",
        "data/\u{e9}",
        "@data",
        "@",
        "local",
        "/local",
        "/local/domain/1/data/q",
        "/local/domain/01/data",
        "data/a\tb",
        "a",
    ]
    .map(String::from)
    .to_vec();
    paths.extend([1023, 1024, 1025, 2040, 2047, 2048, 2049, 3000].map(long));
    for bytes in [1007, 1008, 1023, 1024, 1025, 1040, 2048, 2049, 3071, 3072, 3073] {
        paths.push(format!("{HOME_1}/{}", long(bytes - HOME_1.len() - 1)));
    }
    for path in &paths {
        s.ask(1, "READ", &[path]);
        s.write(1, path, "v");
    }
    for path in ["", "/", "data/", "@data", "..", "data/a b"] {
        for kind in ["DIRECTORY", "GET_PERMS", "MKDIR", "RM"] {
            s.ask(1, kind, &[path]);
        }
        s.ask(1, "SET_PERMS", &[path, "n1"]);
        s.ask(0, "READ", &[path]);
    }
    s.ask(1, "DIRECTORY", &["data"]);
}

fn directories(s: &mut Script) {
    s.clean();
    for name in ["m", "z", "a", "B", "0", "k-2", "_x"] {
        s.write(1, &format!("data/{name}"), "");
    }
    s.ask(1, "DIRECTORY", &["data"]);
    s.ask(1, "RM", &["data/z"]);
    s.write(1, "data/z", "");
    s.write(1, "data/m", "again");
    s.ask(1, "DIRECTORY", &["data"]);
    for offset in ["0", "2", "3", "14", "1000", "x", "-1", ""] {
        s.ask(1, "DIRECTORY_PART", &["data", offset]);
    }
    s.ask(1, "DIRECTORY_PART", &["data/m", "0"]);
    s.ask(1, "DIRECTORY_PART", &["data/none", "0"]);
    s.ask(1, "DIRECTORY_PART", &["data"]);
    // A list that is longer than a message.
    let children = format!("{HOME_1}/data/long/00000000000000000%i");
    s.fill(0, Tx::None, "MKDIR", 210, &[&children]);
    s.permit(0, &format!("{HOME_1}/data/long"), "n1");
    s.ask(1, "DIRECTORY", &["data/long"]);
    s.ask(1, "DIRECTORY_PART", &["data/long", "0"]);
    s.ask(1, "DIRECTORY_PART", &["data/long", "4050"]);
    s.write(1, "data/long", "value");
    s.write(1, "data/long/more", "");
    s.ask(1, "RM", &["data/long/000000000000000000"]);
    s.ask(1, "RM", &["data/long"]);
    s.ask(1, "DIRECTORY", &["data/long"]);
}
