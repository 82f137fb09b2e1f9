//! Errors that the client returns before it sends anything: an invalid request, back-pressure, and
//! an unsupported reset of the ring.

use core::fmt;

use crate::error::Ended;
use crate::path::{PathError, TokenError};

/// Why a request was not accepted. No part of it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SubmitError {
    /// Too much is in flight. Submit again after the next reply.
    Full,
    /// [`crate::Client::start`] has not been called.
    NotStarted,
    /// The connection has ended.
    Ended(Ended),
    /// The path is invalid. This and all following errors are the caller's fault.
    Path(PathError),
    /// The token is invalid.
    Token(TokenError),
    /// The payload exceeds the protocol's limit.
    TooLong {
        /// Length of the payload in bytes.
        bytes: usize,
    },
    /// The list of permissions is empty.
    NoPermissions,
    /// The request is not allowed in a transaction.
    InTransaction,
    /// The request needs a transaction.
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
    /// The daemon does not support it. C xenstored does not: a guest cannot restore its connection.
    NotOffered,
    /// [`crate::Client::start`] has not been called.
    NotStarted,
}
