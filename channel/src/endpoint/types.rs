//! The argument and result types of an endpoint's functions. docs/protocol.md §4 defines their
//! effects.

use core::fmt;

use crate::epoch::Epoch;
use crate::event::{DetectedBy, DownReason};
use crate::ids::DomId;
use crate::instant::{Duration, Instant};

/// The time parameters of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// The beat period.
    pub beat: Duration,
    /// How long a newly introduced endpoint waits for the peer's hello before it sends its own;
    /// zero on the side that sends first.
    pub first_hello: Duration,
}

/// The content of an introduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Introduction {
    /// The peer's domid.
    pub peer: DomId,
    /// Distinguishes successive introductions.
    pub number: u32,
}

/// When an introduction was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    /// By the first READ: the peer may have written its register already.
    AtStart,
    /// By a later READ: the mailbox was created recently.
    Later,
}

/// A xenstore request of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreRequest {
    /// Create this side's mailbox without changing an existing one, then set its permissions.
    RecreateMailbox,
    /// Set the permissions of this side's mailbox.
    SetPerms,
    /// Read this side's mailbox.
    Read,
    /// Write the register, encoded by [`emit`](super::Endpoint::emit), into the peer's mailbox.
    Write,
}

/// The outcome of a WRITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteOutcome {
    /// The value was written.
    Done,
    /// The node does not exist, or this domain has no permission.
    Refused,
    /// The daemon failed temporarily.
    Later,
}

/// Why a READ returned no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadFailure {
    /// The mailbox does not exist.
    Absent,
    /// The daemon failed temporarily.
    Later,
}

/// The classification of a value that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reading {
    /// Not a valid register (rule S10).
    Garbage,
    /// An empty mailbox: the peer has not written yet.
    Empty,
    /// A valid register that does not belong to the current session.
    Hello,
    /// The peer's register of the current session.
    Session {
        /// Its beat.
        beat: u32,
    },
}

/// A change of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionEvent {
    /// The session began.
    Up {
        /// This side's epoch.
        my: Epoch,
        /// The peer's epoch.
        peer: Epoch,
    },
    /// The session ended. [`unknown`](super::Endpoint::unknown) returns the unacknowledged
    /// messages.
    Down {
        /// Why.
        reason: DownReason,
        /// How this side found out.
        detected_by: DetectedBy,
    },
}

/// Where beats and acknowledgements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeartbeatPath {
    /// Both in the register.
    Register,
    /// Acknowledgements in the page, beats in both: the peer's page beat has not changed yet.
    Both,
    /// Both in the page.
    Page,
    /// Like [`HeartbeatPath::Page`], but the peer's page beat is late, so the mailbox is polled.
    Suspect,
}

/// Why a message was not accepted. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// There is no session.
    NotUp,
    /// Back-pressure: too much is unacknowledged. An acknowledgement makes room; it may arrive at
    /// any time.
    Full {
        /// The latest time at which the endpoint checks for acknowledgements.
        try_again: Instant,
    },
    /// Messages of the last session still wait to be reported as unknown: poll the events first.
    TakeBackFirst,
    /// The message is empty or too long.
    Length {
        /// The most bytes of a message.
        limit: usize,
    },
    /// A byte that is not printable ASCII.
    NotPrintable {
        /// The offset of the byte in the message.
        at: usize,
    },
    /// The session has used all its sequence numbers.
    NumbersSpent,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUp => write!(f, "the link has no session"),
            Self::Full { .. } => write!(f, "too many messages are unacknowledged"),
            Self::TakeBackFirst => write!(f, "messages of the last session wait to be reported"),
            Self::Length { limit } => write!(f, "a message has 1 to {limit} bytes"),
            Self::NotPrintable { at } => {
                write!(f, "byte {at} of the message is not printable ASCII")
            }
            Self::NumbersSpent => write!(f, "the session has used all its sequence numbers"),
        }
    }
}

impl core::error::Error for SendError {}
