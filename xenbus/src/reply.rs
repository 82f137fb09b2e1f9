//! What the daemon answers and what it reports by itself, as checked values that borrow from the
//! packet. A payload is read once, here; whatever does not fit the request is [`Malformed`].

use crate::error::Malformed;
use crate::permission::Permission;
use crate::request::{RequestKind, TransactionId};
use crate::wire::{parse_decimal, parse_decimal_u64};

/// What a request was answered with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply<'a> {
    /// It is done: WRITE, MKDIR, RM, SET_PERMS, WATCH, UNWATCH, RESET_WATCHES, TRANSACTION_END.
    Done,
    /// READ: the value, any bytes.
    Value(&'a [u8]),
    /// DIRECTORY: the names of the children.
    Names(Names<'a>),
    /// DIRECTORY_PART: some of the names.
    Part(Part<'a>),
    /// GET_PERMS: the entries, at least one.
    Permissions(Permissions<'a>),
    /// TRANSACTION_START: the transaction.
    Transaction(TransactionId),
    /// GET_DOMAIN_PATH: the home of the domain.
    DomainPath(&'a str),
    /// IS_DOMAIN_INTRODUCED: the answer.
    Introduced(Introduced),
    /// CONTROL: whatever the daemon said.
    Control(&'a [u8]),
}

/// Whether the daemon talks to a domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Introduced {
    /// It does.
    Yes,
    /// It does not.
    No,
}

impl<'a> Reply<'a> {
    /// Reads the payload of a reply to a request of `kind`.
    ///
    /// # Errors
    /// In which way it is none; the fault is the daemon's.
    pub fn parse(kind: RequestKind, payload: &'a [u8]) -> Result<Reply<'a>, Malformed> {
        match kind {
            RequestKind::Read => Ok(Reply::Value(payload)),
            RequestKind::Control => Ok(Reply::Control(payload)),
            RequestKind::Directory => Names::parse(payload).map(Reply::Names),
            RequestKind::DirectoryPart => Part::parse(payload).map(Reply::Part),
            RequestKind::GetPermissions => Permissions::parse(payload).map(Reply::Permissions),
            RequestKind::TransactionStart => parse_decimal(until_nul(payload))
                .and_then(TransactionId::of_number)
                .map(Reply::Transaction)
                .ok_or(Malformed::Number),
            RequestKind::GetDomainPath => {
                text(until_nul(payload)).map(Reply::DomainPath).ok_or(Malformed::Path)
            }
            RequestKind::IsDomainIntroduced => match until_nul(payload) {
                b"T" => Ok(Reply::Introduced(Introduced::Yes)),
                b"F" => Ok(Reply::Introduced(Introduced::No)),
                _ => Err(Malformed::Answer),
            },
            RequestKind::Write
            | RequestKind::MakeDirectory
            | RequestKind::Remove
            | RequestKind::SetPermissions
            | RequestKind::Watch
            | RequestKind::Unwatch
            | RequestKind::ResetWatches
            | RequestKind::TransactionEnd => match until_nul(payload) {
                b"OK" => Ok(Reply::Done),
                _ => Err(Malformed::Acknowledgement),
            },
        }
    }
}

/// A report that something below a watched path may have changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WatchEvent<'a> {
    /// What changed, or the watched path itself. Relative if the watch was.
    pub path: &'a str,
    /// The token of the watch, which may have been taken back meanwhile.
    pub token: &'a str,
}

impl<'a> WatchEvent<'a> {
    /// Reads the payload of an event: path, NUL, token, NUL.
    pub fn parse(payload: &'a [u8]) -> Option<WatchEvent<'a>> {
        let (path, rest) = split_at_nul(text(payload)?)?;
        let (token, _) = split_at_nul(rest)?;
        Some(WatchEvent { path, token })
    }
}

/// Names of children, in the daemon's order.
///
/// ```
/// let names = xenbus::reply::Names::parse(b"cpu\0memory\0").unwrap();
/// assert!(names.eq(["cpu", "memory"]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Names<'a> {
    /// Names, each with the NUL that ends it.
    rest: &'a str,
}

impl<'a> Names<'a> {
    /// No names at all.
    pub const EMPTY: Names<'static> = Names { rest: "" };

    /// Reads a list of names, each ended by a NUL.
    ///
    /// # Errors
    /// [`Malformed::Names`] if it is none.
    pub fn parse(payload: &'a [u8]) -> Result<Names<'a>, Malformed> {
        let rest = text(payload).ok_or(Malformed::Names)?;
        if !rest.is_empty() && !rest.ends_with('\0') {
            return Err(Malformed::Names);
        }
        Ok(Names { rest })
    }

    /// The names as they travel, each with its NUL.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.rest.as_bytes()
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let (name, rest) = split_at_nul(self.rest)?;
            self.rest = rest;
            if !name.is_empty() {
                return Some(name);
            }
        }
    }
}

/// A part of a node's list of children.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part<'a> {
    /// Changes whenever the node does: parts of different generations do not belong together.
    pub generation: u64,
    /// The names in this part.
    pub names: Names<'a>,
    /// Whether the list goes on.
    pub rest: Rest,
}

/// Whether there is more behind a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// There is more, from the offset behind this part.
    More,
    /// That was the last part.
    Nothing,
}

impl<'a> Part<'a> {
    /// Reads a part: the generation, NUL, names each ended by a NUL, and one more NUL after the
    /// last name of all (tools/xenstored/core.c, send_directory_part).
    ///
    /// # Errors
    /// In which way it is none.
    pub fn parse(payload: &'a [u8]) -> Result<Part<'a>, Malformed> {
        let digits = until_nul(payload);
        let generation = parse_decimal_u64(digits).ok_or(Malformed::Number)?;
        let list = payload.get(digits.len() + 1..).ok_or(Malformed::Names)?;
        if let Some(all) = list.strip_suffix(b"\0")
            && (all.is_empty() || all.ends_with(b"\0"))
        {
            return Ok(Part { generation, names: Names::parse(all)?, rest: Rest::Nothing });
        }
        // Nothing at all would neither end the list nor bring it forward.
        if list.is_empty() {
            return Err(Malformed::Names);
        }
        Ok(Part { generation, names: Names::parse(list)?, rest: Rest::More })
    }
}

/// The entries of a node's permissions, the owner's first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permissions<'a> {
    /// Entries, each with the NUL that ends it; all of them valid.
    rest: &'a [u8],
}

impl<'a> Permissions<'a> {
    /// Reads a list of entries, each ended by a NUL.
    ///
    /// # Errors
    /// [`Malformed::Permissions`] if there is none or one is not valid.
    pub fn parse(payload: &'a [u8]) -> Result<Permissions<'a>, Malformed> {
        let all = payload.strip_suffix(b"\0").ok_or(Malformed::Permissions)?;
        if all.split(|byte| *byte == 0).any(|entry| Permission::parse(entry).is_none()) {
            return Err(Malformed::Permissions);
        }
        Ok(Permissions { rest: payload })
    }
}

impl Iterator for Permissions<'_> {
    type Item = Permission;

    fn next(&mut self) -> Option<Permission> {
        let entry = until_nul(self.rest);
        self.rest = self.rest.get(entry.len() + 1..).unwrap_or(&[]);
        Permission::parse(entry)
    }
}

/// What is before the first NUL, and what behind it. Looks at bytes: the search for a character that
/// `str` has would cost a small image close to a kilobyte.
fn split_at_nul(text: &str) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == 0)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or(&[])
}

/// The bytes as text, if they are ASCII. The protocol knows no other text.
fn text(bytes: &[u8]) -> Option<&str> {
    if bytes.is_ascii() { core::str::from_utf8(bytes).ok() } else { None }
}
