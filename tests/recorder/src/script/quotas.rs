//! Quotas: on nodes, on a node's size by its children, on watches, on transactions and what is in
//! one, and what refusals they make.

use super::writer::{HOME_1, Script};
use crate::step::Tx;

pub(super) fn write(s: &mut Script) {
    s.fill(1, Tx::None, "WRITE", 1100, &["data/%d/%m"]);
    s.write(1, "data/one-more", "");
    s.ask(1, "MKDIR", &["data/one-more"]);
    s.write(1, "data/0/0", "an old one");
    let tx = s.start(1);
    s.write_in(1, tx, "data/one-more", "");
    s.end(1, tx, "T");
    s.write(2, "data/other", "has its own");
    s.permit(1, "data", "n1,b2");
    s.write(2, &format!("{HOME_1}/data/theirs"), "whose?");
    s.write(0, &format!("{HOME_1}/data/tools"), "whose?");
    s.ask(1, "RM", &["data/0/0"]);
    s.write(1, "data/one-more", "");
    s.write(1, "data/two-more", "");
    s.ask(1, "RM", &["data/0"]);
    let tx = s.start(1);
    s.fill(1, tx, "WRITE", 80, &["data/in/%i"]);
    s.end(1, tx, "T");
    s.fill(1, Tx::None, "WRITE", 80, &["data/out/%i"]);
    s.clean();
    flat(s);
    watches(s);
    transactions(s);
    s.clean();
}

/// One directory with as many children as fit.
fn flat(s: &mut Script) {
    s.fill(1, Tx::None, "WRITE", 700, &["data/f/n%i"]);
    s.write(1, "data/f", "value");
    s.permit(1, "data/f", "n1,r2");
    s.ask(1, "RM", &["data/f/n0"]);
    s.write(1, "data/f/n0", "");
    s.write(1, "data/f/longer-than-before", "");
    s.ask(1, "DIRECTORY", &["data/f"]);
    s.clean();
}

fn watches(s: &mut Script) {
    s.fill(1, Tx::None, "WATCH", 200, &["data/%i", "w"]);
    s.ask(1, "WATCH", &["data/0", "w"]);
    s.ask(1, "WATCH", &["data/0", "x"]);
    s.ask(1, "UNWATCH", &["data/0", "w"]);
    s.ask(1, "WATCH", &["data/0", "x"]);
    s.ask(1, "WATCH", &["data/0", "y"]);
    s.ask(2, "WATCH", &["data", "has its own"]);
    s.write(1, "data/7", "");
    s.clean();
}

fn transactions(s: &mut Script) {
    for _ in 0..12 {
        s.start(1);
    }
    let other = s.start(2);
    s.ask_in(2, other, "READ", &["data"]);
    s.end(2, other, "T");
    s.ask(1, "RESET_WATCHES", &[""]);
    let tx = s.start(1);
    s.fill(1, tx, "READ", 1, &["data"]);
    s.fill(1, tx, "DIRECTORY", 1100, &["data"]);
    s.end(1, tx, "T");
    let tx = s.start(1);
    s.fill(1, tx, "WRITE", 200, &["data/%d/%m"]);
    s.end(1, tx, "T");
    s.ask(1, "DIRECTORY", &["data"]);
}
