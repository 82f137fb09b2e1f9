//! The two domains of a link, and how often something may happen to them.

use channel::DomId;
use channel::ids::Role;

/// This many crashes or faults are not counted, and so not bounded: the names of epochs are used
/// again, so the number of states is finite all the same.
pub const UNBOUNDED: u8 = u8::MAX;

/// Counts one crash or fault.
pub fn spend(left: &mut u8) {
    if *left != UNBOUNDED {
        *left -= 1;
    }
}

/// One of the two domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The front.
    A,
    /// The back, which leaves the first hello to the front.
    B,
}

/// Both.
pub const SIDES: [Side; 2] = [Side::A, Side::B];

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The domain's number, which it has in every life.
    pub const fn domid(self) -> DomId {
        DomId(self as u16 + 1)
    }

    /// Its role in the link.
    pub const fn role(self) -> Role {
        match self {
            Self::A => Role::Front,
            Self::B => Role::Back,
        }
    }
}
