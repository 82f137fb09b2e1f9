//! What an image has cost so far: xenstore requests, events, doorbells, wake-ups, hypercalls.
//!
//! Taken as [`Totals`] at one moment; a stage's costs are the difference of two. Printed as pairs
//! of a line for programs, leaving out what is zero.

use core::fmt;

use xenbus::{Counts, RequestKind};

use crate::xen::events;
use crate::xen::hypercall::{self, COUNTED, COUNTED_NAMES};

/// Kinds of xenstore requests, which come first.
const REQUESTS: usize = RequestKind::COUNT;
/// The names of what follows them.
const OTHER_WORDS: &str = "events doorbells wakeups.useful wakeups.empty";
/// How many these are.
const OTHERS: usize = 4;
/// All that is counted; the hypercalls come last.
const TOTALS: usize = REQUESTS + OTHERS + COUNTED;

/// Everything that is counted, at one moment or between two.
#[derive(Clone, Copy)]
pub struct Totals([u64; TOTALS]);

impl Totals {
    /// Nothing.
    pub const ZERO: Totals = Totals([0; TOTALS]);

    /// As of now; `counts` are those of the client that has the ring.
    pub fn now(counts: &Counts) -> Totals {
        let (useful, empty) = events::wake_ups();
        let mut totals = Totals::ZERO;
        let (requests, rest) = totals.0.split_at_mut(REQUESTS);
        let (others, hypercalls) = rest.split_at_mut(OTHERS);
        requests.copy_from_slice(&counts.requests);
        others.copy_from_slice(&[counts.events, counts.doorbells, useful, empty]);
        hypercalls.copy_from_slice(&hypercall::counts());
        totals
    }

    /// Without requests that are counted apart, by kind.
    pub fn without(mut self, overhead_requests: &[u64; REQUESTS]) -> Totals {
        for (all, apart) in self.0.iter_mut().zip(overhead_requests) {
            *all -= apart;
        }
        self
    }

    /// As if nothing had been asked of xenstore.
    pub fn but_of_store(mut self) -> Totals {
        // Requests, events and doorbells come first.
        self.0[..REQUESTS + 2].fill(0);
        self
    }

    /// What was added since `earlier`.
    pub fn since(mut self, earlier: &Totals) -> Totals {
        for (now, then) in self.0.iter_mut().zip(earlier.0) {
            *now -= then;
        }
        self
    }

    /// Counts in what `other` has counted.
    pub fn add(&mut self, other: &Totals) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }
}

/// Pairs, each with a blank before it.
impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (requests, rest) = self.0.split_at(REQUESTS);
        let (others, hypercalls) = rest.split_at(OTHERS);
        pairs(f, " xs.", RequestKind::WORDS, requests)?;
        pairs(f, " ", OTHER_WORDS, others)?;
        pairs(f, " hc.", COUNTED_NAMES, hypercalls)
    }
}

/// Those that are not zero, as `name=count` with `before` before it.
fn pairs(f: &mut fmt::Formatter<'_>, before: &str, names: &str, counts: &[u64]) -> fmt::Result {
    for (name, count) in names.split_ascii_whitespace().zip(counts) {
        if *count != 0 {
            write!(f, "{before}{name}={count}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use xenbus::Counts;

    use super::Totals;
    use crate::xen::{events, hypercall};

    #[test]
    fn a_stage_is_counted_across_the_end_of_32_bits() {
        hypercall::count_to_32_bits(hypercall::Counted::SchedPoll);
        events::count_to_32_bits();
        let before = Totals::now(&Counts::new());
        hypercall::count(hypercall::Counted::SchedPoll);
        events::count(events::Woken::Pending);
        events::count(events::Woken::Deadline);
        let grown = Totals::now(&Counts::new()).since(&before);
        let text = std::format!("{grown}");
        assert_eq!(text, " wakeups.useful=1 wakeups.empty=1 hc.sched.poll=1");
    }
}
