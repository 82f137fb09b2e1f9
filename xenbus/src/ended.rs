//! Why a connection as a whole cannot be used any more. A daemon that lies about an index or a
//! length is not believed in anything else either: the client stops, with the reason.

use core::fmt;

use crate::error::Cause;

/// What the daemon left in the page's error word (xs_wire.h, XENSTORE_ERROR_*).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reported {
    /// The event channel does not work.
    Communication,
    /// Our indices could not be true.
    RingIndex,
    /// One of our packets was too long.
    Protocol,
    /// A code that is not known yet; new ones may be added.
    Other(u32),
}

impl Reported {
    /// The meaning of a code; 0 means that all is well.
    pub const fn of_code(code: u32) -> Option<Reported> {
        match code {
            0 => None,
            1 => Some(Reported::Communication),
            2 => Some(Reported::RingIndex),
            3 => Some(Reported::Protocol),
            other => Some(Reported::Other(other)),
        }
    }
}

/// Why the connection cannot be used any more. Nothing in flight is answered: whether it was
/// carried out is not known. Only [`crate::Client::start`] or [`crate::Client::reconnect`] leads
/// on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Ended {
    /// The daemon's producer index of replies claims more than a ring.
    ReplyIndex {
        /// How many bytes it claims.
        used: u32,
    },
    /// The daemon's consumer index of requests claims to have taken what we never sent.
    RequestIndex {
        /// How many bytes would be in the ring.
        used: u32,
    },
    /// The daemon announced a packet longer than any may be.
    PacketTooLong {
        /// The length that it announced.
        bytes: u32,
    },
    /// Somebody else changed our own indices: the domain was introduced anew, or restored.
    RingReset,
    /// The daemon reported that it gave up.
    Reported(Reported),
    /// The daemon sent nothing but packets that nobody asked for.
    Flooded,
}

impl Ended {
    /// What stands behind it.
    pub const fn cause(&self) -> Cause {
        match self {
            Ended::ReplyIndex { .. }
            | Ended::RequestIndex { .. }
            | Ended::PacketTooLong { .. }
            | Ended::Flooded => Cause::DaemonBrokeProtocol,
            Ended::RingReset => Cause::Busy,
            Ended::Reported(Reported::RingIndex | Reported::Protocol) => Cause::Invalid,
            Ended::Reported(_) => Cause::DaemonFailed,
        }
    }

    /// One word for logs.
    pub const fn word(&self) -> &'static str {
        match self {
            Ended::ReplyIndex { .. } => "reply-index",
            Ended::RequestIndex { .. } => "request-index",
            Ended::PacketTooLong { .. } => "packet-too-long",
            Ended::RingReset => "ring-reset",
            Ended::Reported(Reported::Communication) => "reported-communication",
            Ended::Reported(Reported::RingIndex) => "reported-ring-index",
            Ended::Reported(Reported::Protocol) => "reported-protocol",
            Ended::Reported(Reported::Other(_)) => "reported-other",
            Ended::Flooded => "flooded",
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::ReplyIndex { used } => {
                write!(f, "the daemon's reply index claims {used} bytes in a ring of 1024")
            }
            Ended::RequestIndex { used } => {
                write!(f, "the daemon's request index leaves {used} bytes in a ring of 1024")
            }
            Ended::PacketTooLong { bytes } => {
                write!(f, "the daemon announced a payload of {bytes} bytes")
            }
            Ended::Reported(Reported::Other(code)) => {
                write!(f, "the daemon reported error {code}")
            }
            other => f.write_str(other.word()),
        }
    }
}

impl core::error::Error for Ended {}
