//! What a CONNECT names: the pages and the port of a connection.

use xen_types::{GrantRef, Port};

use crate::limits::PAGES_MAX;

/// What a front offers in CONNECT: where the back finds pages and port. Untrusted on the back's
/// side but for its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Offer {
    /// The front's unbound port.
    pub port: Port,
    /// Bytes of each of the two rings.
    pub ring_bytes: u32,
    /// Optional features, bit by bit; 0 today. A back ignores bits it does not know.
    pub features: u32,
    /// The pages.
    pub refs: GrantRefs,
}

/// One to [`PAGES_MAX`] grant references in order. Unused places are kept zero, so that equal lists
/// are equal values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GrantRefs {
    refs: [GrantRef; PAGES_MAX],
    count: u8,
}

impl GrantRefs {
    /// No reference yet.
    pub const EMPTY: Self = Self { refs: [GrantRef(0); PAGES_MAX], count: 0 };

    /// Appends one; `Err` gives it back when the list is full.
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
