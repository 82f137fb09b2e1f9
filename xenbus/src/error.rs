//! What can go wrong, what it means and whose fault it is. [`Errno`] is the table of the protocol,
//! [`Refusal`] one request that was not carried out, [`Ended`] a connection that is over.
//! [`Cause`] and [`Fault`] sort them, because the same cause has different names under different
//! daemons: a quota is ENOSPC, E2BIG or EQUOTA.

use core::fmt;

use crate::words::position;

pub use crate::ended::{Ended, Reported};

/// The error names of the protocol (xs_wire.h, `xsd_errors`), and EQUOTA, which oxenstored sends
/// although the table lacks it (tools/ocaml/xenstored/process.ml).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Errno {
    /// The request makes no sense.
    Einval,
    /// The node's permissions forbid it. C xenstored also says so of an absent node below an
    /// unreadable parent; oxenstored says [`Errno::Enoent`].
    Eacces,
    /// A watch with this path and token is there already.
    Eexist,
    /// It cannot be done to a directory.
    Eisdir,
    /// No such node, watch or transaction.
    Enoent,
    /// The daemon has no memory left, or the transaction was spoilt by an earlier failure.
    Enomem,
    /// A quota of the domain is used up, or the value is too large for a node.
    Enospc,
    /// The daemon failed. oxenstored also says so of a transaction that it does not know.
    Eio,
    /// The directory is not empty.
    Enotempty,
    /// The daemon does not know the operation.
    Enosys,
    /// The store is read-only.
    Erofs,
    /// Something is in the way, for instance a transaction inside a transaction.
    Ebusy,
    /// The transaction met another one: throw away what was read and start again.
    Eagain,
    /// Connected already.
    Eisconn,
    /// Too large, or too many watches (C xenstored up to 4.21).
    E2big,
    /// Only a privileged domain may do that.
    Eperm,
    /// A quota of the domain is used up (oxenstored).
    Equota,
}

crate::words! {
    Errno,
    /// The name on the wire.
    fn name {
        Einval => "EINVAL",
        Eacces => "EACCES",
        Eexist => "EEXIST",
        Eisdir => "EISDIR",
        Enoent => "ENOENT",
        Enomem => "ENOMEM",
        Enospc => "ENOSPC",
        Eio => "EIO",
        Enotempty => "ENOTEMPTY",
        Enosys => "ENOSYS",
        Erofs => "EROFS",
        Ebusy => "EBUSY",
        Eagain => "EAGAIN",
        Eisconn => "EISCONN",
        E2big => "E2BIG",
        Eperm => "EPERM",
        Equota => "EQUOTA",
    }
}

impl Errno {
    /// The errno that a name stands for.
    pub fn of_name(name: &[u8]) -> Option<Errno> {
        Errno::ALL.get(position(Errno::WORDS, name)?).copied()
    }

    /// What it means for the caller, whichever daemon said it.
    pub const fn cause(self) -> Cause {
        match self {
            Errno::Einval | Errno::Eisdir | Errno::Enotempty => Cause::Invalid,
            Errno::Enoent => Cause::Absent,
            Errno::Eacces | Errno::Erofs => Cause::Permission,
            Errno::Eperm => Cause::Privilege,
            Errno::Eexist | Errno::Eisconn => Cause::Exists,
            Errno::Enospc | Errno::E2big | Errno::Equota => Cause::Quota,
            Errno::Eagain => Cause::Conflict,
            Errno::Ebusy => Cause::Busy,
            Errno::Enosys => Cause::Unsupported,
            Errno::Enomem | Errno::Eio => Cause::DaemonFailed,
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What stands behind an error, under whatever name it came.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The request makes no sense.
    Invalid,
    /// There is no such node, watch or transaction.
    Absent,
    /// It is there already.
    Exists,
    /// The node's owner has not given the permission. Under C xenstored a missing node below an
    /// unreadable parent cannot be told from that.
    Permission,
    /// Only a privileged domain may do that.
    Privilege,
    /// The hypervisor keeps unprivileged domains apart (XSM in SILO mode). The store never says
    /// that: it comes from a hypercall, see [`Cause::of_hypercall`].
    Isolation,
    /// A quota of our domain is used up, or the value is too large for one node.
    Quota,
    /// A transaction met another one.
    Conflict,
    /// Something is in the way for the moment.
    Busy,
    /// The daemon does not know the operation.
    Unsupported,
    /// The daemon could not, through no fault of ours.
    DaemonFailed,
    /// The daemon said something that the protocol does not allow.
    DaemonBrokeProtocol,
    /// The daemon does not answer, see [`crate::stall`].
    Stalled,
    /// The daemon named an error that this crate does not know.
    Unknown,
}

crate::words! {
    Cause,
    /// One word for logs.
    fn word {
        Invalid => "invalid",
        Absent => "absent",
        Exists => "exists",
        Permission => "permission",
        Privilege => "privilege",
        Isolation => "isolation",
        Quota => "quota",
        Conflict => "conflict",
        Busy => "busy",
        Unsupported => "unsupported",
        DaemonFailed => "daemon-failed",
        DaemonBrokeProtocol => "daemon-broke-protocol",
        Stalled => "stalled",
        Unknown => "unknown",
    }
}

impl Cause {
    /// What a refused event-channel or grant hypercall means for a domain that tries to reach
    /// another unprivileged one (xen/include/public/errno.h; xen/xsm/silo.c answers EPERM).
    /// `errno` is positive.
    pub const fn of_hypercall(errno: u32) -> Cause {
        match errno {
            1 => Cause::Isolation,
            3 => Cause::Absent,
            12 | 28 => Cause::Quota,
            13 => Cause::Permission,
            16 => Cause::Busy,
            17 => Cause::Exists,
            22 => Cause::Invalid,
            38 => Cause::Unsupported,
            _ => Cause::Unknown,
        }
    }

    /// Whose fault that is.
    pub const fn fault(self) -> Fault {
        match self {
            Cause::Invalid => Fault::Caller,
            Cause::Absent | Cause::Exists | Cause::Conflict | Cause::Busy => Fault::Circumstance,
            Cause::Permission => Fault::Owner,
            Cause::Privilege | Cause::Isolation | Cause::Quota | Cause::Unsupported => {
                Fault::Configuration
            }
            Cause::DaemonFailed | Cause::DaemonBrokeProtocol | Cause::Stalled | Cause::Unknown => {
                Fault::Daemon
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Who has to change something before it can succeed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// The program that made the request.
    Caller,
    /// Nobody: the state of the store at that moment.
    Circumstance,
    /// The owner of the node, who gave no permission.
    Owner,
    /// Whoever set up the host or this domain: privilege, quota, isolation, version.
    Configuration,
    /// The xenstore daemon.
    Daemon,
}

/// The most bytes of an unknown error name that are kept.
pub const ERROR_NAME_BYTES_MAX: usize = 24;

/// The name of an error that is not in the table, cut to [`ERROR_NAME_BYTES_MAX`] bytes and with
/// everything unprintable replaced by `?`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorName {
    bytes: [u8; ERROR_NAME_BYTES_MAX],
    length: u8,
}

impl ErrorName {
    /// Copies a name.
    pub fn new(name: &[u8]) -> ErrorName {
        let mut bytes = [0; ERROR_NAME_BYTES_MAX];
        let mut length = 0;
        for (kept, &byte) in bytes.iter_mut().zip(name) {
            *kept = if byte.is_ascii_graphic() { byte } else { b'?' };
            length += 1;
        }
        ErrorName { bytes, length }
    }

    /// The name, printable ASCII.
    pub fn as_str(&self) -> &str {
        let kept = self.bytes.get(..usize::from(self.length)).unwrap_or(&[]);
        core::str::from_utf8(kept).unwrap_or("")
    }
}

/// In which way a reply was not one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Malformed {
    /// Neither an error nor of the kind that was asked for.
    Kind {
        /// The operation that it claims to answer.
        op: u32,
    },
    /// An acknowledgement that does not say OK.
    Acknowledgement,
    /// A list of names that is not ASCII or does not end with a NUL.
    Names,
    /// A number that is not one.
    Number,
    /// An entry that is no permission, or no entry at all.
    Permissions,
    /// A path that is not ASCII.
    Path,
    /// Neither T nor F.
    Answer,
}

/// Why one request was not carried out. The connection goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The daemon named an error of the table.
    Errno(Errno),
    /// The daemon named an error that is not in the table.
    Unknown(ErrorName),
    /// What the daemon sent is no reply to this request; whether it was carried out is not known.
    Malformed(Malformed),
}

impl Refusal {
    /// Reads the payload of an error packet.
    pub fn parse(payload: &[u8]) -> Refusal {
        let name = payload.split(|byte| *byte == 0).next().unwrap_or(&[]);
        match Errno::of_name(name) {
            Some(errno) => Refusal::Errno(errno),
            None => Refusal::Unknown(ErrorName::new(name)),
        }
    }

    /// What stands behind it.
    pub const fn cause(&self) -> Cause {
        match self {
            Refusal::Errno(errno) => errno.cause(),
            Refusal::Unknown(_) => Cause::Unknown,
            Refusal::Malformed(_) => Cause::DaemonBrokeProtocol,
        }
    }

    /// Whose fault it is.
    pub const fn fault(&self) -> Fault {
        self.cause().fault()
    }

    /// The name that the daemon gave, or one for a reply that was none.
    pub fn name(&self) -> &str {
        match self {
            Refusal::Errno(errno) => errno.name(),
            Refusal::Unknown(name) => name.as_str(),
            Refusal::Malformed(_) => "malformed-reply",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {} ({})", self.name(), self.cause())
    }
}

impl core::error::Error for Refusal {}
