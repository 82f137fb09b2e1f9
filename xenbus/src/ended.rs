//! Reasons why a connection ends. A daemon that sends an invalid index or length cannot be trusted
//! in anything else: the client stops and reports the reason.

use core::fmt;

use crate::cause::Cause;

/// Value of the page's error word (xs_wire.h, XENSTORE_ERROR_*).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reported {
    /// The event channel does not work.
    Communication,
    /// Our indices were invalid.
    RingIndex,
    /// One of our packets was too long.
    Protocol,
    /// An unknown code.
    Other(u32),
}

impl Reported {
    /// The meaning of a code. `None` for 0, which means no error.
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

/// Why the connection ended. Requests in flight get no reply, and it is unknown whether the daemon
/// executed them. Continue with [`crate::Client::start`] or [`crate::Client::reconnect`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Ended {
    /// The daemon's reply producer index is invalid: too far ahead, or moved backwards.
    ReplyIndex {
        /// Number of bytes in the ring according to it.
        used: u32,
    },
    /// The daemon's request consumer index is ahead of the bytes that we sent.
    RequestIndex {
        /// Number of bytes in the ring according to it.
        used: u32,
    },
    /// The daemon announced a packet longer than the protocol allows.
    PacketTooLong {
        /// The announced length of the payload.
        bytes: u32,
    },
    /// Our own indices were changed: the domain was introduced again, or restored.
    RingReset,
    /// The daemon reported an error and gave up the connection.
    Reported(Reported),
    /// The daemon sent too many unsolicited packets.
    Flooded,
}

impl Ended {
    /// The cause of the error.
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
