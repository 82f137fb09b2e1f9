//! What happens to a world from outside its domains: the toolstack, faults, a hostile domain.

pub mod dom0;
mod hostile;
mod inject;
mod life;
