//! Which link is meant, and which side of it a domain is.

pub use grant::ConnectionId;
pub use xen_types::{DomId, GrantRef, Port};

/// A link by its place in its driver, 0 for the first one added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u16);

impl LinkId {
    /// The link at this place.
    ///
    /// # Panics
    /// If there is no such place: a driver has at most 65,536.
    pub const fn from_index(index: usize) -> Self {
        assert!(index <= u16::MAX as usize);
        Self(index as u16)
    }

    /// The place as an index.
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
