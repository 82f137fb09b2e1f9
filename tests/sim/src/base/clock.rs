//! A domain's own clock: begins anywhere, runs a little fast or slow, and stands still for a while
//! when the raw clock steps back, as the clamped clock of an image does.
//!
//! Nobody compares the clocks of two domains; the world keeps its own time.

/// Nanoseconds in a millisecond.
pub const MS: u64 = 1_000_000;
/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// Rates are in parts of this.
const MILLION: u64 = 1_000_000;

/// One domain's clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// What it showed at `since_ns` of the world.
    shown_ns: u64,
    since_ns: u64,
    /// How much faster than the world's time it runs, in parts in a million.
    fast_ppm: i64,
    /// The world's time until which it stands still.
    held_until_ns: u64,
}

impl Clock {
    /// A clock that shows `shown_ns` now.
    pub fn new(shown_ns: u64, now_ns: u64, fast_ppm: i64) -> Self {
        Clock { shown_ns, since_ns: now_ns, fast_ppm, held_until_ns: now_ns }
    }

    /// What it shows at `now_ns` of the world.
    pub fn local(&self, now_ns: u64) -> u64 {
        let start = self.since_ns.max(self.held_until_ns);
        let elapsed = now_ns.saturating_sub(start);
        // In two parts, so that 64 bits are enough.
        let (millions, rest) = (elapsed / MILLION, elapsed % MILLION);
        let factor = (MILLION as i64 + self.fast_ppm) as u64;
        self.shown_ns + millions * factor + rest * factor / MILLION
    }

    /// The first moment of the world at which it shows `local_ns` or more.
    pub fn world(&self, local_ns: u64) -> u64 {
        if local_ns == u64::MAX {
            return u64::MAX;
        }
        let start = self.since_ns.max(self.held_until_ns);
        let wanted = local_ns.saturating_sub(self.shown_ns);
        let factor = (MILLION as i64 + self.fast_ppm) as u64;
        let scaled = wanted / factor * MILLION + (wanted % factor * MILLION).div_ceil(factor);
        start.saturating_add(scaled).saturating_add(1)
    }

    /// Stands still for `span_ns` from now on.
    pub fn hold(&mut self, now_ns: u64, span_ns: u64) {
        self.shown_ns = self.local(now_ns);
        self.since_ns = now_ns;
        self.held_until_ns = self.held_until_ns.max(now_ns + span_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_met_early() {
        for fast_ppm in [-500, 0, 300] {
            let clock = Clock::new(7, 100, fast_ppm);
            for local in [8, 1000, 123_456_789] {
                let world = clock.world(local);
                assert!(clock.local(world) >= local, "{fast_ppm} {local}");
                assert!(clock.local(world) <= local + 2, "{fast_ppm} {local}");
            }
        }
    }

    #[test]
    fn a_held_clock_stands_still_and_then_goes_on() {
        let mut clock = Clock::new(0, 0, 0);
        clock.hold(50, 30);
        assert_eq!(clock.local(50), 50);
        assert_eq!(clock.local(80), 50);
        assert_eq!(clock.local(90), 60);
    }
}
