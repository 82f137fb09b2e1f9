//! What a run left: [`Played`].

use crate::base::cpio::Archive;
use crate::output::facts::Fact;

/// Whether a bed was found or had to be booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It was there.
    Found,
    /// It was booted for this run.
    Booted,
}

/// What a run left.
#[derive(Debug)]
pub struct Played {
    /// What the job in dom0 said, in order.
    pub facts: Vec<Fact>,
    /// The files of its out/ folder.
    pub results: Archive,
    /// Wall time from resuming to results, in seconds.
    pub wall_s: f64,
    /// Whether the bed was kept from before; none on a native host.
    pub kept: Option<Kept>,
}
