//! What can go wrong with one operation of a [`super::Store`]: the one enum that joins the errors
//! of the layers below, so that a caller can say what stands behind it and whose fault it is.

use core::fmt;

use crate::directory::ListError;
use crate::error::{Cause, Ended, Errno, Fault, Refusal};
use crate::stall::Stalled;
use crate::submit::SubmitError;

/// Why an operation did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The request is not one; nothing was sent.
    Submit(SubmitError),
    /// The daemon refused it.
    Refused(Refusal),
    /// The connection is over. Whether the request was carried out is not known.
    Ended(Ended),
    /// The daemon does not answer. The request may still be carried out.
    Stalled(Stalled),
    /// The caller's buffer is too small.
    BufferTooSmall {
        /// How many bytes or entries are needed.
        needed: usize,
    },
    /// The transaction met another one each time it was tried.
    Conflict {
        /// How often it was tried.
        attempts: u32,
    },
    /// There is no list of children.
    List(ListError),
    /// There is no room for another watch.
    TooManyWatches,
}

impl StoreError {
    /// What stands behind it.
    pub const fn cause(&self) -> Cause {
        match self {
            StoreError::Submit(SubmitError::Ended(ended)) => ended.cause(),
            StoreError::Submit(SubmitError::Full) => Cause::Busy,
            StoreError::Submit(_) | StoreError::BufferTooSmall { .. } => Cause::Invalid,
            StoreError::Refused(refusal) => refusal.cause(),
            StoreError::Ended(ended) => ended.cause(),
            StoreError::Stalled(_) => Cause::Stalled,
            StoreError::Conflict { .. } => Cause::Conflict,
            StoreError::List(error) => error.cause(),
            StoreError::TooManyWatches => Cause::Invalid,
        }
    }

    /// Whose fault it is.
    pub const fn fault(&self) -> Fault {
        self.cause().fault()
    }

    /// Whether the daemon refused with exactly this errno.
    pub fn is(&self, errno: Errno) -> bool {
        *self == StoreError::Refused(Refusal::Errno(errno))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Submit(error) => error.fmt(f),
            StoreError::Refused(refusal) => refusal.fmt(f),
            StoreError::Ended(ended) => ended.fmt(f),
            StoreError::Stalled(stalled) => stalled.fmt(f),
            StoreError::BufferTooSmall { needed } => write!(f, "a room of {needed} is needed"),
            StoreError::Conflict { attempts } => write!(f, "{attempts} attempts in conflict"),
            StoreError::List(error) => error.fmt(f),
            StoreError::TooManyWatches => f.write_str("no room for another watch"),
        }
    }
}

impl core::error::Error for StoreError {}
