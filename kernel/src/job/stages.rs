//! Counts of each stage of the course (up, connect, disconnect): what the totals grew by between a
//! stage's begin and its end.
//!
//! One stage runs at a time in an image. With several links their stages overlap and what is
//! counted is the image's, not the link's: figures a link are taken with one link.

use xenbus::Counts;

use crate::counts::Totals;
use crate::trace;

/// A stage whose costs are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// From the driver's start, or the last session's end, to the session.
    Up,
    /// From the wish to connect (front) or the end before (back) to the connection.
    Connect,
    /// From the wish to disconnect (front) or the connection (back) to everything given back.
    Disconnect,
}

/// The stages' names, in the order of [`Stage`].
const NAMES: [&str; 3] = ["up", "connect", "disconnect"];

/// The counts of all stages so far.
pub(super) struct Stages {
    begun: Totals,
    sums: [Totals; NAMES.len()],
    times: [u32; NAMES.len()],
}

impl Stages {
    /// Nothing counted; whatever comes first begins now.
    pub(super) fn new(counts: &Counts) -> Self {
        Self {
            begun: Totals::now(counts),
            sums: [Totals::ZERO; NAMES.len()],
            times: [0; NAMES.len()],
        }
    }

    /// A stage begins; which one, its end will say.
    pub(super) fn begin(&mut self, counts: &Counts) {
        self.begun = Totals::now(counts);
    }

    /// The stage that began last was this one, and ends. The next begins at once.
    pub(super) fn end(&mut self, stage: Stage, counts: &Counts) {
        let now = Totals::now(counts);
        let index = stage as usize;
        self.sums[index] = self.sums[index].plus(&now.since(&self.begun));
        self.times[index] += 1;
        self.begun = now;
    }

    /// Prints a line for each stage, and one for everything since the image's start.
    pub(super) fn print(&self, counts: &Counts) {
        for ((name, sum), times) in NAMES.iter().zip(&self.sums).zip(self.times) {
            trace!("counts stage={name} n={times}{sum}");
        }
        trace!("counts stage=total n=1{}", Totals::now(counts));
    }
}
