//! Noticing a daemon that does not answer. C xenstored simply stops reading from a domain that has
//! too much outstanding or uses too much memory: no reply, no error, for as long as that lasts.
//! [`Patience`] measures how long, by a clock that the caller reads.

use core::fmt;

use crate::client::Client;

/// A bound that no healthy daemon exceeds: a live update holds back the start of a transaction for
/// up to 60 s (`xenstore-control live-update -t`), oxenstored finds a lost notification after 20 s.
pub const STALL_BOUND_NS: u64 = 70_000_000_000;

/// The daemon has not answered anything for too long, though something is in flight. What is in
/// flight may still be carried out and answered later: the client goes on waiting for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stalled {
    /// How long nothing has been answered.
    pub waited_ns: u64,
    /// How many requests wait.
    pub in_flight: usize,
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waited_ms = self.waited_ns / 1_000_000;
        write!(f, "no answer to {} requests for {waited_ms} ms", self.in_flight)
    }
}

impl core::error::Error for Stalled {}

/// What a look at the clock says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing is in flight, or it has not been long.
    Fine,
    /// Half of the bound has passed: call [`Client::ring_again`], in case a notification was lost.
    /// Said once for each wait.
    RingAgain,
    /// The bound has passed.
    Stalled(Stalled),
}

/// How long the daemon has been silent. Look after each [`Client::advance`] round and when
/// [`Patience::deadline_ns`] has come.
#[derive(Clone, Debug)]
pub struct Patience {
    bound_ns: u64,
    /// Replies counted at the last sign of life, and when that was.
    replies: u64,
    since_ns: u64,
    rung: bool,
}

impl Patience {
    /// Starts at `now_ns`, with [`STALL_BOUND_NS`] or another bound.
    pub const fn new(bound_ns: u64, now_ns: u64) -> Patience {
        Patience { bound_ns, replies: 0, since_ns: now_ns, rung: false }
    }

    /// Looks at the client and the clock.
    pub fn look(&mut self, client: &Client, now_ns: u64) -> Verdict {
        // Events do not count: a daemon that has stopped reading still sends them.
        let replies = client.counts().replies;
        let in_flight = client.in_flight();
        if in_flight == 0 || replies != self.replies {
            self.replies = replies;
            self.since_ns = now_ns;
            self.rung = false;
            return Verdict::Fine;
        }
        let waited_ns = now_ns.saturating_sub(self.since_ns);
        if waited_ns >= self.bound_ns {
            return Verdict::Stalled(Stalled { waited_ns, in_flight });
        }
        if waited_ns >= self.bound_ns / 2 && !self.rung {
            self.rung = true;
            return Verdict::RingAgain;
        }
        Verdict::Fine
    }

    /// When to look again at the latest, while something is in flight.
    pub const fn deadline_ns(&self) -> u64 {
        let span = if self.rung { self.bound_ns } else { self.bound_ns / 2 };
        self.since_ns.saturating_add(span)
    }
}
