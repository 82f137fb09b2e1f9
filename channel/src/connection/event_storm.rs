//! Peers that ring for nothing. A connection's port wakes this domain whenever its peer likes, and a
//! wake-up costs far more than it costs to ring: so those are counted that bring no byte, and a port
//! with too many of them is not waited for until the next beat (masked). What the peer has to say
//! meanwhile is found then, or when something else wakes this domain; other links notice nothing.
//!
//! Whether a wake-up brought bytes is decided at the next one, by what the stream has accepted in
//! between. An index in the shared page decides nothing: a peer can write any index at any time.

use crate::instant::Instant;
use crate::limits::BEAT;

/// Wake-ups for nothing in one beat that a port may always cause: a stamp, acknowledgements, the
/// closing word, and notifications that come when the bytes have been seen already.
const IDLE_MAX: u32 = 64;
/// For each wake-up that brought bytes, so many for nothing besides: each of the peer's reads and
/// writes may ring once more after what it did was seen.
const IDLE_PER_USEFUL: u32 = 2;

/// Counts one port's wake-ups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    /// What the stream had accepted when the port rang last.
    accepted: [u32; 2],
    useful: u32,
    idle: u32,
    masked: bool,
    /// It was said that this port is masked.
    is_reported: bool,
    until: Instant,
}

impl Meter {
    /// A port that has just been opened.
    pub(super) const NEW: Self = Self {
        accepted: [0; 2],
        useful: 0,
        idle: 0,
        masked: false,
        is_reported: false,
        until: Instant::START,
    };

    /// Whether the port is not to be waited for.
    pub(super) const fn is_masked(&self) -> bool {
        self.masked
    }

    /// When it is waited for again.
    pub(super) const fn until(&self) -> Instant {
        self.until
    }

    /// Time passes: with each beat all is forgotten.
    pub(super) fn pass_time(&mut self, now: Instant) {
        if now >= self.until {
            (self.useful, self.idle, self.masked) = (0, 0, false);
            self.until = now.after(BEAT);
        }
    }

    /// The port has rung, and the stream has accepted this much so far. True if the port is masked
    /// from now on, for the first time.
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
    fn a_storm_is_masked_told_once_and_waited_for_again_with_the_next_beat() {
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
        let is_reported = (0..2 * IDLE_MAX).filter(|_| meter.count([0; 2])).count();
        assert_eq!((is_reported, meter.is_masked()), (0, true));
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
