//! Counters of a client, with which a small guest checks its budgets. The client maintains them;
//! the caller reports wake-ups.

use crate::request::RequestKind;

/// Counters since [`crate::Client::new`]. [`crate::Client::start`] does not reset them.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Requests submitted, by kind.
    pub requests: [u64; RequestKind::COUNT],
    /// Requests refused because too much was in flight.
    pub back_pressure: u64,
    /// Replies returned, including refusals.
    pub replies: u64,
    /// Replies that were refusals.
    pub refusals: u64,
    /// Events returned.
    pub events: u64,
    /// Replies with an unknown request id, dropped.
    pub unknown_replies: u64,
    /// Malformed packets, dropped.
    pub malformed_packets: u64,
    /// Notifications requested from the caller.
    pub doorbells: u64,
    /// Number of times that publishing needed no notification.
    pub doorbells_saved: u64,
    /// Wake-ups that the caller reported.
    pub wake_ups: u64,
    /// Wake-ups that yielded at least one packet.
    pub wake_ups_useful: u64,
    /// Resets of the ring, by [`crate::Client::reconnect`].
    pub reconnects: u64,
}

impl Counts {
    /// All counters at zero.
    pub const fn new() -> Counts {
        Counts {
            requests: [0; RequestKind::COUNT],
            back_pressure: 0,
            replies: 0,
            refusals: 0,
            events: 0,
            unknown_replies: 0,
            malformed_packets: 0,
            doorbells: 0,
            doorbells_saved: 0,
            wake_ups: 0,
            wake_ups_useful: 0,
            reconnects: 0,
        }
    }

    /// Requests of one kind.
    pub fn requests_of(&self, kind: RequestKind) -> u64 {
        self.requests.get(kind as usize).copied().unwrap_or(0)
    }

    /// Requests of all kinds.
    pub fn requests_total(&self) -> u64 {
        self.requests.iter().sum()
    }

    /// Wake-ups that yielded no packet.
    pub const fn wake_ups_empty(&self) -> u64 {
        self.wake_ups - self.wake_ups_useful
    }
}

/// Increments a counter. Not inlined, so that the overflow check exists once.
#[inline(never)]
pub(crate) fn count(counter: &mut u64) {
    *counter += 1;
}

impl Default for Counts {
    fn default() -> Counts {
        Counts::new()
    }
}
