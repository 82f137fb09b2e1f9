//! Local time in nanoseconds of a monotonic clock. The channel never reads a clock: every function
//! that needs the time takes an [`Instant`]. Only local times are compared, never a peer's
//! (docs/protocol.md §5).

/// A point in local time, in nanoseconds since a fixed start. The caller must supply values that
/// never decrease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The start of the clock.
    pub const START: Self = Self(0);
    /// Later than any other time: "no deadline".
    pub const NEVER: Self = Self(u64::MAX);

    /// The time `nanoseconds` after the start of the clock.
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since the clock's start.
    pub const fn nanoseconds(self) -> u64 {
        self.0
    }

    /// The time `span` later; saturates at [`Instant::NEVER`].
    #[must_use]
    pub const fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The duration since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

/// A duration of local time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

impl Duration {
    /// The zero duration.
    pub const ZERO: Self = Self(0);

    /// A duration of `nanoseconds`.
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// A duration of `milliseconds`; saturates at the longest duration.
    pub const fn from_milliseconds(milliseconds: u64) -> Self {
        Self(milliseconds.saturating_mul(1_000_000))
    }

    /// The duration in nanoseconds.
    pub const fn nanoseconds(self) -> u64 {
        self.0
    }

    /// The duration times `factor`; saturates at the longest duration.
    #[must_use]
    pub const fn times(self, factor: u32) -> Self {
        Self(self.0.saturating_mul(factor as u64))
    }

    /// The duration divided by `parts`.
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
