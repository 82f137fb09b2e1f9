//! The requests that a guest may send. A [`Request`] is a value: submitting it checks it once and
//! writes its payload into the outgoing queue.

use crate::outgoing::Outgoing;
use crate::path::{check_path, check_token};
use xen_types::DomId;

use crate::permission::Permission;
use crate::submit::SubmitError;
use crate::wire::{Decimal, op};

/// A transaction of the daemon, or [`Self::NONE`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransactionId(u32);

impl TransactionId {
    /// No transaction.
    pub const NONE: TransactionId = TransactionId(0);

    /// The transaction with the number that the daemon returned; `None` for 0.
    pub const fn of_number(number: u32) -> Option<TransactionId> {
        if number == 0 { None } else { Some(TransactionId(number)) }
    }

    /// The number on the wire.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// How to end a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Apply all changes at once. Succeeds only if no node that was read has changed.
    Commit,
    /// Discard all changes. Does not check the nodes that were read.
    Abort,
}

/// A request. Paths that do not begin with a slash are relative to the domain's home.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request<'a> {
    /// Returns the value of a node.
    Read {
        /// The node.
        path: &'a str,
    },
    /// Replaces the value of a node. Creates the node and its parents if they are missing.
    Write {
        /// The node.
        path: &'a str,
        /// Any bytes. Path, NUL and value together are at most 4096 bytes; quotas usually limit the
        /// node to 2048.
        value: &'a [u8],
    },
    /// Creates a node and its parents if they are missing. Does not change values.
    MakeDirectory {
        /// The node.
        path: &'a str,
    },
    /// Removes a node and its descendants.
    Remove {
        /// The node.
        path: &'a str,
    },
    /// Returns the names of a node's children. Fails if the list is longer than a packet; see
    /// [`crate::directory`].
    Directory {
        /// The node.
        path: &'a str,
    },
    /// Returns a part of that list, see [`crate::directory`]. Some daemons lack it (ENOSYS).
    DirectoryPart {
        /// The node.
        path: &'a str,
        /// Offset in the list, in bytes.
        offset: u32,
    },
    /// Returns the permissions of a node.
    GetPermissions {
        /// The node.
        path: &'a str,
    },
    /// Replaces the permissions of a node. Only its owner may do so.
    SetPermissions {
        /// The node.
        path: &'a str,
        /// At least one entry; the first names the owner.
        permissions: &'a [Permission],
    },
    /// Watches a node and its descendants. The first event arrives at once. Events may be lost,
    /// merged, late or spurious: treat each as a hint to read again.
    Watch {
        /// The node, which need not exist, or a special path such as `@releaseDomain`.
        path: &'a str,
        /// Returned with each event.
        token: &'a str,
    },
    /// Removes a watch. Events that were already sent still arrive.
    Unwatch {
        /// As passed to [`Request::Watch`].
        path: &'a str,
        /// As passed to [`Request::Watch`].
        token: &'a str,
    },
    /// Removes all watches and aborts all transactions of this domain. A kernel should send it
    /// first, because a predecessor may have left some.
    ResetWatches,
    /// Starts a transaction. A daemon under live update may delay the reply for up to a minute.
    TransactionStart,
    /// Ends the transaction in which it is submitted.
    TransactionEnd(Outcome),
    /// Returns the home path of a domain.
    GetDomainPath(DomId),
    /// Returns whether a domain is introduced. Daemons refuse this to guests (EACCES).
    IsDomainIntroduced(DomId),
    /// A command to the daemon itself. C xenstored refuses it to guests (EACCES); oxenstored
    /// acknowledges it and does nothing.
    Control(&'a [&'a str]),
}

/// The kind of a request, without its arguments.
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
    /// Number of kinds.
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

    /// Whether it may, must or must not be in a transaction.
    const fn scope(self) -> Scope {
        match self {
            RequestKind::Read
            | RequestKind::Write
            | RequestKind::MakeDirectory
            | RequestKind::Remove
            | RequestKind::Directory
            | RequestKind::DirectoryPart
            | RequestKind::GetPermissions
            | RequestKind::SetPermissions => Scope::Anywhere,
            RequestKind::TransactionEnd => Scope::Inside,
            // RESET_WATCHES inside a transaction crashes an unpatched daemon (XSA-484).
            RequestKind::Watch
            | RequestKind::Unwatch
            | RequestKind::ResetWatches
            | RequestKind::TransactionStart
            | RequestKind::GetDomainPath
            | RequestKind::IsDomainIntroduced
            | RequestKind::Control => Scope::Outside,
        }
    }
}

/// Where a kind of request is allowed, relative to a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Anywhere,
    Inside,
    Outside,
}

impl Request<'_> {
    /// The kind of this request.
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

    /// Checks the request, and whether it may be sent in `transaction`. Does not check its length,
    /// which is known only once it is written.
    ///
    /// # Errors
    /// [`SubmitError`]: the first violation found.
    pub fn check(&self, transaction: TransactionId) -> Result<(), SubmitError> {
        match (self.kind().scope(), transaction) {
            (Scope::Inside, TransactionId::NONE) => return Err(SubmitError::NoTransaction),
            (Scope::Outside, inside) if inside != TransactionId::NONE => {
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

    /// Writes the payload in the format that docs/misc/xenstore.txt defines for each operation.
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
            // An operation without arguments still carries one empty string.
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
