//! Detects a daemon that does not answer. C xenstored stops reading from a domain that has too much
//! outstanding or uses too much memory, without a reply or an error. [`Patience`] measures the
//! silence with a clock that the caller reads.

use core::fmt;

use crate::client::Client;

/// A bound in nanoseconds that no healthy daemon exceeds: a live update delays the start of a
/// transaction by up to 60 s (`xenstore-control live-update -t`), and oxenstored recovers a lost
/// notification after 20 s.
pub const STALL_BOUND_NS: u64 = 70_000_000_000;

/// The daemon has not replied for too long although requests are in flight. It may still execute
/// and answer them: the client keeps waiting for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stalled {
    /// Time without a reply, in nanoseconds.
    pub waited_ns: u64,
    /// Number of requests in flight.
    pub in_flight: usize,
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waited_ms = self.waited_ns / 1_000_000;
        write!(f, "no answer to {} requests for {waited_ms} ms", self.in_flight)
    }
}

impl core::error::Error for Stalled {}

/// Result of [`Patience::check`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StallState {
    /// No request is in flight, or the silence is short.
    Fine,
    /// Half of the bound has passed: call [`Client::ring_again`], in case a notification was lost.
    /// Returned once per silence.
    RingAgain,
    /// The bound has passed.
    Stalled(Stalled),
}

/// Measures how long the daemon has been silent. Call [`Patience::check`] after each round of
/// [`Client::advance`] and at [`Patience::deadline_ns`].
#[derive(Clone, Debug)]
pub struct Patience {
    bound_ns: u64,
    /// Replies counted at the last reply, and its time.
    replies: u64,
    since_ns: u64,
    rung: bool,
}

impl Patience {
    /// Starts at `now_ns`. The usual bound is [`STALL_BOUND_NS`].
    pub const fn new(bound_ns: u64, now_ns: u64) -> Patience {
        Patience { bound_ns, replies: 0, since_ns: now_ns, rung: false }
    }

    /// Checks whether the client has waited too long.
    pub fn check(&mut self, client: &Client, now_ns: u64) -> StallState {
        // Events do not count: a daemon that has stopped reading still sends them.
        let replies = client.counts().replies;
        let in_flight = client.in_flight();
        if in_flight == 0 || replies != self.replies {
            self.replies = replies;
            self.since_ns = now_ns;
            self.rung = false;
            return StallState::Fine;
        }
        let waited_ns = now_ns.saturating_sub(self.since_ns);
        if waited_ns >= self.bound_ns {
            return StallState::Stalled(Stalled { waited_ns, in_flight });
        }
        if waited_ns >= self.bound_ns / 2 && !self.rung {
            self.rung = true;
            return StallState::RingAgain;
        }
        StallState::Fine
    }

    /// When to check again at the latest while a request is in flight.
    pub const fn deadline_ns(&self) -> u64 {
        let span = if self.rung { self.bound_ns } else { self.bound_ns / 2 };
        self.since_ns.saturating_add(span)
    }
}
