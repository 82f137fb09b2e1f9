//! Errors, their causes and the party at fault. [`Errno`] is the protocol's table, [`Refusal`] one
//! failed request, [`Ended`] the end of a connection. [`Cause`] and [`Fault`] classify them,
//! because daemons use different names for the same cause: a quota is ENOSPC, E2BIG or EQUOTA.

use core::fmt;

use crate::words::position;

pub use crate::cause::{Cause, Fault};
pub use crate::ended::{Ended, Reported};

/// The error names of the protocol (xs_wire.h, `xsd_errors`), and EQUOTA, which oxenstored sends
/// although the table lacks it (tools/ocaml/xenstored/process.ml).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Errno {
    /// The request is invalid.
    Einval,
    /// The node's permissions forbid it. C xenstored also returns this for an absent node below an
    /// unreadable parent; oxenstored returns [`Errno::Enoent`].
    Eacces,
    /// A watch with this path and token exists already.
    Eexist,
    /// The operation does not apply to a directory.
    Eisdir,
    /// No such node, watch or transaction.
    Enoent,
    /// The daemon is out of memory, or the transaction failed earlier.
    Enomem,
    /// A quota of the domain is used up, or the value is too large for a node.
    Enospc,
    /// The daemon failed. oxenstored also returns this for an unknown transaction.
    Eio,
    /// The directory is not empty.
    Enotempty,
    /// The daemon does not know the operation.
    Enosys,
    /// The store is read-only.
    Erofs,
    /// The operation conflicts with the current state, for instance a transaction inside a
    /// transaction.
    Ebusy,
    /// The transaction conflicts with another one: discard its reads and retry.
    Eagain,
    /// Connected already.
    Eisconn,
    /// Too large, or too many watches (C xenstored up to 4.21).
    E2big,
    /// The operation is restricted to privileged domains.
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
    /// The errno with this name.
    pub fn of_name(name: &[u8]) -> Option<Errno> {
        Errno::ALL.get(position(Errno::WORDS, name)?).copied()
    }

    /// The cause, the same for every daemon.
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

/// Most bytes of an unknown error name that are kept.
pub const ERROR_NAME_BYTES_MAX: usize = 24;

/// The name of an error that is not in the table, cut to [`ERROR_NAME_BYTES_MAX`] bytes, with
/// unprintable bytes replaced by `?`.
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

/// Why a reply is malformed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Malformed {
    /// Neither an error nor a reply of the requested kind.
    Kind {
        /// The operation in its header.
        op: u32,
    },
    /// An acknowledgement other than OK.
    Acknowledgement,
    /// A list of names that is not ASCII or does not end with a NUL.
    Names,
    /// An invalid number.
    Number,
    /// An invalid permission entry, or no entry at all.
    Permissions,
    /// A path that is not ASCII.
    Path,
    /// Neither T nor F.
    Answer,
}

/// Why one request failed. The connection stays usable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The daemon returned an error of the table.
    Errno(Errno),
    /// The daemon returned an error that is not in the table.
    Unknown(ErrorName),
    /// The reply does not match the request. It is unknown whether the daemon executed it.
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

    /// The cause of the error.
    pub const fn cause(&self) -> Cause {
        match self {
            Refusal::Errno(errno) => errno.cause(),
            Refusal::Unknown(_) => Cause::Unknown,
            Refusal::Malformed(_) => Cause::DaemonBrokeProtocol,
        }
    }

    /// The party at fault.
    pub const fn fault(&self) -> Fault {
        self.cause().fault()
    }

    /// The daemon's error name, or `malformed-reply`.
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
