//! The clock: it runs, it waits as long as it was asked, it never steps back.
//!
//! No upper bound is tight: a busy host may give us the processor when it likes.

use super::failed::{Failed, hold};
use crate::image::machine::Machine;
use crate::xen::events::{self, Woken};

/// A wait that Xen's timer resolution does not disturb.
const WAIT_NS: u64 = 1_000_000;
/// Nobody is this late: the clock itself would be wrong.
const LATE_NS: u64 = 60_000_000_000;

pub(super) fn run(_: &mut Machine) -> Result<(), Failed> {
    let start = crate::xen::clock::now_ns();
    let entry = crate::xen::clock::system_ns_at(crate::boot::layout::entry_tsc());
    hold("entry-before-now", entry <= start && start - entry < LATE_NS)?;
    hold("deadline-ends-wait", events::wait(&[], start + WAIT_NS) == Woken::Deadline)?;
    let waited = crate::xen::clock::now_ns() - start;
    if (WAIT_NS..LATE_NS).contains(&waited) {
        Ok(())
    } else {
        Err(Failed::found("waited-as-long-as-asked", &waited))
    }
}
