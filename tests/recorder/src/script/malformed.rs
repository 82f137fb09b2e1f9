//! Requests that are none, and at the very end a length that ends a connection.

use super::writer::Script;
use crate::step::{ScriptStep, Tx};

pub(super) fn write(s: &mut Script) {
    for kind in ["#20", "#23", "#24", "#25", "#99", "#65535", "#4294967295", "ERROR", "WATCH_EVENT"]
    {
        s.raw(1, kind, b"");
        s.raw(1, kind, b"data\0");
    }
    let kinds = [
        "CONTROL",
        "DIRECTORY",
        "READ",
        "GET_PERMS",
        "WATCH",
        "UNWATCH",
        "TRANSACTION_END",
        "GET_DOMAIN_PATH",
        "WRITE",
        "MKDIR",
        "RM",
        "SET_PERMS",
        "IS_DOMAIN_INTRODUCED",
        "DIRECTORY_PART",
    ];
    for kind in kinds {
        for payload in
            [&b""[..], b"data", b"\0", b"\0\0", b"data\0x", b"data\0x\0", b"data\0\0", b"a\0b\0c\0"]
        {
            s.raw(1, kind, payload);
        }
        s.raw(1, kind, b"\xff\xfe\0");
    }
    s.push(1, "#99", Tx::Number(77), b"data\0", true);
    s.raw(1, "WRITE", &[b"data/f\0".to_vec(), vec![b'f'; 4089]].concat());
    s.raw(1, "READ", &[vec![b'r'; 4095], vec![0]].concat());
    s.clean();
    s.ask(2, "WATCH", &["data", "last"]);
    s.steps.push(ScriptStep::Oversize(2));
    s.push(2, "READ", Tx::None, b"data\0", false);
    s.ask(1, "WATCH", &["data", "alive"]);
    s.write(1, "data/a", "");
    s.write(0, "/local/domain/2/data/a", "");
    s.ask(0, "RM", &["/local/domain/2/data/a"]);
    s.ask(1, "READ", &["data/a"]);
}
