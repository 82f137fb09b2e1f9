//! The events of a link. Every down has a reason and a means of detection, and every refusal has a
//! name (docs/protocol.md §1, §5). Consoles and reports print these names.

use core::fmt;

use crate::connection::{PrepareError, Released};
use crate::epoch::Epoch;
use crate::ids::{ConnectionId, DomId};
use crate::message::RefuseReason;

/// An event of a link. Events are reported in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event<'a> {
    /// There is no introduction yet: the link waits for the toolstack. Reported once per wait.
    Waiting,
    /// The toolstack has introduced the peer.
    Introduced {
        /// The peer's domid.
        peer: DomId,
        /// The introduction's number, which distinguishes successive introductions.
        number: u32,
    },
    /// A session began: messages can be sent until [`Event::Down`].
    Up {
        /// This side's epoch in the session.
        epoch: Epoch,
        /// The peer's.
        peer_epoch: Epoch,
    },
    /// The session ended.
    Down {
        /// Why.
        reason: DownReason,
        /// How this side found out.
        detected_by: DetectedBy,
        /// The number of application messages whose outcome is unknown. An [`Event::Unknown`]
        /// follows for each.
        unknown: u16,
    },
    /// An application message of the ended session that was not acknowledged: the peer may or may
    /// not have received it.
    Unknown(&'a [u8]),
    /// A message from the peer's application.
    Message(&'a [u8]),
    /// The connection is established: data can flow until [`Event::Disconnected`].
    Connected {
        /// Its number.
        number: ConnectionId,
    },
    /// The peer asks to end the connection. The front disconnects automatically.
    Closing {
        /// The connection's number.
        number: ConnectionId,
    },
    /// A connection ended, after [`Event::Connected`] or because it was given up before.
    Disconnected {
        /// Its number.
        number: ConnectionId,
        /// How the connection ended.
        end: End,
        /// The state of the pages. A back, which owns no pages, reports [`Released::Freed`].
        released: Released,
    },
    /// A connection was refused.
    Refused {
        /// Its number.
        number: ConnectionId,
        /// Why.
        reason: ConnectRefused,
    },
    /// An anomaly without consequences, reported once.
    Notice(Notice),
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// By DISCONNECT and DISCONNECTED.
    InOrder,
    /// By the end of the session: data in transit may be lost.
    SessionEnded,
}

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectRefused {
    /// This domain could not prepare the connection. Nothing was sent.
    Here(PrepareError),
    /// The back refused it.
    ByBack(RefuseReason),
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DownReason {
    /// More beats were missed than the limit allows (rule S11).
    BeatsMissed,
    /// The peer's register has a new from-epoch: the peer restarted, or considered this side dead
    /// (rule S7).
    PeerRestarted,
    /// The toolstack introduced another domain (rule S1').
    Reintroduced,
    /// A WRITE to the peer's mailbox was refused: the mailbox or the peer's domain is gone.
    WriteRefused,
    /// The connection's port has lost its other end.
    PortUnbound,
    /// No domain with the peer's domid exists.
    PeerGone,
    /// The front has closed the fence: it considered this side dead.
    Fenced,
    /// The peer broke the protocol.
    Protocol(Breach),
    /// The endpoint was restarted in place.
    Restarted,
    /// The domain was suspended and resumed, which invalidates all local state.
    Resumed,
}

/// A breach of the protocol by the peer. Loss, repetition or reordering cannot cause any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Breach {
    /// It acknowledged a message that was never sent.
    AckBeyondSent,
    /// Its register starts after the next expected message.
    Gap,
    /// A message is neither a valid control message nor an application message.
    BadMessage,
    /// A CONNECT before the terminal answer to the last one, or with a number that is not new (rule
    /// D1).
    UnexpectedConnect,
    /// A message that only the other role may send.
    WrongRole,
    /// Sequence numbers ran out: 2^32 - 1 messages in one session.
    NumbersSpent,
}

/// How the end of a session was detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DetectedBy {
    /// The peer's register.
    Register,
    /// The connection's page header.
    Page,
    /// The introduction.
    Introduction,
    /// Xenstore's answer to a WRITE.
    Store,
    /// The state of the connection's port.
    Port,
    /// Xen's answer about the peer's domain.
    Hypervisor,
    /// This side ended the session itself.
    Own,
}

/// An anomaly that is worth a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Notice {
    /// The mailbox does not contain a valid register.
    GarbageMailbox,
    /// The introduction is not `<domid> <number>`.
    GarbageIntroduction,
    /// The mailbox of an introduced link was absent; it is recreated.
    MailboxAbsent,
    /// The mailbox was lost repeatedly; the link waits before it recreates the mailbox again.
    MailboxKeepsVanishing,
    /// Stray nodes below the mailbox, which are removed.
    StrayNodes,
    /// The peer's mailbox cannot be written yet: the peer is not running or not introduced.
    PeerNotReady,
    /// The daemon refused a request because of a quota.
    Quota,
    /// The daemon unexpectedly refused a request on this domain's own nodes.
    StoreRefused,
    /// Xen refused to unmap pages of the peer; the link retries.
    UnmapRefused,
}

impl DownReason {
    /// The name used in logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::BeatsMissed => "beats-missed",
            Self::PeerRestarted => "peer-restarted",
            Self::Reintroduced => "reintroduced",
            Self::WriteRefused => "write-refused",
            Self::PortUnbound => "port-unbound",
            Self::PeerGone => "peer-gone",
            Self::Fenced => "fenced",
            Self::Protocol(breach) => breach.word(),
            Self::Restarted => "restarted",
            Self::Resumed => "resumed",
        }
    }
}

xenbus::words! {
    Breach,
    /// The name used in logs.
    fn word {
        AckBeyondSent => "protocol-ack-beyond-sent",
        Gap => "protocol-gap",
        BadMessage => "protocol-bad-message",
        UnexpectedConnect => "protocol-unexpected-connect",
        WrongRole => "protocol-wrong-role",
        NumbersSpent => "numbers-spent",
    }
}

xenbus::words! {
    DetectedBy,
    /// The name used in logs.
    fn word {
        Register => "register",
        Page => "page",
        Introduction => "introduction",
        Store => "store",
        Port => "port",
        Hypervisor => "hypervisor",
        Own => "own",
    }
}

xenbus::words! {
    Notice,
    /// The name used in logs, with words joined by dashes.
    fn word {
        GarbageMailbox => "mailbox-holds-garbage",
        GarbageIntroduction => "introduction-is-garbage",
        MailboxAbsent => "mailbox-absent",
        MailboxKeepsVanishing => "mailbox-keeps-vanishing",
        StrayNodes => "stray-nodes-removed",
        PeerNotReady => "peer-not-ready",
        Quota => "store-quota",
        StoreRefused => "store-refused-own-node",
        UnmapRefused => "unmap-refused",
    }
}

impl ConnectRefused {
    /// The name used in logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Here(error) => error.word(),
            Self::ByBack(reason) => reason.word(),
        }
    }
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for DetectedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for ConnectRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
