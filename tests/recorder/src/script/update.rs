//! A live update of C xenstored: it waits for the transactions that are open, and those that want to
//! begin wait for it; whatever was there before is there afterwards.

use super::writer::{HOME_1, Script};
use crate::step::ScriptStep;

pub(super) fn write(s: &mut Script) {
    s.ask(1, "WATCH", &["data", "t"]);
    s.ask(2, "WATCH", &[&format!("{HOME_1}/data/box"), "peer"]);
    s.write(1, "data/box", "before");
    s.permit(1, "data/box", "n1,b2");
    let open = s.start(1);
    s.write_in(1, open, "data/in", "");
    s.steps.push(ScriptStep::Update);
    s.steps.push(ScriptStep::Pass(1));
    // Requests are answered while it waits, inside a transaction and outside, but for a new one.
    s.ask_in(1, open, "READ", &["data/in"]);
    s.write(2, &format!("{HOME_1}/data/box"), "meanwhile");
    let late = s.try_start(2);
    s.try_read(2, &format!("{HOME_1}/data/box"));
    s.write(1, "data/other", "");
    s.end(1, open, "T");
    s.steps.push(ScriptStep::Pass(5));
    s.ask_in(2, late, "READ", &[&format!("{HOME_1}/data/box")]);
    s.end(2, late, "F");
    s.ask(1, "DIRECTORY", &["data"]);
    s.ask(1, "GET_PERMS", &["data/box"]);
    s.write(2, &format!("{HOME_1}/data/box"), "after");
    s.ask(1, "UNWATCH", &["data", "t"]);
    s.ask(2, "UNWATCH", &[&format!("{HOME_1}/data/box"), "peer"]);
    s.write(1, "data/box", "nobody hears of it");
    s.clean();
}
