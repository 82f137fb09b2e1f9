//! What slows a domain down: writes while a transaction is open, transactions of others that it makes
//! fail, and events that nobody takes.

use super::writer::{HOME_1, Script};
use crate::step::{ScriptStep, Tx};

pub(super) fn write(s: &mut Script) {
    write_rate(s);
    s.clean();
    conflict_credit(s);
    s.clean();
    late_events(s);
    s.clean();
}

/// C xenstored charges 200 writes a second to all domains together while a transaction is open, and
/// does not read from one that is in debt. A domain has a burst of 10 and the common reserve of 1,000;
/// so the third time that 450 nodes are made or removed costs more than there is.
fn write_rate(s: &mut Script) {
    /// Nodes that one request makes: a path of this many names, which both daemons bear.
    const DEEP: usize = 450;
    let deep = |top: &str| format!("data/{top}{}", "/n".repeat(DEEP - 1));
    let open = s.start(2);
    s.ask_in(2, open, "READ", &["data"]);
    // The reserve is full then.
    s.steps.push(ScriptStep::Pass(15));
    s.write(1, &deep("u"), "");
    s.write(1, &deep("v"), "");
    s.ask(1, "RM", &["data/u"]);
    s.try_read(1, "data/v");
    s.ask(2, "READ", &["data"]);
    s.ask(0, "READ", &[&format!("{HOME_1}/data/v")]);
    s.steps.push(ScriptStep::Pass(0));
    s.steps.push(ScriptStep::Pass(10));
    s.try_read(1, "data/v");
    s.end(2, open, "T");
    // Nobody is charged while there is no transaction.
    s.ask(1, "RM", &["data/v"]);
    s.write(1, &deep("w"), "");
    s.ask(1, "RM", &["data/w"]);
    s.write(1, "data/end", "at once");
    s.steps.push(ScriptStep::Pass(15));
}

/// oxenstored takes credit from a domain whose writes make others' transactions fail, and lets it
/// wait without any. It gets some back 20 times a second: what it asks is answered all the same.
fn conflict_credit(s: &mut Script) {
    s.write(1, "data/shared", "");
    s.permit(1, "data/shared", "n1,b2");
    for round in 0..12 {
        let open = s.start(2);
        s.ask_in(2, open, "READ", &[&format!("{HOME_1}/data/shared")]);
        s.write_in(2, open, &format!("{HOME_1}/data/shared"), "in");
        s.write(1, "data/shared", &format!("{round}"));
        s.end(2, open, "T");
    }
    s.ask(1, "READ", &["data/shared"]);
}

/// A reader sleeps, and the same event comes again and again: C xenstored keeps one of those that
/// the ring has no room for, oxenstored each. It does not read from who has caused more than the
/// reader's queues hold, until they drain: all come in the end, however late.
fn late_events(s: &mut Script) {
    let theirs = format!("{HOME_1}/data/box");
    s.ask(1, "WATCH", &["data", "t"]);
    s.write(1, "data/box", "");
    s.permit(1, "data/box", "n1,b2");
    s.sleep(1);
    s.fill(2, Tx::None, "WRITE", 2040, &[&theirs]);
    for number in 0..80 {
        s.try_write(2, &theirs, &format!("{number}"));
    }
    s.ask(0, "READ", &[&theirs]);
    s.wake(1);
    s.write(2, &theirs, "after");
}
