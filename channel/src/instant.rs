//! Local time as the channel sees it: nanoseconds of one clock that never steps back. The channel
//! never reads a clock; every entry point that needs time takes an [`Instant`]. Only local
//! durations are ever compared, never a peer's time (docs/protocol.md §5).

/// A moment on the local clock, in nanoseconds since some fixed start. The supplier clamps it, so
/// that it never steps back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The first moment.
    pub const START: Self = Self(0);
    /// Later than any moment that comes: the deadline of who waits for nothing.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment `nanoseconds` after the clock's start.
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since the clock's start.
    pub const fn nanoseconds(self) -> u64 {
        self.0
    }

    /// The moment `span` later; [`Instant::NEVER`] if the clock cannot hold it.
    #[must_use]
    pub const fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// How long ago `earlier` was; zero if it was not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

/// A length of local time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// `nanoseconds` of time.
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// `milliseconds` of time; the longest duration if that does not fit.
    pub const fn from_milliseconds(milliseconds: u64) -> Self {
        Self(milliseconds.saturating_mul(1_000_000))
    }

    /// The length in nanoseconds.
    pub const fn nanoseconds(self) -> u64 {
        self.0
    }

    /// `factor` times as long, or the longest duration.
    #[must_use]
    pub const fn times(self, factor: u32) -> Self {
        Self(self.0.saturating_mul(factor as u64))
    }

    /// One `parts`-th of it.
    ///
    /// # Panics
    /// If `parts` is zero.
    #[must_use]
    pub const fn divided(self, parts: u32) -> Self {
        assert!(parts > 0);
        Self(self.0 / parts as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant};

    #[test]
    fn arithmetic_at_the_end_of_the_clock_saturates() {
        let late = Instant::from_nanoseconds(u64::MAX - 1);
        assert_eq!(late.after(Duration::from_milliseconds(1)), Instant::NEVER);
        assert_eq!(Instant::START.since(late), Duration::ZERO);
        assert_eq!(Duration::from_nanoseconds(u64::MAX).times(3).nanoseconds(), u64::MAX);
    }

    #[test]
    fn durations_scale_in_nanoseconds() {
        let beat = Duration::from_milliseconds(1000);
        assert_eq!(beat.times(4).nanoseconds(), 4_000_000_000);
        assert_eq!(beat.divided(4), Duration::from_milliseconds(250));
        assert_eq!(Instant::START.after(beat).since(Instant::START), beat);
    }
}
