//! What is said to an endpoint and by it: the words of its four kinds of functions.
//! Plain values; what they lead to is in the rules (docs/protocol.md §4).

use core::fmt;

use crate::epoch::Epoch;
use crate::event::{DetectedBy, DownReason};
use crate::ids::DomId;
use crate::instant::{Duration, Instant};

/// How fast an endpoint goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// The beat period.
    pub beat: Duration,
    /// How long a newly introduced endpoint leaves the first hello to the peer; zero for one that
    /// begins.
    pub first_hello: Duration,
}

/// What an introduction says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Introduction {
    /// The peer.
    pub peer: DomId,
    /// Tells one introduction from the next.
    pub number: u32,
}

/// When an introduction was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    /// By the first look: the peer may have written long ago.
    AtStart,
    /// Later, by an event: the mailbox was made a moment ago.
    Later,
}

/// What an endpoint wants xenstore to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreRequest {
    /// Make the own mailbox, leaving one that is there alone, and set its permissions.
    RecreateMailbox,
    /// Set the own mailbox's permissions.
    SetPerms,
    /// Read the own mailbox.
    Read,
    /// Write the register, as [`emit`](super::Endpoint::emit) gives it, into the peer's mailbox.
    Write,
}

/// What became of a WRITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteOutcome {
    /// It is there.
    Done,
    /// No: no such node, or no permission.
    Refused,
    /// The daemon could not just now.
    Later,
}

/// Why a READ gave no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadFailure {
    /// There is no mailbox.
    Absent,
    /// The daemon could not just now.
    Later,
}

/// What a READ showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reading {
    /// Nothing that could be a register (rule S10).
    Garbage,
    /// An empty mailbox: nobody has written yet.
    Empty,
    /// A register, but none of the present session.
    Hello,
    /// The peer's register of the present session.
    Session {
        /// Its beat.
        beat: u32,
    },
}

/// Something that happened to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionEvent {
    /// It began.
    Up {
        /// The own epoch.
        my: Epoch,
        /// The peer's.
        peer: Epoch,
    },
    /// It ended. What was unacknowledged is handed back by [`unknown`](super::Endpoint::unknown).
    Down {
        /// Why.
        reason: DownReason,
        /// How this side found out.
        detected_by: DetectedBy,
    },
}

/// How life and acknowledgements travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeartbeatPath {
    /// Both in the register.
    Register,
    /// Acknowledgements in the page, beats still in the register too: the peer's page beat has not
    /// moved yet.
    Both,
    /// Both in the page.
    Page,
    /// As [`HeartbeatPath::Page`], but the peer's page beat is late: the mailbox is polled.
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
        /// The endpoint looks for acknowledgements at this time at the latest.
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
