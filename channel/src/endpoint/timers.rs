//! The endpoint's timers, all of them, in one table (docs/protocol.md §5).
//! A timer that is not set never fires; one that is set fires once, and who wants it again sets it
//! again.

use crate::instant::Instant;

/// What an endpoint waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// Not up: set the permissions again, read the mailbox, write the hello (rule S2).
    Hello,
    /// Newly introduced: the peer has had its chance to say hello first; say it now.
    FirstHello,
    /// Up: write the register again, for its beat and for whatever is unacknowledged (rule S2').
    Beat,
    /// Up: read the mailbox, whatever events have come (rule S2').
    Poll,
    /// Connected: the page told of a message, and no event has brought it yet; read the mailbox (rule
    /// Q).
    Page,
    /// The daemon could not do a request: it may be tried again.
    Retry,
    /// The count of mailboxes made again starts from zero.
    MendWindow,
}

/// All of them.
pub const TIMERS: [Timer; 7] = [
    Timer::Hello,
    Timer::FirstHello,
    Timer::Beat,
    Timer::Poll,
    Timer::Page,
    Timer::Retry,
    Timer::MendWindow,
];

/// When each timer fires, if it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerTable {
    at: [Option<Instant>; TIMERS.len()],
}

impl TimerTable {
    /// Nothing set.
    pub const IDLE: Self = Self { at: [None; TIMERS.len()] };

    /// Sets a timer, or moves it.
    pub fn set(&mut self, timer: Timer, at: Instant) {
        self.at[timer as usize] = Some(at);
    }

    /// Takes a timer off.
    pub fn stop(&mut self, timer: Timer) {
        self.at[timer as usize] = None;
    }

    /// Whether a timer is set.
    pub const fn is_set(&self, timer: Timer) -> bool {
        self.at[timer as usize].is_some()
    }

    /// Takes off one timer that is due, and names it.
    pub fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let due = TIMERS
            .into_iter()
            .find(|timer| self.at[*timer as usize].is_some_and(|at| at <= now))?;
        self.stop(due);
        Some(due)
    }

    /// Each timer that is set is due at `due` if it is due at `now`, else at `later`.
    pub(super) fn make_canonical(&mut self, now: Instant, due: Instant, later: Instant) {
        for at in self.at.iter_mut().flatten() {
            *at = if *at <= now { due } else { later };
        }
    }

    /// The moment of the next one; [`Instant::NEVER`] if none is set.
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
