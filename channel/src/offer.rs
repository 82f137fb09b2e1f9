//! The offer in a CONNECT: the pages and the port of a connection.

use xen_types::{GrantRef, Port};

use crate::limits::PAGES_MAX;

/// The pages and port that a front offers in CONNECT. The back can rely on its form only, not on
/// its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Offer {
    /// The front's unbound port.
    pub port: Port,
    /// The size of each of the two rings in bytes.
    pub ring_bytes: u32,
    /// A bit mask of optional features, currently 0. A back ignores unknown bits.
    pub features: u32,
    /// The grant references of the pages.
    pub refs: GrantRefs,
}

/// An ordered list of at most [`PAGES_MAX`] grant references. Unused entries are zero, so that
/// equal lists compare equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GrantRefs {
    refs: [GrantRef; PAGES_MAX],
    count: u8,
}

impl GrantRefs {
    /// The empty list.
    pub const EMPTY: Self = Self { refs: [GrantRef(0); PAGES_MAX], count: 0 };

    /// Appends a reference.
    ///
    /// # Errors
    /// Returns the reference if the list is full.
    pub fn push(&mut self, reference: GrantRef) -> Result<(), GrantRef> {
        let place = self.refs.get_mut(usize::from(self.count)).ok_or(reference)?;
        *place = reference;
        self.count += 1;
        Ok(())
    }

    /// The references in order.
    pub fn as_slice(&self) -> &[GrantRef] {
        let count = usize::from(self.count);
        assert!(count <= PAGES_MAX);
        &self.refs[..count]
    }
}
