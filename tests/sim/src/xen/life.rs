//! A life of a domain.

/// Which life of which domain, ever. Never reused in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life(pub usize);
