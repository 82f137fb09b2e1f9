//! Replies and watch events as checked values that borrow from the packet. A payload is parsed
//! once, here; a payload that does not match the request is [`Malformed`].

use crate::error::Malformed;
use crate::permission::Permission;
use crate::request::{RequestKind, TransactionId};
use crate::wire::{parse_decimal, parse_decimal_u64};

/// The reply to a request that succeeded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply<'a> {
    /// Acknowledged: WRITE, MKDIR, RM, SET_PERMS, WATCH, UNWATCH, RESET_WATCHES, TRANSACTION_END.
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
    /// CONTROL: the daemon's output.
    Control(&'a [u8]),
}

/// Whether a domain is introduced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Introduced {
    /// It is.
    Yes,
    /// It is not.
    No,
}

impl<'a> Reply<'a> {
    /// Parses the payload of a reply to a request of `kind`.
    ///
    /// # Errors
    /// [`Malformed`]; the daemon is at fault.
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

/// Reports that a node at or below a watched path may have changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WatchEvent<'a> {
    /// The changed node or the watched path itself. Relative if the watched path was.
    pub path: &'a str,
    /// The token of the watch, which may have been removed since.
    pub token: &'a str,
}

impl<'a> WatchEvent<'a> {
    /// Parses the payload of an event: path, NUL, token, NUL.
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
    /// Remaining names, each with its NUL.
    rest: &'a str,
}

impl<'a> Names<'a> {
    /// An empty list.
    pub const EMPTY: Names<'static> = Names { rest: "" };

    /// Parses a list of names, each ended by a NUL.
    ///
    /// # Errors
    /// [`Malformed::Names`] if it is not ASCII or its last NUL is missing.
    pub fn parse(payload: &'a [u8]) -> Result<Names<'a>, Malformed> {
        let rest = text(payload).ok_or(Malformed::Names)?;
        if !rest.is_empty() && !rest.ends_with('\0') {
            return Err(Malformed::Names);
        }
        Ok(Names { rest })
    }

    /// The names in wire format, each with its NUL.
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
    /// Changes with the node: parts of different generations must not be joined.
    pub generation: u64,
    /// The names in this part.
    pub names: Names<'a>,
    /// Whether more parts follow.
    pub rest: Rest,
}

/// Whether more parts follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// More parts follow, from the offset behind this part.
    More,
    /// This is the last part.
    Nothing,
}

impl<'a> Part<'a> {
    /// Parses a part: the generation, NUL, names each ended by a NUL, and one more NUL after the
    /// last name of all (tools/xenstored/core.c, send_directory_part).
    ///
    /// # Errors
    /// [`Malformed`] if it is not such a part.
    pub fn parse(payload: &'a [u8]) -> Result<Part<'a>, Malformed> {
        let digits = until_nul(payload);
        let generation = parse_decimal_u64(digits).ok_or(Malformed::Number)?;
        let list = payload.get(digits.len() + 1..).ok_or(Malformed::Names)?;
        if let Some(all) = list.strip_suffix(b"\0")
            && (all.is_empty() || all.ends_with(b"\0"))
        {
            return Ok(Part { generation, names: Names::parse(all)?, rest: Rest::Nothing });
        }
        // An empty part would neither end nor extend the list.
        if list.is_empty() {
            return Err(Malformed::Names);
        }
        Ok(Part { generation, names: Names::parse(list)?, rest: Rest::More })
    }
}

/// The entries of a node's permissions, the owner's first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permissions<'a> {
    /// Remaining entries, each with its NUL; all of them valid.
    rest: &'a [u8],
}

impl<'a> Permissions<'a> {
    /// Parses a list of entries, each ended by a NUL.
    ///
    /// # Errors
    /// [`Malformed::Permissions`] if the list is empty or an entry is invalid.
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

/// The text before and after the first NUL. Searches bytes, because the character search of `str`
/// costs a small image close to a kilobyte.
fn split_at_nul(text: &str) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == 0)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or(&[])
}

/// The bytes as text, if they are ASCII, the only text in the protocol.
fn text(bytes: &[u8]) -> Option<&str> {
    if bytes.is_ascii() { core::str::from_utf8(bytes).ok() } else { None }
}
