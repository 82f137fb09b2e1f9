//! The script: chapters on what the channel relies on and on what is easily got wrong, then a long
//! random part.
//!
//! Domains 1 and 2 live all along; 3 and 4 come and go. Everything happens below `data` of 1 and 2,
//! which each chapter leaves empty, with no watch and no transaction.

mod lives;
mod malformed;
mod permissions;
mod pressure;
mod quotas;
mod random;
mod requests;
mod transactions;
mod update;
mod values;
mod watches;

use crate::packet::number;
use crate::step::{Ask, Step, Tx};

/// The home of domain 1, as others call it.
const HOME_1: &str = "/local/domain/1";
/// The home of domain 2.
const HOME_2: &str = "/local/domain/2";

/// The whole script.
pub fn steps() -> Vec<Step> {
    let mut script = Script::default();
    script.steps.extend([Step::Create(1), Step::Create(2)]);
    values::write(&mut script);
    requests::write(&mut script);
    permissions::write(&mut script);
    watches::write(&mut script);
    transactions::write(&mut script);
    quotas::write(&mut script);
    pressure::write(&mut script);
    random::write(&mut script);
    lives::write(&mut script);
    update::write(&mut script);
    malformed::write(&mut script);
    script.steps
}

/// The steps so far.
#[derive(Debug, Default)]
struct Script {
    steps: Vec<Step>,
    labels: u16,
}

impl Script {
    fn push(&mut self, who: u16, kind: &str, tx: Tx, payload: &[u8], sure: bool) {
        let kind = number(kind).expect("the script knows the names");
        let ask = Ask { kind, tx, payload: payload.to_vec() };
        self.steps.push(Step::Ask { who, ask, sure });
    }

    /// A request with just this payload.
    fn raw(&mut self, who: u16, kind: &str, payload: &[u8]) {
        self.push(who, kind, Tx::None, payload, true);
    }

    /// A request with nul-ended arguments.
    fn ask(&mut self, who: u16, kind: &str, arguments: &[&str]) {
        self.ask_in(who, Tx::None, kind, arguments);
    }

    /// The same, in a transaction.
    fn ask_in(&mut self, who: u16, tx: Tx, kind: &str, arguments: &[&str]) {
        self.push(who, kind, tx, ended(arguments).as_bytes(), true);
    }

    /// WRITE.
    fn write(&mut self, who: u16, path: &str, value: &str) {
        self.write_in(who, Tx::None, path, value);
    }

    /// WRITE in a transaction.
    fn write_in(&mut self, who: u16, tx: Tx, path: &str, value: &str) {
        self.push(who, "WRITE", tx, format!("{path}\0{value}").as_bytes(), true);
    }

    /// WRITE whose answer may fail to come.
    fn try_write(&mut self, who: u16, path: &str, value: &str) {
        self.push(who, "WRITE", Tx::None, format!("{path}\0{value}").as_bytes(), false);
    }

    /// SET_PERMS, its entries apart by commas.
    fn permit(&mut self, who: u16, path: &str, entries: &str) {
        self.permit_in(who, Tx::None, path, entries);
    }

    /// SET_PERMS in a transaction.
    fn permit_in(&mut self, who: u16, tx: Tx, path: &str, entries: &str) {
        let arguments: Vec<&str> = core::iter::once(path).chain(entries.split(',')).collect();
        self.ask_in(who, tx, "SET_PERMS", &arguments);
    }

    /// TRANSACTION_START; the transaction.
    fn start(&mut self, who: u16) -> Tx {
        self.labels += 1;
        self.push(who, "TRANSACTION_START", Tx::Starts(self.labels), b"\0", true);
        Tx::In(self.labels)
    }

    /// TRANSACTION_START whose answer may fail to come.
    fn try_start(&mut self, who: u16) -> Tx {
        self.labels += 1;
        self.push(who, "TRANSACTION_START", Tx::Starts(self.labels), b"\0", false);
        Tx::In(self.labels)
    }

    /// READ whose answer may fail to come.
    fn try_read(&mut self, who: u16, path: &str) {
        self.push(who, "READ", Tx::None, format!("{path}\0").as_bytes(), false);
    }

    /// TRANSACTION_END.
    fn end(&mut self, who: u16, tx: Tx, word: &str) {
        self.ask_in(who, tx, "TRANSACTION_END", &[word]);
    }

    /// Requests until one is refused.
    fn fill(&mut self, who: u16, tx: Tx, kind: &str, count: u32, arguments: &[&str]) {
        let kind = number(kind).expect("the script knows the names");
        let ask = Ask { kind, tx, payload: ended(arguments).into_bytes() };
        self.steps.push(Step::Fill { who, ask, count });
    }

    fn sleep(&mut self, who: u16) {
        self.steps.push(Step::Sleep { who, asleep: true });
    }

    fn wake(&mut self, who: u16) {
        self.steps.push(Step::Sleep { who, asleep: false });
    }

    /// Leaves nothing behind of a chapter.
    fn clean(&mut self) {
        for who in [0, 1, 2] {
            self.ask(who, "RESET_WATCHES", &[""]);
        }
        for home in [HOME_1, HOME_2] {
            self.ask(0, "RM", &[&format!("{home}/data")]);
            self.ask(0, "MKDIR", &[&format!("{home}/data")]);
        }
        self.permit(0, &format!("{HOME_1}/data"), "n1");
        self.permit(0, &format!("{HOME_2}/data"), "n2");
    }
}

/// Each argument and its nul.
fn ended(arguments: &[&str]) -> String {
    arguments.iter().map(|argument| format!("{argument}\0")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_the_same_each_time_and_every_line_can_be_read() {
        let steps = steps();
        assert_eq!(steps, super::steps());
        for step in &steps {
            assert_eq!(Step::parse(&step.line()).as_ref(), Some(step), "{}", step.line());
        }
        assert!(steps.len() > 1000, "{}", steps.len());
    }
}
