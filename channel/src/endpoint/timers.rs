//! The table of all timers of an endpoint (docs/protocol.md §5). A timer that is set fires once; it
//! must be set again to fire again.

use crate::instant::Instant;

/// The timers of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// While down: set the permissions again, read the mailbox, write the hello (rule S2).
    Hello,
    /// After an introduction: the peer had time to send its hello first; send this side's now.
    FirstHello,
    /// While up: write the register again, with a new beat and all unacknowledged messages (rule
    /// S2').
    Beat,
    /// While up: read the mailbox even without an event (rule S2').
    Poll,
    /// While connected: the page announced a message and no watch event has arrived; read the
    /// mailbox (rule Q).
    Page,
    /// The daemon failed temporarily: retry the request.
    Retry,
    /// Reset the count of recreated mailboxes.
    MendWindow,
}

/// All timers.
pub const TIMERS: [Timer; 7] = [
    Timer::Hello,
    Timer::FirstHello,
    Timer::Beat,
    Timer::Poll,
    Timer::Page,
    Timer::Retry,
    Timer::MendWindow,
];

/// The expiry time of each timer that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerTable {
    at: [Option<Instant>; TIMERS.len()],
}

impl TimerTable {
    /// No timer is set.
    pub const IDLE: Self = Self { at: [None; TIMERS.len()] };

    /// Sets a timer, or moves it.
    pub fn set(&mut self, timer: Timer, at: Instant) {
        self.at[timer as usize] = Some(at);
    }

    /// Cancels a timer.
    pub fn stop(&mut self, timer: Timer) {
        self.at[timer as usize] = None;
    }

    /// Whether a timer is set.
    pub const fn is_set(&self, timer: Timer) -> bool {
        self.at[timer as usize].is_some()
    }

    /// Clears one timer that is due, and returns it.
    pub fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let due = TIMERS
            .into_iter()
            .find(|timer| self.at[*timer as usize].is_some_and(|at| at <= now))?;
        self.stop(due);
        Some(due)
    }

    /// Moves each timer that is set to `due` if it is due at `now`, else to `later`.
    pub(super) fn make_canonical(&mut self, now: Instant, due: Instant, later: Instant) {
        for at in self.at.iter_mut().flatten() {
            *at = if *at <= now { due } else { later };
        }
    }

    /// The earliest expiry time; [`Instant::NEVER`] if no timer is set.
    pub fn next(&self) -> Instant {
        self.at.iter().flatten().min().copied().unwrap_or(Instant::NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::{Timer, TimerTable};
    use crate::instant::Instant;

    #[test]
    fn each_timer_fires_once_and_the_earliest_is_next() {
        let mut timers = TimerTable::IDLE;
        assert_eq!(timers.next(), Instant::NEVER);
        timers.set(Timer::Poll, Instant::from_nanoseconds(20));
        timers.set(Timer::Beat, Instant::from_nanoseconds(10));
        assert_eq!(timers.next(), Instant::from_nanoseconds(10));
        assert_eq!(timers.take_due(Instant::from_nanoseconds(9)), None);
        assert_eq!(timers.take_due(Instant::from_nanoseconds(10)), Some(Timer::Beat));
        assert_eq!(timers.take_due(Instant::from_nanoseconds(10)), None);
        timers.stop(Timer::Poll);
        assert!(!timers.is_set(Timer::Poll));
        assert_eq!(timers.next(), Instant::NEVER);
    }
}
