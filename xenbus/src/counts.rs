//! What a client has done, in numbers: the budgets of a small guest are kept by counting, not by
//! guessing. The client counts by itself; only of wake-ups it has to be told.

use crate::request::RequestKind;

/// Everything counted since [`crate::Client::new`]; a later [`crate::Client::start`] goes on
/// counting.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Requests submitted, by kind.
    pub requests: [u64; RequestKind::COUNT],
    /// Requests not accepted because too much was in flight.
    pub back_pressure: u64,
    /// Replies handed up, refusals included.
    pub replies: u64,
    /// Replies that were refusals.
    pub refusals: u64,
    /// Events handed up.
    pub events: u64,
    /// Replies that nobody waited for, dropped.
    pub unknown_replies: u64,
    /// Packets that made no sense, dropped.
    pub malformed_packets: u64,
    /// Notifications that the caller was told to send.
    pub doorbells: u64,
    /// Times that something was published and no notification was needed.
    pub doorbells_saved: u64,
    /// Wake-ups that the caller reported.
    pub wake_ups: u64,
    /// Those of them that brought at least one packet.
    pub wake_ups_useful: u64,
    /// Resets of the ring, by [`crate::Client::reconnect`].
    pub reconnects: u64,
}

impl Counts {
    /// All zero.
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

    /// Wake-ups that brought no packet.
    pub const fn wake_ups_empty(&self) -> u64 {
        self.wake_ups - self.wake_ups_useful
    }
}

/// Counts one more. A function, because each place would bring an overflow check of its own.
#[inline(never)]
pub(crate) fn count(counter: &mut u64) {
    *counter += 1;
}

impl Default for Counts {
    fn default() -> Counts {
        Counts::new()
    }
}
