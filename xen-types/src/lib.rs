//! The numbers by which Xen names things, each as a type of its own. All other crates of the
//! workspace use these types, so no crate converts between types that mean the same.
#![no_std]
#![forbid(unsafe_code)]

use core::fmt;

/// A domain identifier (`domid_t`, xen/include/public/xen.h). Domids are reused: one addresses a
/// domain and never proves that it is still the same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomId(pub u16);

impl DomId {
    /// The first number that no domain has (`DOMID_FIRST_RESERVED`, xen/include/public/xen.h).
    pub const FIRST_RESERVED: Self = Self(0x7ff0);
}

impl fmt::Display for DomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A grant reference: the index of an entry in the granting domain's grant table (`grant_ref_t`,
/// xen/include/public/grant_table.h). Zero is a valid reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantRef(pub u32);

/// An event channel port (`evtchn_port_t`, xen/include/public/event_channel.h). It is meaningful
/// only together with the domain whose port it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(pub u32);
