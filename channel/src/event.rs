//! What a link tells its user, and why things ended: every down has a reason and how it was detected, every
//! refusal one name (docs/protocol.md §1, §5). The words are the ones that consoles and reports
//! print.

use core::fmt;

use crate::connection::{PrepareError, Released};
use crate::epoch::Epoch;
use crate::ids::{ConnectionId, DomId};
use crate::message::RefuseReason;

/// Something that happened on a link, in the order in which it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event<'a> {
    /// There is no introduction yet: the link waits for the toolstack. Reported once per wait.
    Waiting,
    /// The toolstack named the peer. The number tells one introduction from the next.
    Introduced {
        /// The peer's domid.
        peer: DomId,
        /// The introduction's number.
        number: u32,
    },
    /// A session began: messages may be sent until [`Event::Down`].
    Up {
        /// The own epoch of the session.
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
        /// Application messages whose outcome is unknown; each follows as [`Event::Unknown`].
        unknown: u16,
    },
    /// An application message that was sent in the session that ended and not acknowledged: the
    /// peer may have it or not.
    Unknown(&'a [u8]),
    /// A message from the peer's application.
    Message(&'a [u8]),
    /// The connection is there: data may flow until [`Event::Disconnected`].
    Connected {
        /// Its number.
        number: ConnectionId,
    },
    /// The peer asks to end the connection. The front disconnects by itself.
    Closing {
        /// The connection's number.
        number: ConnectionId,
    },
    /// A connection ended that had been [`Event::Connected`], or was given up before that.
    Disconnected {
        /// Its number.
        number: ConnectionId,
        /// Whether in order or by the session's end.
        end: End,
        /// What became of the pages. A back has none of its own and says [`Released::Freed`].
        released: Released,
    },
    /// A CONNECT came to nothing.
    Refused {
        /// Its number.
        number: ConnectionId,
        /// Why.
        reason: ConnectRefused,
    },
    /// Something odd that changes nothing, named once.
    Notice(Notice),
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// By DISCONNECT and DISCONNECTED.
    InOrder,
    /// By the end of the session, with whatever it carried in doubt.
    SessionEnded,
}

/// Why a CONNECT came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectRefused {
    /// The own domain could not prepare it: nothing was sent.
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
    /// The peer's register has a new from-epoch: it restarted, or took us for dead (rule S7).
    PeerRestarted,
    /// The toolstack introduced another domain (rule S1').
    Reintroduced,
    /// A WRITE of this session to the peer's mailbox was refused: it, or its domain, is gone.
    WriteRefused,
    /// The connection's port has lost its other end.
    PortUnbound,
    /// No domain with the peer's domid exists.
    PeerGone,
    /// The front has closed the fence: it took us for dead.
    Fenced,
    /// The peer broke the protocol.
    Protocol(Breach),
    /// This endpoint was restarted in place.
    Restarted,
    /// The domain was suspended and resumed: everything local is gone.
    Resumed,
}

/// How a peer can break the protocol. None of these can come from losing, repeating or
/// reordering what it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Breach {
    /// It acknowledged what was never sent.
    AckBeyondSent,
    /// Its register begins after the next message due.
    Gap,
    /// A delivered message is neither a control message nor one of the application's.
    BadMessage,
    /// A CONNECT while another has had no terminal answer (rule D1), or one that a front got.
    UnexpectedConnect,
    /// An answer that belongs to the other role.
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
    /// The own port's state.
    Port,
    /// Xen, asked for the peer's domain.
    Hypervisor,
    /// This side itself.
    Own,
}

/// An oddity worth one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Notice {
    /// The mailbox holds something that is no register.
    GarbageMailbox,
    /// The introduction is not `<domid> <number>`.
    GarbageIntroduction,
    /// The mailbox was absent although the link is introduced; it is made again.
    MailboxAbsent,
    /// The mailbox vanishes again and again; the link rests for a while before the next try.
    MailboxKeepsVanishing,
    /// Nodes below the mailbox, which are removed.
    StrayNodes,
    /// The peer's mailbox cannot be written yet: it waits for its introduction, or is not there.
    PeerNotReady,
    /// The daemon refused a request for want of quota.
    Quota,
    /// The daemon refused a request on the own nodes, which it should not.
    StoreRefused,
    /// Xen refused to unmap pages of the peer; it is tried again.
    UnmapRefused,
}

impl DownReason {
    /// The word that is printed.
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
    /// The word that is printed.
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
    /// The word that is printed.
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
    /// The words that are printed, joined by dashes.
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
    /// The word that is printed.
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
