//! A self-test's failure: what should have held. What was found instead is said at once, to people.
//!
//! The value itself is one word of text, so that the tests' many early returns cost little code; the
//! rest is in functions that are compiled once and hardly ever run.

use core::fmt;

use xenbus::blocking::StoreError;

use crate::image::machine::Machine;
use crate::xen::hypercall::Errno;

/// What should have held, in words joined by dashes.
pub(super) struct Failed(&'static str);

impl Failed {
    /// It did not hold, and there is no more to say.
    pub(super) const fn not(what: &'static str) -> Failed {
        Failed(what)
    }

    /// It did not hold; `found` is what was there instead.
    #[cold]
    #[inline(never)]
    pub(super) fn found(what: &'static str, found: &dyn fmt::Display) -> Failed {
        crate::say!(Error, "{what}: {found}");
        Failed(what)
    }

    /// The word.
    pub(super) fn word(&self) -> &'static str {
        self.0
    }
}

/// `Ok` if it holds.
pub(super) fn hold(what: &'static str, holds: bool) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(Failed::not(what)) }
}

/// The domain's number, which Xen should tell.
pub(super) fn own_number(machine: &Machine) -> Result<u16, Failed> {
    machine.domid().ok_or(Failed::not("own-domain-number"))
}

/// Names what the store was to do when it failed.
pub(super) fn store<T>(what: &'static str, result: Result<T, StoreError>) -> Result<T, Failed> {
    result.map_err(|error| Failed::found(what, &error))
}

/// Names what a hypercall was to do when it failed.
pub(super) fn hypercall<T>(what: &'static str, result: Result<T, Errno>) -> Result<T, Failed> {
    result.map_err(|errno| Failed::found(what, &errno))
}
