//! Errors of one operation of a [`super::Store`]: one enum over the errors of the layers below,
//! with their cause and the party at fault.

use core::fmt;

use crate::directory::ListError;
use crate::error::{Cause, Ended, Errno, Fault, Refusal};
use crate::stall::Stalled;
use crate::submit::SubmitError;

/// Why an operation failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The client did not accept the request; nothing was sent.
    Submit(SubmitError),
    /// The daemon refused the request.
    Refused(Refusal),
    /// The connection ended. It is unknown whether the daemon executed the request.
    Ended(Ended),
    /// The daemon does not answer. It may still execute the request.
    Stalled(Stalled),
    /// The caller's buffer is too small.
    BufferTooSmall {
        /// Number of bytes or entries needed.
        needed: usize,
    },
    /// Every attempt of the transaction ended in a conflict.
    Conflict {
        /// Number of attempts.
        attempts: u32,
    },
    /// The list of children could not be read.
    List(ListError),
    /// The table of watches is full.
    TooManyWatches,
}

impl StoreError {
    /// The cause of the error.
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

    /// The party at fault.
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
            StoreError::BufferTooSmall { needed } => {
                write!(f, "the buffer needs a length of {needed}")
            }
            StoreError::Conflict { attempts } => {
                write!(f, "{attempts} attempts ended in a conflict")
            }
            StoreError::List(error) => error.fmt(f),
            StoreError::TooManyWatches => f.write_str("no room for another watch"),
        }
    }
}

impl core::error::Error for StoreError {}
