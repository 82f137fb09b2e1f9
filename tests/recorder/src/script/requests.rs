//! Requests that are not about nodes, from a domain that may not ask them and from dom0.

use super::writer::Script;

pub(super) fn write(s: &mut Script) {
    for who in [1, 0] {
        for domain in ["0", "1", "2", "77", "00001", "1x", "x", "", "65536", "-1"] {
            s.ask(who, "GET_DOMAIN_PATH", &[domain]);
            s.ask(who, "IS_DOMAIN_INTRODUCED", &[domain]);
        }
    }
    s.ask(1, "INTRODUCE", &["1", "1", "1"]);
    s.ask(1, "RELEASE", &["2"]);
    s.ask(1, "RESUME", &["2"]);
    s.ask(1, "SET_TARGET", &["1", "2"]);
    s.ask(1, "CONTROL", &["print", "x"]);
    s.ask(1, "CONTROL", &["help"]);
    s.ask(1, "RESET_WATCHES", &[""]);
    s.ask(1, "RESET_WATCHES", &["", ""]);
    s.raw(1, "RESET_WATCHES", b"");
    s.raw(1, "RESET_WATCHES", b"x");
}
