//! What an image has cost so far: xenstore requests, events, doorbells, wake-ups, hypercalls.
//!
//! Taken as [`Totals`] at one moment; a stage's costs are the difference of two. Printed as pairs
//! of a line for programs, leaving out what is zero.

use core::fmt;

use xenbus::{Counts, RequestKind};

use crate::events;
use crate::hypercall::{self, COUNTED, COUNTED_NAMES};

/// Everything that is counted, at one moment or between two.
#[derive(Clone, Copy)]
pub struct Totals {
    requests: [u64; RequestKind::COUNT],
    events: u64,
    doorbells: u64,
    wake_ups_useful: u64,
    wake_ups_empty: u64,
    hypercalls: [u64; COUNTED],
}

impl Totals {
    /// Nothing.
    pub const ZERO: Totals = Totals {
        requests: [0; RequestKind::COUNT],
        events: 0,
        doorbells: 0,
        wake_ups_useful: 0,
        wake_ups_empty: 0,
        hypercalls: [0; COUNTED],
    };

    /// As of now; `counts` are those of the client that has the ring.
    pub fn now(counts: &Counts) -> Totals {
        let (useful, empty) = events::wake_ups();
        Totals {
            requests: counts.requests,
            events: counts.events,
            doorbells: counts.doorbells,
            wake_ups_useful: u64::from(useful),
            wake_ups_empty: u64::from(empty),
            hypercalls: hypercall::counts().map(u64::from),
        }
    }

    /// Without requests that are counted apart, by kind.
    pub fn without(mut self, aside: &[u64; RequestKind::COUNT]) -> Totals {
        for (all, apart) in self.requests.iter_mut().zip(aside) {
            *all -= apart;
        }
        self
    }

    /// What was added since `earlier`.
    pub fn since(&self, earlier: &Totals) -> Totals {
        self.each(earlier, |now, then| now - then)
    }

    /// The sum of two.
    pub fn plus(&self, other: &Totals) -> Totals {
        self.each(other, |one, two| one + two)
    }

    fn each(&self, other: &Totals, join: impl Fn(u64, u64) -> u64) -> Totals {
        Totals {
            requests: core::array::from_fn(|i| join(self.requests[i], other.requests[i])),
            events: join(self.events, other.events),
            doorbells: join(self.doorbells, other.doorbells),
            wake_ups_useful: join(self.wake_ups_useful, other.wake_ups_useful),
            wake_ups_empty: join(self.wake_ups_empty, other.wake_ups_empty),
            hypercalls: core::array::from_fn(|i| join(self.hypercalls[i], other.hypercalls[i])),
        }
    }
}

/// Pairs, each with a blank before it.
impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in RequestKind::ALL.iter().zip(self.requests) {
            if count != 0 {
                write!(f, " xs.{}={count}", kind.name())?;
            }
        }
        let others = [
            ("events", self.events),
            ("doorbells", self.doorbells),
            ("wakeups.useful", self.wake_ups_useful),
            ("wakeups.empty", self.wake_ups_empty),
        ];
        for (name, count) in others {
            if count != 0 {
                write!(f, " {name}={count}")?;
            }
        }
        for (name, count) in COUNTED_NAMES.iter().zip(self.hypercalls) {
            if count != 0 {
                write!(f, " hc.{name}={count}")?;
            }
        }
        Ok(())
    }
}
