//! Why a self-test failed: what should have held, and what was found instead.
//!
//! The word is fixed text, so that a program can tell failures apart; the rest is for people.

use core::fmt;

use grant::{MapRefused, UnmapRefused};
use xenbus::blocking::StoreError;

use crate::hypercall::Errno;
use crate::random::RandomError;

/// What should have held, in words joined by dashes, and what was found.
pub(super) enum Failed {
    /// It did not hold; there is no more to say.
    Not(&'static str),
    /// A number is wrong.
    Number(&'static str, u64),
    /// A hypercall failed.
    Hypercall(&'static str, Errno),
    /// The store did not do it.
    Store(&'static str, StoreError),
    /// The processor gave no random number.
    Random(RandomError),
    /// Xen did not map.
    Map(MapRefused),
    /// Xen did not unmap.
    Unmap(UnmapRefused),
}

impl Failed {
    /// What should have held, for programs.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Failed::Not(word)
            | Failed::Number(word, _)
            | Failed::Hypercall(word, _)
            | Failed::Store(word, _) => word,
            Failed::Random(_) => "random-number",
            Failed::Map(_) => "map",
            Failed::Unmap(_) => "unmap",
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Failed::Not(_) => Ok(()),
            Failed::Number(_, number) => write!(f, ": {number:#x}"),
            Failed::Hypercall(_, errno) => write!(f, ": {errno}"),
            Failed::Store(_, error) => write!(f, ": {error}"),
            Failed::Random(error) => write!(f, ": {error}"),
            Failed::Map(refused) => write!(f, ": {refused}"),
            Failed::Unmap(refused) => write!(f, ": {refused}"),
        }
    }
}

/// `Ok` if it holds.
pub(super) fn hold(what: &'static str, holds: bool) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(Failed::Not(what)) }
}

/// Names what the store was to do when it failed.
pub(super) fn store<T>(what: &'static str, result: Result<T, StoreError>) -> Result<T, Failed> {
    result.map_err(|error| Failed::Store(what, error))
}

/// Names what a hypercall was to do when it failed.
pub(super) fn hypercall<T>(what: &'static str, result: Result<T, Errno>) -> Result<T, Failed> {
    result.map_err(|errno| Failed::Hypercall(what, errno))
}
