//! What a case is: its name in the output, what it needs, and the function that is it. The files
//! beside this one have them, each in a list called `CASES`.

use super::answer::Outcome;
use super::bench::{Bench, Daemon};

/// What a case cannot do without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Needs {
    /// Nothing but the daemon.
    Nothing,
    /// The other domain, and dom0's script, which introduces it and does what only dom0 can do.
    Company,
}

/// Where a case has a meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Under {
    /// Both daemons.
    Both,
    /// This one.
    Only(Daemon),
}

/// One case.
#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) needs: Needs,
    pub(super) under: Under,
    pub(super) run: fn(&mut Bench) -> Outcome,
}

impl Case {
    /// A case that needs nothing but the daemon.
    pub(super) const fn new(name: &'static str, run: fn(&mut Bench) -> Outcome) -> Case {
        Case { name, needs: Needs::Nothing, under: Under::Both, run }
    }

    /// The same, with the other domain and dom0's script.
    pub(super) const fn in_company(self) -> Case {
        Case { needs: Needs::Company, ..self }
    }

    /// The same, under one daemon only.
    pub(super) const fn only_under(self, daemon: Daemon) -> Case {
        Case { under: Under::Only(daemon), ..self }
    }
}
