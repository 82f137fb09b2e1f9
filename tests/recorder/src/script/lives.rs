//! Domains that come and go: void permissions, what a dead one leaves, the special watches.

use super::writer::{HOME_1, Script};
use crate::step::ScriptStep;

const HOME_3: &str = "/local/domain/3";

pub(super) fn write(s: &mut Script) {
    s.ask(0, "WATCH", &["@introduceDomain", "come"]);
    s.ask(0, "WATCH", &["@releaseDomain", "gone"]);
    s.ask(1, "WATCH", &["@releaseDomain", "gone"]);
    s.ask(1, "WATCH", &["data", "own"]);
    s.ask(2, "WATCH", &[&format!("{HOME_3}/data/open"), "peer"]);
    // For a domain that does not exist yet: void, and stays so.
    for name in ["void", "renewed", "rewritten"] {
        s.write(1, &format!("data/{name}"), "");
        s.permit(1, &format!("data/{name}"), "n1,b3");
    }
    s.ask(0, "IS_DOMAIN_INTRODUCED", &["3"]);
    s.steps.push(ScriptStep::Create(3));
    s.ask(0, "IS_DOMAIN_INTRODUCED", &["3"]);
    s.ask(1, "GET_PERMS", &["data/void"]);
    s.write(1, "data/rewritten", "does not help");
    s.permit(1, "data/renewed", "n1,b3");
    for name in ["void", "renewed", "rewritten"] {
        let theirs = format!("{HOME_1}/data/{name}");
        s.ask(3, "READ", &[&theirs]);
        s.write(3, &theirs, "from 3");
        s.write(3, &format!("{theirs}/child/deep"), "of 3");
        s.permit(3, &format!("{theirs}/child"), "n3,r1");
        s.ask(1, "GET_PERMS", &[&format!("data/{name}/child")]);
    }
    // Nodes of its own, seen by others, and one that dom0 gave it in somebody's home.
    s.write(3, "data/open", "x");
    s.permit(3, "data/open", "n3,r2");
    s.write(3, "data/open/deep", "x");
    s.write(3, "data/open", "y");
    s.write(0, &format!("{HOME_1}/data/given/below"), "");
    s.permit(0, &format!("{HOME_1}/data/given"), "n3,r1");
    s.write(1, "data/many", "");
    s.permit(1, "data/many", "n1,r2,b3,w4");
    s.write(1, "data/default", "");
    s.permit(1, "data/default", "r1,n3");
    s.ask(3, "WATCH", &[&format!("{HOME_1}/data/renewed"), "mine"]);
    let open = s.start(3);
    s.write_in(3, open, "data/never", "");
    s.ask(1, "WATCH", &[&format!("{HOME_3}/data"), "theirs"]);
    s.steps.push(ScriptStep::Destroy(3));
    for name in ["void", "renewed", "rewritten", "many", "default"] {
        s.ask(1, "GET_PERMS", &[&format!("data/{name}")]);
        s.ask(1, "DIRECTORY", &[&format!("data/{name}")]);
    }
    s.ask(0, "GET_PERMS", &[&format!("{HOME_1}/data/given")]);
    s.ask(0, "READ", &[&format!("{HOME_1}/data/given/below")]);
    s.ask(2, "READ", &[&format!("{HOME_3}/data/open")]);
    s.ask(0, "READ", &[&format!("{HOME_3}/data/open")]);
    s.ask(0, "IS_DOMAIN_INTRODUCED", &["3"]);
    s.write(1, "data/renewed", "after");
    // The next one, for which an entry was left above.
    s.steps.push(ScriptStep::Create(4));
    s.ask(4, "READ", &[&format!("{HOME_1}/data/many")]);
    s.write(4, &format!("{HOME_1}/data/many"), "x");
    s.ask(1, "GET_PERMS", &["data/many"]);
    s.permit(1, "data/many", "n1,w4");
    s.write(4, &format!("{HOME_1}/data/many"), "x");
    s.ask(4, "READ", &[&format!("{HOME_1}/data/many")]);
    s.write(4, "data/mine", "x");
    // While a transaction is open that has seen its nodes.
    let open = s.start(1);
    s.ask_in(1, open, "GET_PERMS", &["data/many"]);
    s.write_in(1, open, "data/many", "in");
    s.steps.push(ScriptStep::Destroy(4));
    s.ask_in(1, open, "GET_PERMS", &["data/many"]);
    s.end(1, open, "T");
    s.ask(1, "GET_PERMS", &["data/many"]);
    s.clean();
}
