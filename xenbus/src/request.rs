//! Every request that a guest may send. A [`Request`] is a value; putting it on the wire checks it
//! once and writes its payload straight into the outgoing buffer. Neighbours: `outgoing` holds the
//! bytes, [`crate::reply`] is what comes back.

use crate::outgoing::Outgoing;
use crate::path::{check_path, check_token};
use xen_types::DomId;

use crate::permission::Permission;
use crate::submit::SubmitError;
use crate::wire::{Decimal, op};

/// A transaction of the daemon, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransactionId(u32);

impl TransactionId {
    /// Outside of any transaction.
    pub const NONE: TransactionId = TransactionId(0);

    /// The transaction of this number, as the daemon gave it; 0 is no transaction.
    pub const fn of_number(number: u32) -> Option<TransactionId> {
        if number == 0 { None } else { Some(TransactionId(number)) }
    }

    /// The number on the wire.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// How a transaction is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Make it all happen at once, and say whether what was read was true at one moment.
    Commit,
    /// Forget it. Says nothing about what was read.
    Abort,
}

/// A request. Paths that do not begin with a slash are relative to the domain's home.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request<'a> {
    /// The value of a node.
    Read {
        /// The node.
        path: &'a str,
    },
    /// Replaces the value of a node, and creates it and its parents where they are missing.
    Write {
        /// The node.
        path: &'a str,
        /// Any bytes. Path, NUL and value are at most 4096 bytes; quotas allow less, as a rule
        /// 2048 for the node.
        value: &'a [u8],
    },
    /// Creates a node, and its parents, where they are missing; leaves values alone.
    MakeDirectory {
        /// The node.
        path: &'a str,
    },
    /// Removes a node and all below it.
    Remove {
        /// The node.
        path: &'a str,
    },
    /// The names of a node's children. Fails where the list is longer than a packet: then see
    /// [`crate::directory`].
    Directory {
        /// The node.
        path: &'a str,
    },
    /// A part of that list, see [`crate::directory`]. Not every daemon knows it (ENOSYS).
    DirectoryPart {
        /// The node.
        path: &'a str,
        /// How many bytes of the list to leave out.
        offset: u32,
    },
    /// The permissions of a node.
    GetPermissions {
        /// The node.
        path: &'a str,
    },
    /// Replaces the permissions of a node, which only its owner may.
    SetPermissions {
        /// The node.
        path: &'a str,
        /// At least one; the first names the owner.
        permissions: &'a [Permission],
    },
    /// Asks for events about a node and all below it. There is one at once. Events may be lost,
    /// merged, late or without reason: take each as a hint to read again.
    Watch {
        /// The node, which need not exist, or a special path such as `@releaseDomain`.
        path: &'a str,
        /// Comes back with each event.
        token: &'a str,
    },
    /// Takes a watch back. Events that are under way still arrive.
    Unwatch {
        /// As it was given to [`Request::Watch`].
        path: &'a str,
        /// As it was given to [`Request::Watch`].
        token: &'a str,
    },
    /// Takes back all watches and gives up all transactions of this domain: the first request of
    /// a kernel that cannot know what ran before it.
    ResetWatches,
    /// Starts a transaction. A daemon under live update lets it wait for up to a minute.
    TransactionStart,
    /// Ends the transaction in which it is submitted.
    TransactionEnd(Outcome),
    /// The home of a domain.
    GetDomainPath(DomId),
    /// Whether the daemon talks to a domain. Daemons refuse this to guests (EACCES).
    IsDomainIntroduced(DomId),
    /// A command to the daemon itself. C xenstored refuses it to guests (EACCES); oxenstored says
    /// that it is done, and does nothing.
    Control(&'a [&'a str]),
}

/// Which request it is, without what it is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum RequestKind {
    /// [`Request::Read`]
    Read,
    /// [`Request::Write`]
    Write,
    /// [`Request::MakeDirectory`]
    MakeDirectory,
    /// [`Request::Remove`]
    Remove,
    /// [`Request::Directory`]
    Directory,
    /// [`Request::DirectoryPart`]
    DirectoryPart,
    /// [`Request::GetPermissions`]
    GetPermissions,
    /// [`Request::SetPermissions`]
    SetPermissions,
    /// [`Request::Watch`]
    Watch,
    /// [`Request::Unwatch`]
    Unwatch,
    /// [`Request::ResetWatches`]
    ResetWatches,
    /// [`Request::TransactionStart`]
    TransactionStart,
    /// [`Request::TransactionEnd`]
    TransactionEnd,
    /// [`Request::GetDomainPath`]
    GetDomainPath,
    /// [`Request::IsDomainIntroduced`]
    IsDomainIntroduced,
    /// [`Request::Control`]
    Control,
}

crate::words! {
    RequestKind,
    /// The name of the operation in the protocol.
    fn name {
        Read => "READ",
        Write => "WRITE",
        MakeDirectory => "MKDIR",
        Remove => "RM",
        Directory => "DIRECTORY",
        DirectoryPart => "DIRECTORY_PART",
        GetPermissions => "GET_PERMS",
        SetPermissions => "SET_PERMS",
        Watch => "WATCH",
        Unwatch => "UNWATCH",
        ResetWatches => "RESET_WATCHES",
        TransactionStart => "TRANSACTION_START",
        TransactionEnd => "TRANSACTION_END",
        GetDomainPath => "GET_DOMAIN_PATH",
        IsDomainIntroduced => "IS_DOMAIN_INTRODUCED",
        Control => "CONTROL",
    }
}

impl RequestKind {
    /// How many kinds there are.
    pub const COUNT: usize = 16;

    /// The operation's number on the wire.
    pub const fn op(self) -> u32 {
        match self {
            RequestKind::Read => op::READ,
            RequestKind::Write => op::WRITE,
            RequestKind::MakeDirectory => op::MKDIR,
            RequestKind::Remove => op::RM,
            RequestKind::Directory => op::DIRECTORY,
            RequestKind::DirectoryPart => op::DIRECTORY_PART,
            RequestKind::GetPermissions => op::GET_PERMS,
            RequestKind::SetPermissions => op::SET_PERMS,
            RequestKind::Watch => op::WATCH,
            RequestKind::Unwatch => op::UNWATCH,
            RequestKind::ResetWatches => op::RESET_WATCHES,
            RequestKind::TransactionStart => op::TRANSACTION_START,
            RequestKind::TransactionEnd => op::TRANSACTION_END,
            RequestKind::GetDomainPath => op::GET_DOMAIN_PATH,
            RequestKind::IsDomainIntroduced => op::IS_DOMAIN_INTRODUCED,
            RequestKind::Control => op::CONTROL,
        }
    }

    /// Whether it may, must or must not stand in a transaction.
    const fn place(self) -> Place {
        match self {
            RequestKind::Read
            | RequestKind::Write
            | RequestKind::MakeDirectory
            | RequestKind::Remove
            | RequestKind::Directory
            | RequestKind::DirectoryPart
            | RequestKind::GetPermissions
            | RequestKind::SetPermissions => Place::Anywhere,
            RequestKind::TransactionEnd => Place::Inside,
            // RESET_WATCHES inside a transaction crashes an unpatched daemon (XSA-484).
            RequestKind::Watch
            | RequestKind::Unwatch
            | RequestKind::ResetWatches
            | RequestKind::TransactionStart
            | RequestKind::GetDomainPath
            | RequestKind::IsDomainIntroduced
            | RequestKind::Control => Place::Outside,
        }
    }
}

/// Where a kind of request may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere,
    Inside,
    Outside,
}

impl Request<'_> {
    /// Which kind it is.
    pub const fn kind(&self) -> RequestKind {
        match self {
            Request::Read { .. } => RequestKind::Read,
            Request::Write { .. } => RequestKind::Write,
            Request::MakeDirectory { .. } => RequestKind::MakeDirectory,
            Request::Remove { .. } => RequestKind::Remove,
            Request::Directory { .. } => RequestKind::Directory,
            Request::DirectoryPart { .. } => RequestKind::DirectoryPart,
            Request::GetPermissions { .. } => RequestKind::GetPermissions,
            Request::SetPermissions { .. } => RequestKind::SetPermissions,
            Request::Watch { .. } => RequestKind::Watch,
            Request::Unwatch { .. } => RequestKind::Unwatch,
            Request::ResetWatches => RequestKind::ResetWatches,
            Request::TransactionStart => RequestKind::TransactionStart,
            Request::TransactionEnd(_) => RequestKind::TransactionEnd,
            Request::GetDomainPath(_) => RequestKind::GetDomainPath,
            Request::IsDomainIntroduced(_) => RequestKind::IsDomainIntroduced,
            Request::Control(_) => RequestKind::Control,
        }
    }

    /// Says whether the request may be sent in `transaction`.
    ///
    /// # Errors
    /// What is wrong with it; its length is known only once it is written.
    pub fn check(&self, transaction: TransactionId) -> Result<(), SubmitError> {
        match (self.kind().place(), transaction) {
            (Place::Inside, TransactionId::NONE) => return Err(SubmitError::NoTransaction),
            (Place::Outside, inside) if inside != TransactionId::NONE => {
                return Err(SubmitError::InTransaction);
            }
            _ => {}
        }
        match self {
            Request::Read { path }
            | Request::Write { path, .. }
            | Request::MakeDirectory { path }
            | Request::Remove { path }
            | Request::Directory { path }
            | Request::DirectoryPart { path, .. }
            | Request::GetPermissions { path } => check_path(path).map_err(SubmitError::Path),
            Request::SetPermissions { path, permissions } => {
                if permissions.is_empty() {
                    return Err(SubmitError::NoPermissions);
                }
                check_path(path).map_err(SubmitError::Path)
            }
            Request::Watch { path, token } | Request::Unwatch { path, token } => {
                check_token(token).map_err(SubmitError::Token)?;
                check_path(path).map_err(SubmitError::Path)
            }
            Request::Control(words) => {
                words.iter().try_for_each(|word| check_token(word)).map_err(SubmitError::Token)
            }
            Request::ResetWatches
            | Request::TransactionStart
            | Request::TransactionEnd(_)
            | Request::GetDomainPath(_)
            | Request::IsDomainIntroduced(_) => Ok(()),
        }
    }

    /// Writes the payload (docs/misc/xenstore.txt gives it for each operation).
    pub(crate) fn write_payload(&self, out: &mut Outgoing) {
        match self {
            Request::Read { path }
            | Request::MakeDirectory { path }
            | Request::Remove { path }
            | Request::Directory { path }
            | Request::GetPermissions { path } => out.put_string(path.as_bytes()),
            Request::Write { path, value } => {
                out.put_string(path.as_bytes());
                out.put(value);
            }
            Request::DirectoryPart { path, offset } => {
                out.put_string(path.as_bytes());
                out.put_string(Decimal::new(*offset).bytes());
            }
            Request::SetPermissions { path, permissions } => {
                out.put_string(path.as_bytes());
                for permission in *permissions {
                    out.put(&[permission.access.letter()]);
                    out.put_string(permission.digits().bytes());
                }
            }
            Request::Watch { path, token } | Request::Unwatch { path, token } => {
                out.put_string(path.as_bytes());
                out.put_string(token.as_bytes());
            }
            // An operation without arguments still has one empty string.
            Request::ResetWatches | Request::TransactionStart => out.put_string(b""),
            Request::TransactionEnd(Outcome::Commit) => out.put_string(b"T"),
            Request::TransactionEnd(Outcome::Abort) => out.put_string(b"F"),
            Request::GetDomainPath(domain) | Request::IsDomainIntroduced(domain) => {
                out.put_string(Decimal::new(u32::from(domain.0)).bytes());
            }
            Request::Control(words) => {
                for word in *words {
                    out.put_string(word.as_bytes());
                }
            }
        }
    }
}
