//! What a case is: its name in the output, what it needs, and the function that is it. The files
//! beside this one have them, each in a list called `CASES`.

use super::answer::Outcome;
use super::bench::{Bench, Daemon};

/// What a case cannot do without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Needs {
    /// Nothing but the daemon.
    Nothing,
    /// The other domain, and dom0's script, which introduces it and does what only dom0 can do.
    Company,
}

/// Where a case has a meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Under {
    /// Both daemons.
    Both,
    /// This one.
    Only(Daemon),
}

/// One case.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) needs: Needs,
    pub(crate) under: Under,
    pub(crate) run: fn(&mut Bench) -> Outcome,
}

impl Case {
    /// A case that needs nothing but the daemon.
    pub(crate) const fn new(name: &'static str, run: fn(&mut Bench) -> Outcome) -> Case {
        Case { name, needs: Needs::Nothing, under: Under::Both, run }
    }

    /// The same, with the other domain and dom0's script.
    pub(crate) const fn in_company(self) -> Case {
        Case { needs: Needs::Company, ..self }
    }

    /// The same, under one daemon only.
    pub(crate) const fn only_under(self, daemon: Daemon) -> Case {
        Case { under: Under::Only(daemon), ..self }
    }
}
