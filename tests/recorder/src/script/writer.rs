//! How chapters add their steps to the script: [`Script`].

use crate::packet::number;
use crate::step::{Ask, ScriptStep, Tx};

/// The home of domain 1, as others call it.
pub(super) const HOME_1: &str = "/local/domain/1";
/// The home of domain 2.
pub(super) const HOME_2: &str = "/local/domain/2";

/// The steps so far.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) steps: Vec<ScriptStep>,
    labels: u16,
}

impl Script {
    pub(super) fn push(&mut self, who: u16, kind: &str, tx: Tx, payload: &[u8], sure: bool) {
        let kind = number(kind).expect("the script knows the names");
        let ask = Ask { kind, tx, payload: payload.to_vec() };
        self.steps.push(ScriptStep::Ask { who, ask, sure });
    }

    /// A request with just this payload.
    pub(super) fn raw(&mut self, who: u16, kind: &str, payload: &[u8]) {
        self.push(who, kind, Tx::None, payload, true);
    }

    /// A request with nul-ended arguments.
    pub(super) fn ask(&mut self, who: u16, kind: &str, arguments: &[&str]) {
        self.ask_in(who, Tx::None, kind, arguments);
    }

    /// The same, in a transaction.
    pub(super) fn ask_in(&mut self, who: u16, tx: Tx, kind: &str, arguments: &[&str]) {
        self.push(who, kind, tx, ended(arguments).as_bytes(), true);
    }

    /// WRITE.
    pub(super) fn write(&mut self, who: u16, path: &str, value: &str) {
        self.write_in(who, Tx::None, path, value);
    }

    /// WRITE in a transaction.
    pub(super) fn write_in(&mut self, who: u16, tx: Tx, path: &str, value: &str) {
        self.push(who, "WRITE", tx, format!("{path}\0{value}").as_bytes(), true);
    }

    /// WRITE whose answer may fail to come.
    pub(super) fn try_write(&mut self, who: u16, path: &str, value: &str) {
        self.push(who, "WRITE", Tx::None, format!("{path}\0{value}").as_bytes(), false);
    }

    /// SET_PERMS, its entries apart by commas.
    pub(super) fn permit(&mut self, who: u16, path: &str, entries: &str) {
        self.permit_in(who, Tx::None, path, entries);
    }

    /// SET_PERMS in a transaction.
    pub(super) fn permit_in(&mut self, who: u16, tx: Tx, path: &str, entries: &str) {
        let arguments: Vec<&str> = core::iter::once(path).chain(entries.split(',')).collect();
        self.ask_in(who, tx, "SET_PERMS", &arguments);
    }

    /// TRANSACTION_START; the transaction.
    pub(super) fn start(&mut self, who: u16) -> Tx {
        self.labels += 1;
        self.push(who, "TRANSACTION_START", Tx::Starts(self.labels), b"\0", true);
        Tx::In(self.labels)
    }

    /// TRANSACTION_START whose answer may fail to come.
    pub(super) fn try_start(&mut self, who: u16) -> Tx {
        self.labels += 1;
        self.push(who, "TRANSACTION_START", Tx::Starts(self.labels), b"\0", false);
        Tx::In(self.labels)
    }

    /// READ whose answer may fail to come.
    pub(super) fn try_read(&mut self, who: u16, path: &str) {
        self.push(who, "READ", Tx::None, format!("{path}\0").as_bytes(), false);
    }

    /// TRANSACTION_END.
    pub(super) fn end(&mut self, who: u16, tx: Tx, word: &str) {
        self.ask_in(who, tx, "TRANSACTION_END", &[word]);
    }

    /// Requests until one is refused.
    pub(super) fn fill(&mut self, who: u16, tx: Tx, kind: &str, count: u32, arguments: &[&str]) {
        let kind = number(kind).expect("the script knows the names");
        let ask = Ask { kind, tx, payload: ended(arguments).into_bytes() };
        self.steps.push(ScriptStep::Fill { who, ask, count });
    }

    pub(super) fn sleep(&mut self, who: u16) {
        self.steps.push(ScriptStep::Sleep { who, asleep: true });
    }

    pub(super) fn wake(&mut self, who: u16) {
        self.steps.push(ScriptStep::Sleep { who, asleep: false });
    }

    /// Leaves nothing behind of a chapter.
    pub(super) fn clean(&mut self) {
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
