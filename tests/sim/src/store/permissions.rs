//! Permissions of a node: its owner, what everybody else may, and the exceptions.
//!
//! An exception may be *ignored*: C xenstored marks it so when its domain did not exist as it was
//! set, or has died since. The mark is not on the wire; the entry still shows.

use super::wire::Errno;

/// The privileged domain.
pub const DOMAIN_ZERO: u16 = 0;
/// DOMID_SELF (xen/include/public/xen.h): both daemons say of it that it is introduced.
pub const DOMAIN_SELF: u16 = 0x7ff0;
/// DOMID_INVALID (xen/include/public/xen.h): the owner where an entry's number is no domain's.
pub const DOMAIN_NONE: u16 = 0x7ff4;

/// What somebody may do with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `n`
    None,
    /// `r`
    Read,
    /// `w`
    Write,
    /// `b`
    Both,
}

impl Access {
    /// Whether this grants `wanted`, which is `Read`, `Write` or `Both`.
    pub fn grants(self, wanted: Access) -> bool {
        self == Access::Both || self == wanted
    }

    fn letter(self) -> char {
        match self {
            Access::None => 'n',
            Access::Read => 'r',
            Access::Write => 'w',
            Access::Both => 'b',
        }
    }
}

/// One entry. The first of a list names the owner and everybody's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whom it is about. The daemons take any number, also one that no domain can have.
    pub domain: i32,
    /// What they may.
    pub access: Access,
    /// C xenstored: counts for nobody.
    pub ignored: bool,
}

/// A node's permissions; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    entries: Vec<Entry>,
}

impl Permissions {
    /// Owned by `owner`, nobody else may anything.
    pub fn private(owner: u16) -> Self {
        Self::with_default(owner, Access::None)
    }

    /// Owned by `owner`, everybody else may `access`.
    pub fn with_default(owner: u16, access: Access) -> Self {
        Permissions { entries: vec![Entry { domain: owner.into(), access, ignored: false }] }
    }

    /// Reads nul-ended entries such as `n1\0b2\0`.
    pub fn parse(payload: &[u8]) -> Result<Self, Errno> {
        let body = payload.strip_suffix(&[0]).ok_or(Errno::Einval)?;
        let entries: Result<Vec<Entry>, Errno> =
            body.split(|byte| *byte == 0).map(parse_entry).collect();
        Ok(Permissions { entries: entries? })
    }

    /// The owner.
    pub fn owner(&self) -> u16 {
        u16::try_from(self.entries[0].domain).unwrap_or(DOMAIN_NONE)
    }

    /// Makes `owner` the owner.
    pub fn set_owner(&mut self, owner: u16) {
        self.entries[0].domain = owner.into();
    }

    /// Every entry, the owner's first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Every entry but the owner's.
    pub fn exceptions_mut(&mut self) -> &mut [Entry] {
        &mut self.entries[1..]
    }

    /// Takes the exceptions for `domain` out.
    pub fn forget(&mut self, domain: u16) {
        let mut first = true;
        self.entries
            .retain(|entry| core::mem::take(&mut first) || entry.domain != i32::from(domain));
    }

    /// What `domain` may, owner and privilege aside; `counts` says whether an exception holds.
    pub fn access_of(&self, domain: u16, counts: impl Fn(&Entry) -> bool) -> Access {
        let exception =
            self.entries[1..].iter().find(|it| it.domain == i32::from(domain) && counts(it));
        exception.unwrap_or(&self.entries[0]).access
    }

    /// The entries as GET_PERMS shows them, their numbers as `shown` says.
    pub fn emit(&self, into: &mut Vec<u8>, shown: impl Fn(i32) -> i64) {
        for entry in &self.entries {
            let (letter, number) = (entry.access.letter(), shown(entry.domain));
            into.extend_from_slice(format!("{letter}{number}\0").as_bytes());
        }
    }
}

fn parse_entry(text: &[u8]) -> Result<Entry, Errno> {
    let (letter, number) = text.split_first().ok_or(Errno::Einval)?;
    let access = match letter {
        b'n' => Access::None,
        b'r' => Access::Read,
        b'w' => Access::Write,
        b'b' => Access::Both,
        _ => return Err(Errno::Einval),
    };
    let number = core::str::from_utf8(number).map_err(|_| Errno::Einval)?.trim_ascii_start();
    let domain = number.parse().map_err(|_| Errno::Einval)?;
    Ok(Entry { domain, access, ignored: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_and_shown_alike() {
        let permissions = Permissions::parse(b"n1\0b2\0r7\0").expect("valid");
        let mut shown = Vec::new();
        permissions.emit(&mut shown, i64::from);
        assert_eq!(shown, b"n1\0b2\0r7\0");
        assert_eq!(permissions.owner(), 1);
        assert_eq!(permissions.access_of(2, |_| true), Access::Both);
        assert_eq!(permissions.access_of(3, |_| true), Access::None);
    }

    #[test]
    fn malformed_entries_are_refused() {
        for text in [&b""[..], b"\0", b"x1\0", b"n\0", b"n1", b"n1\0\0"] {
            assert_eq!(Permissions::parse(text), Err(Errno::Einval), "{text:?}");
        }
    }
}
