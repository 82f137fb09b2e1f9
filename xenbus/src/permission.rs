//! Who may do what with a node: [`Permission`] is one entry of a node's list, in the form in which
//! it travels (`r3`: domain 3 may read). The first entry names the owner, who may do everything,
//! and its letter is what everybody not named further on may do.

use xen_types::DomId;

use crate::wire::{Decimal, parse_decimal};

/// What an entry allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// `n`: nothing.
    None,
    /// `r`: to read.
    Read,
    /// `w`: to write.
    Write,
    /// `b`: to read and to write; on the node itself that includes removing it.
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

    /// The access that a letter stands for.
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
/// An entry for a domain that does not exist when it is set is void for ever, though a domain of
/// that number may come later; and the entries of a domain that ends vanish with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permission {
    /// Whom the entry is about; the owner, in the first entry.
    pub domain: DomId,
    /// What it allows: that domain, or, in the first entry, everybody not named further on.
    pub access: Access,
}

impl Permission {
    /// Everything for the owner, nothing for anybody not named further on.
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

    /// Reads one entry as it travels, without its NUL.
    pub fn parse(text: &[u8]) -> Option<Permission> {
        let (&letter, number) = text.split_first()?;
        let access = Access::of_letter(letter)?;
        let domain = u16::try_from(parse_decimal(number)?).ok()?;
        Some(Permission { domain: DomId(domain), access })
    }

    /// The digits of the domain as they travel behind the letter.
    pub(crate) fn digits(&self) -> Decimal {
        Decimal::new(u32::from(self.domain.0))
    }
}
