//! Why an image refuses to start, or to go on after it was restored.
//!
//! Nobody tells such refusals apart: one is printed, as the verdict's reason, and the run ends. So
//! all steps of boot have this one small value in common, and no enum wraps another's.

use core::fmt;

use crate::mem::random::RandomError;
use crate::xen::hypercall::grant_table::GrantError;
use crate::xen::hypercall::{Errno, FillError};

/// What is not as an image needs it, in words joined by dashes, and the number that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootError {
    what: &'static str,
    found: Found,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// The words say it all.
    Nothing,
    /// A count or a version.
    Number(u64),
    /// An address, a frame or a magic, which people read in hexadecimal.
    Hex(u64),
    /// What Xen answered.
    Errno(Errno),
}

impl BootError {
    /// `what`, and there is no more to say.
    pub(crate) const fn of(what: &'static str) -> BootError {
        BootError { what, found: Found::Nothing }
    }

    /// `what` is wrong: it is this number.
    pub(crate) const fn number(what: &'static str, number: u64) -> BootError {
        BootError { what, found: Found::Number(number) }
    }

    /// `what` is wrong: it is this number, printed in hexadecimal.
    pub(crate) const fn hex(what: &'static str, number: u64) -> BootError {
        BootError { what, found: Found::Hex(number) }
    }

    /// Xen has refused `what`.
    pub(crate) const fn errno(what: &'static str, errno: Errno) -> BootError {
        BootError { what, found: Found::Errno(errno) }
    }
}

impl From<RandomError> for BootError {
    fn from(error: RandomError) -> BootError {
        BootError::of(error.word())
    }
}

impl From<FillError> for BootError {
    fn from(error: FillError) -> BootError {
        match error {
            FillError::NoXenLeaves => BootError::of("no-xen-leaves-in-cpuid"),
            FillError::Pages(pages) => BootError::number("hypercall-pages", pages.into()),
            FillError::NotFilled => BootError::of("hypercall-page-not-filled"),
        }
    }
}

impl From<GrantError> for BootError {
    fn from(error: GrantError) -> BootError {
        match error {
            GrantError::Hypercall(errno) => BootError::errno("grant-table-not-placed", errno),
            GrantError::Status(status) => {
                BootError::number("grant-table-not-placed-gntst", status.unsigned_abs().into())
            }
        }
    }
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        match self.found {
            Found::Nothing => Ok(()),
            Found::Number(number) => write!(f, "-{number}"),
            Found::Hex(number) => write!(f, "-{number:#x}"),
            Found::Errno(errno) => write!(f, "-{errno}"),
        }
    }
}
