//! Protection against event storms. A peer can wake this domain through its port at any time, and a
//! wake-up costs far more than sending the event. Wake-ups that bring no byte are therefore
//! counted, and a port with too many of them is masked until the next beat. Data of that peer is
//! then found at the next beat or any other wake-up; other links are not affected.
//!
//! The next wake-up decides whether the last one brought bytes, by the amount that the stream has
//! accepted in between. The indices in the shared page are not used: the peer can write any index
//! at any time.

use crate::instant::Instant;
use crate::limits::BEAT;

/// The number of useless wake-ups per beat that a port may always cause: for a stamp,
/// acknowledgements, the closing word, and notifications for bytes that were already seen.
const IDLE_MAX: u32 = 64;
/// The number of additional useless wake-ups per useful one: the peer may notify once more for each
/// read and write that was already seen.
const IDLE_PER_USEFUL: u32 = 2;

/// Counts the wake-ups of one port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    /// The amount that the stream had accepted at the last wake-up.
    accepted: [u32; 2],
    useful: u32,
    idle: u32,
    masked: bool,
    /// The masking of this port was reported.
    is_reported: bool,
    until: Instant,
}

impl Meter {
    /// The counters of a new port.
    pub(super) const NEW: Self = Self {
        accepted: [0; 2],
        useful: 0,
        idle: 0,
        masked: false,
        is_reported: false,
        until: Instant::START,
    };

    /// Whether the port is masked.
    pub(super) const fn is_masked(&self) -> bool {
        self.masked
    }

    /// When the port is unmasked.
    pub(super) const fn until(&self) -> Instant {
        self.until
    }

    /// Resets the counters once per beat.
    pub(super) fn pass_time(&mut self, now: Instant) {
        if now >= self.until {
            (self.useful, self.idle, self.masked) = (0, 0, false);
            self.until = now.after(BEAT);
        }
    }

    /// Counts a wake-up. `accepted` is the amount that the stream has accepted so far. Returns true
    /// when the port is masked for the first time.
    pub(super) fn count(&mut self, accepted: [u32; 2]) -> bool {
        if accepted == self.accepted {
            self.idle = self.idle.saturating_add(1);
        } else {
            self.accepted = accepted;
            self.useful = self.useful.saturating_add(1);
        }
        let allowed = self.useful.saturating_mul(IDLE_PER_USEFUL).saturating_add(IDLE_MAX);
        self.masked = self.idle > allowed;
        self.masked && !core::mem::replace(&mut self.is_reported, true)
    }
}

#[cfg(test)]
mod tests {
    use super::{IDLE_MAX, Meter};
    use crate::instant::Instant;
    use crate::limits::BEAT;

    #[test]
    fn a_storm_is_masked_and_reported_once_until_the_next_beat() {
        let mut meter = Meter::NEW;
        let start = Instant::from_nanoseconds(5);
        meter.pass_time(start);
        for _ in 0..IDLE_MAX {
            assert!(!meter.count([0; 2]));
        }
        assert!(!meter.is_masked());
        assert!(meter.count([0; 2]));
        assert!(meter.is_masked());
        meter.pass_time(Instant::from_nanoseconds(4).after(BEAT));
        assert!(meter.is_masked());
        meter.pass_time(start.after(BEAT));
        assert!(!meter.is_masked());
        let reports = (0..2 * IDLE_MAX).filter(|_| meter.count([0; 2])).count();
        assert_eq!((reports, meter.is_masked()), (0, true));
    }

    #[test]
    fn a_peer_that_moves_bytes_is_never_masked() {
        let mut meter = Meter::NEW;
        meter.pass_time(Instant::START);
        for turn in 1..100_000 {
            meter.count([turn, 0]);
            meter.count([turn, 0]);
            meter.count([turn, 0]);
            assert!(!meter.is_masked());
        }
    }
}
