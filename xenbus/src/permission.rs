//! Permissions of a node: [`Permission`] is one entry of a node's list, on the wire for instance
//! `r3` (domain 3 may read). The first entry names the owner, which has full access, and its letter
//! applies to all domains without an entry.

use xen_types::DomId;

use crate::wire::{Decimal, parse_decimal};

/// Access that an entry grants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// `n`: no access.
    None,
    /// `r`: read.
    Read,
    /// `w`: write.
    Write,
    /// `b`: read and write, which includes removing the node.
    Both,
}

impl Access {
    /// The letter on the wire (docs/misc/xenstore.txt, SET_PERMS).
    pub const fn letter(self) -> u8 {
        match self {
            Access::None => b'n',
            Access::Read => b'r',
            Access::Write => b'w',
            Access::Both => b'b',
        }
    }

    /// The access with this letter.
    pub const fn of_letter(letter: u8) -> Option<Access> {
        match letter {
            b'n' => Some(Access::None),
            b'r' => Some(Access::Read),
            b'w' => Some(Access::Write),
            b'b' => Some(Access::Both),
            _ => None,
        }
    }
}

/// One entry of a node's permissions.
///
/// An entry for a domain that does not exist when the entry is set never takes effect, not even for
/// a later domain with that domid. The entries of a domain vanish when it ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permission {
    /// The domain; in the first entry, the owner.
    pub domain: DomId,
    /// Its access; in the first entry, the access of all domains without an entry.
    pub access: Access,
}

impl Permission {
    /// A first entry: full access for the owner, none for domains without an entry.
    pub const fn owner(domain: DomId) -> Permission {
        Permission { domain, access: Access::None }
    }

    /// An entry that lets `domain` read.
    pub const fn read(domain: DomId) -> Permission {
        Permission { domain, access: Access::Read }
    }

    /// An entry that lets `domain` read and write.
    pub const fn both(domain: DomId) -> Permission {
        Permission { domain, access: Access::Both }
    }

    /// Parses one entry in wire format, without its NUL.
    pub fn parse(text: &[u8]) -> Option<Permission> {
        let (&letter, number) = text.split_first()?;
        let access = Access::of_letter(letter)?;
        let domain = u16::try_from(parse_decimal(number)?).ok()?;
        Some(Permission { domain: DomId(domain), access })
    }

    /// The digits of the domain that follow the letter on the wire.
    pub(crate) fn digits(&self) -> Decimal {
        Decimal::new(u32::from(self.domain.0))
    }
}
