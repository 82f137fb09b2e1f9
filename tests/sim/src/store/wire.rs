//! The wire format as the daemon sees it: message header, message types, error words.
//!
//! Deliberately apart from the `xenbus` crate: the store judges that crate's bytes, so it must not
//! share a line with it. Numbers and names are those of xen/include/public/io/xs_wire.h.

/// struct xsd_sockmsg: type, req_id, tx_id, len, four little-endian words.
pub const HEADER_BYTES: usize = 16;
/// XENSTORE_PAYLOAD_MAX: more than this kills the connection.
pub const PAYLOAD_BYTES_MAX: usize = 4096;
/// XENSTORE_RING_SIZE: bytes of each of the two rings.
pub const RING_BYTES: u32 = 1024;

/// A message header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// enum xsd_sockmsg_type, as it came.
    pub kind: u32,
    /// The client's number for the request, echoed.
    pub request: u32,
    /// The transaction, 0 for none.
    pub transaction: u32,
    /// Bytes of payload that follow.
    pub length: u32,
}

impl Header {
    /// Reads a header from its bytes.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Header {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Header { kind: word(0), request: word(4), transaction: word(8), length: word(12) }
    }

    /// The header's bytes.
    pub fn emit(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let words = [self.kind, self.request, self.transaction, self.length];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// Message types that a daemon of Xen 4.17 knows (enum xsd_sockmsg_type).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// XS_CONTROL
    Control = 0,
    /// XS_DIRECTORY
    Directory = 1,
    /// XS_READ
    Read = 2,
    /// XS_GET_PERMS
    GetPermissions = 3,
    /// XS_WATCH
    Watch = 4,
    /// XS_UNWATCH
    Unwatch = 5,
    /// XS_TRANSACTION_START
    TransactionStart = 6,
    /// XS_TRANSACTION_END
    TransactionEnd = 7,
    /// XS_INTRODUCE
    Introduce = 8,
    /// XS_RELEASE
    Release = 9,
    /// XS_GET_DOMAIN_PATH
    GetDomainPath = 10,
    /// XS_WRITE
    Write = 11,
    /// XS_MKDIR
    MakeDirectory = 12,
    /// XS_RM
    Remove = 13,
    /// XS_SET_PERMS
    SetPermissions = 14,
    /// XS_WATCH_EVENT: only ever sent by the daemon.
    WatchEvent = 15,
    /// XS_ERROR: only ever sent by the daemon.
    Error = 16,
    /// XS_IS_DOMAIN_INTRODUCED
    IsDomainIntroduced = 17,
    /// XS_RESUME
    Resume = 18,
    /// XS_SET_TARGET
    SetTarget = 19,
    /// XS_RESET_WATCHES
    ResetWatches = 21,
    /// XS_DIRECTORY_PART: unknown to oxenstored 4.17.
    DirectoryPart = 22,
}

impl Kind {
    /// The type of a number on the wire, if either daemon knows it.
    pub fn parse(number: u32) -> Option<Kind> {
        use Kind::{
            Control, Directory, DirectoryPart, Error, GetDomainPath, GetPermissions, Introduce,
            IsDomainIntroduced, MakeDirectory, Read, Release, Remove, ResetWatches, Resume,
            SetPermissions, SetTarget, TransactionEnd, TransactionStart, Unwatch, Watch,
            WatchEvent, Write,
        };
        [
            Control,
            Directory,
            Read,
            GetPermissions,
            Watch,
            Unwatch,
            TransactionStart,
            TransactionEnd,
            Introduce,
            Release,
            GetDomainPath,
            Write,
            MakeDirectory,
            Remove,
            SetPermissions,
            WatchEvent,
            Error,
            IsDomainIntroduced,
            Resume,
            SetTarget,
            ResetWatches,
            DirectoryPart,
        ]
        .into_iter()
        .find(|kind| *kind as u32 == number)
    }
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Errno {
    /// Not a path, not a number, not that many arguments.
    Einval,
    /// No permission.
    Eacces,
    /// The watch is there already.
    Eexist,
    /// No such node, transaction or watch.
    Enoent,
    /// Out of memory, or a transaction that an earlier failure has spoilt.
    Enomem,
    /// C xenstored: a quota, or a node record that is too large.
    Enospc,
    /// oxenstored: an unknown transaction.
    Eio,
    /// Unknown message type.
    Enosys,
    /// A transaction inside a transaction.
    Ebusy,
    /// The transaction met another one's changes.
    Eagain,
    /// C xenstored: too many watches. oxenstored: the value is too large. Both: the reply is.
    E2big,
    /// C xenstored: an owner that gives its node away.
    Eperm,
    /// oxenstored: a quota. In no header.
    Equota,
}

impl Errno {
    /// Every error there is.
    pub const ALL: [Errno; 13] = [
        Errno::Einval,
        Errno::Eacces,
        Errno::Eexist,
        Errno::Enoent,
        Errno::Enomem,
        Errno::Enospc,
        Errno::Eio,
        Errno::Enosys,
        Errno::Ebusy,
        Errno::Eagain,
        Errno::E2big,
        Errno::Eperm,
        Errno::Equota,
    ];

    /// The error of a word.
    pub fn from_word(word: &str) -> Option<Errno> {
        Errno::ALL.into_iter().find(|error| error.word() == word)
    }

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Errno::Einval => "EINVAL",
            Errno::Eacces => "EACCES",
            Errno::Eexist => "EEXIST",
            Errno::Enoent => "ENOENT",
            Errno::Enomem => "ENOMEM",
            Errno::Enospc => "ENOSPC",
            Errno::Eio => "EIO",
            Errno::Enosys => "ENOSYS",
            Errno::Ebusy => "EBUSY",
            Errno::Eagain => "EAGAIN",
            Errno::E2big => "E2BIG",
            Errno::Eperm => "EPERM",
            Errno::Equota => "EQUOTA",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_from_its_bytes() {
        let header = Header { kind: 11, request: 0xdead_beef, transaction: 3, length: 4096 };
        assert_eq!(Header::parse(&header.emit()), header);
    }

    #[test]
    fn number_20_is_no_message() {
        assert_eq!(Kind::parse(20), None);
        assert_eq!(Kind::parse(22), Some(Kind::DirectoryPart));
    }
}
