//! What the client refuses by itself, before anything is sent: a request that is none, one that has
//! to wait for others, and a reset of the ring that cannot be had.

use core::fmt;

use crate::error::Ended;
use crate::path::{PathError, TokenError};

/// Why a request was not accepted. Nothing of it has been or will be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SubmitError {
    /// Too much is in flight. Submit again after the next reply.
    Full,
    /// [`crate::Client::start`] has not been called.
    NotStarted,
    /// The connection is over.
    Ended(Ended),
    /// The path is none. The caller's fault, like all below.
    Path(PathError),
    /// The token is none.
    Token(TokenError),
    /// More than a packet may carry.
    TooLong {
        /// Bytes of payload that it would have.
        bytes: usize,
    },
    /// A list of permissions without any.
    NoPermissions,
    /// This request cannot stand in a transaction.
    InTransaction,
    /// This request needs a transaction.
    NoTransaction,
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubmitError::Full => f.write_str("too much is in flight"),
            SubmitError::NotStarted => f.write_str("the client has not been started"),
            SubmitError::Ended(ended) => write!(f, "the connection is over: {ended}"),
            SubmitError::Path(error) => error.fmt(f),
            SubmitError::Token(error) => error.fmt(f),
            SubmitError::TooLong { bytes } => write!(f, "the request has {bytes} bytes"),
            SubmitError::NoPermissions => f.write_str("the list of permissions is empty"),
            SubmitError::InTransaction => f.write_str("not allowed in a transaction"),
            SubmitError::NoTransaction => f.write_str("only allowed in a transaction"),
        }
    }
}

impl core::error::Error for SubmitError {}

/// Why the ring cannot be reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ReconnectError {
    /// The daemon does not offer it. C xenstored does not: a guest cannot get its connection back.
    NotOffered,
    /// [`crate::Client::start`] has not been called.
    NotStarted,
}
