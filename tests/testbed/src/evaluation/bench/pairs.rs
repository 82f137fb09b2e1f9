//! Which domains of the image `bench` are measured, and how.

use crate::base::roles;
use crate::output::facts::Fact;
use crate::output::guest::Guest;

/// From this number on the scenario's domains of the image are others than the pairs that are timed:
/// one back with many fronts, and those whose exits are traced (tests/dom0/scenarios/bench-pairs.sh).
pub(crate) const UNTIMED: u64 = 100;
/// From this one on they are traced.
pub(crate) const TRACED: u64 = 200;

/// Whether it is one of a pair that is timed.
pub(crate) fn is_timed(guest: &Guest) -> bool {
    guest.role == roles::BENCH && guest.incarnation < UNTIMED
}

/// The domain of the image that a fact names by its number, under `key`.
pub(crate) fn named<'a>(guests: &'a [Guest], fact: &Fact, key: &str) -> Option<&'a Guest> {
    let number = fact.number(key)?;
    guests.iter().find(|guest| guest.role == roles::BENCH && guest.incarnation == number)
}
