//! Numbers with a meaning, as types: domains, ports, grant references, links and connections. Each
//! library of the workspace defines the ones it needs; adapters in `kernel/` convert, so that no
//! layer leans on another for a word.

/// A domain identifier. Domids are reused: it addresses a domain, and never identifies one
/// (docs/protocol.md §1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomId(pub u16);

/// The first domid that is no domain's (xen/include/public/xen.h, DOMID_FIRST_RESERVED).
pub const DOMID_FIRST_RESERVED: u16 = 0x7ff0;

/// An event channel port. Which domain's it is, is said where one appears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Port(pub u32);

/// A grant reference of the front's domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GrantRef(pub u32);

/// A link by its place in its driver, 0 for the first one added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u16);

impl LinkId {
    /// The place as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The number of a connection: 1 for the first CONNECT of a session, never reused in it
/// (docs/protocol.md §7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u32);

/// Which side of a link a domain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The frontend: grants its pages, asks for connections.
    Front,
    /// The backend: maps them, serves.
    Back,
}
