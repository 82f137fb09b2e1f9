//! Which link is meant, and which side of it a domain is.

pub use grant::ConnectionId;
pub use xen_types::{DomId, GrantRef, Port};

/// Names a link of one driver, which hands it out: [`Driver::add_link`](crate::Driver::add_link),
/// [`Driver::ids`](crate::Driver::ids). Links are numbered from 0 in the order in which they were
/// added, and are never removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u16);

impl LinkId {
    /// The link that was added as the `index`th, from 0.
    ///
    /// # Panics
    /// If `index` is above 65,535, the last that a driver adds.
    pub const fn from_index(index: usize) -> Self {
        assert!(index <= u16::MAX as usize);
        Self(index as u16)
    }

    /// The number of links that were added before this one.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which side of a link a domain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The frontend: grants its pages, asks for connections.
    Front,
    /// The backend: maps them, serves.
    Back,
}
