//! Counts of each stage of the course (up, connect, data, disconnect): what the totals grew by
//! between a stage's begin and its end.
//!
//! One stage runs at a time in an image. With several links their stages overlap and what is
//! counted is the image's, not the link's: figures a link are taken with one link.

use crate::image::counts::Totals;
use crate::trace;
use channel::Driver;

/// A stage whose costs are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From the driver's start, or the last session's end, to the session.
    Up,
    /// From the wish to connect (front) or the end before (back) to the connection.
    Connect,
    /// From the connection to the wish to disconnect (front) or to the last byte served (back).
    Data,
    /// From the wish to disconnect (front) or the last byte served (back) to everything given back.
    Disconnect,
}

/// What an event means for the stages. While events are taken the driver is busy; it is asked for its
/// counts right after.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Begin,
    End(Stage),
}

/// Most beginnings and ends noted between two looks: a link has few at once.
const TURNS_MAX: usize = 8;

/// The stages' names, in the order of [`Stage`].
const NAMES: [&str; 4] = ["up", "connect", "data", "disconnect"];

/// The counts of all stages so far.
pub struct Stages {
    begun: Totals,
    asked_at_begin: u64,
    to_come: heapless::Vec<Turn, TURNS_MAX>,
    sums: [Totals; NAMES.len()],
    times: [u64; NAMES.len()],
}

impl Stages {
    /// Nothing counted; what comes first has begun with the driver, which has asked for its watch.
    pub fn new(driver: &Driver) -> Self {
        Self {
            begun: links_totals(driver).but_of_store(),
            asked_at_begin: 0,
            to_come: heapless::Vec::new(),
            sums: [Totals::ZERO; NAMES.len()],
            times: [0; NAMES.len()],
        }
    }

    /// An event says that a stage begins; which one, its end will say.
    pub fn will_begin(&mut self) {
        self.note(Turn::Begin);
    }

    /// An event says that this stage, begun last, has ended.
    pub fn will_end(&mut self, stage: Stage) {
        self.note(Turn::End(stage));
    }

    /// Takes the counts for what the events said. Stages that ended together share one look: the
    /// first of them gets it all.
    pub fn take(&mut self, driver: &Driver) {
        for turn in core::mem::take(&mut self.to_come) {
            match turn {
                Turn::Begin => self.begin(driver),
                Turn::End(stage) => self.end(stage, driver),
            }
        }
    }

    fn note(&mut self, turn: Turn) {
        // With many links more may happen at once than is noted; then stages run together.
        let _ = self.to_come.push(turn);
    }

    /// A stage begins now.
    pub fn begin(&mut self, driver: &Driver) {
        self.begun = links_totals(driver);
        self.asked_at_begin = driver.link_requests();
    }

    /// The stage that began last was this one, and ends. The next begins at once.
    pub fn end(&mut self, stage: Stage, driver: &Driver) {
        let now = links_totals(driver);
        if stage == Stage::Up {
            // To the very moment: the step that brings a backend up may have answered a CONNECT too.
            let requests = driver.link_requests_at_up().saturating_sub(self.asked_at_begin);
            trace!("cost stage=up requests={requests}");
        }
        let index = stage as usize;
        self.sums[index].add(&now.since(&self.begun));
        self.times[index] += 1;
        self.begun = now;
        self.asked_at_begin = driver.link_requests();
    }

    /// Prints a line for each stage, and one for everything since the image's start.
    pub fn print(&self, driver: &Driver) {
        for ((name, sum), times) in NAMES.iter().zip(&self.sums).zip(self.times) {
            trace!("counts stage={name} n={times}{sum}");
        }
        trace!("counts stage=total n=1{}", Totals::now(driver.counts()));
    }
}

/// What the links have cost so far: the toolstack's orders are not theirs.
fn links_totals(driver: &Driver) -> Totals {
    Totals::now(driver.counts()).without(driver.overhead_requests())
}
