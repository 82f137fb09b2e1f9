//! Retries of a transaction. The daemon answers a commit with EAGAIN if it conflicts with another
//! transaction. Two clients that retry at once would conflict again, so the pauses grow and are
//! randomised. The transaction itself is in [`crate::blocking`].

use core::time::Duration;

/// Most attempts of a transaction. Conflicts are rare if each side writes its own subtree. After
/// sixteen in a row another client writes permanently, and waiting longer does not help.
pub const ATTEMPTS_MAX: u32 = 16;

/// The pause after the first conflict, before randomisation. A commit takes a fraction of that.
pub const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// The longest pause. All sixteen attempts together pause for less than a second.
pub const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// The pauses between the attempts of one transaction.
///
/// ```
/// let mut backoff = xenbus::transaction::Backoff::new();
/// let pause = backoff.next_pause(0x8000_0000).unwrap();
/// assert_eq!(pause.as_micros(), 750); // between a half and the whole of a millisecond
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Before the first attempt.
    pub const fn new() -> Backoff {
        Backoff { attempts: 0 }
    }

    /// The pause after a conflict, or `None` after the last attempt. `random` is any random number;
    /// the pause lies between a half and the whole of a span that doubles each time.
    ///
    /// # Panics
    /// If called again after it returned `None`.
    pub fn next_pause(&mut self, random: u32) -> Option<Duration> {
        self.attempts += 1;
        assert!(self.attempts <= ATTEMPTS_MAX);
        if self.attempts == ATTEMPTS_MAX {
            return None;
        }
        let span = FIRST_PAUSE.saturating_mul(1 << (self.attempts - 1)).min(LONGEST_PAUSE);
        let half_ns = span.as_nanos() as u64 / 2;
        let spread_ns = (half_ns * u64::from(random)) >> u32::BITS;
        Some(Duration::from_nanos(half_ns + spread_ns))
    }

    /// Number of attempts that ended in a conflict.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff::new()
    }
}

// The shift in `next_pause` stays below 32, and the product below 2^64.
const _: () = assert!(ATTEMPTS_MAX <= u32::BITS);
const _: () = assert!(LONGEST_PAUSE.as_nanos() / 2 < 1 << 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_stay_within_their_span_and_end() {
        for random in [0, 1, u32::MAX / 2, u32::MAX] {
            let mut backoff = Backoff::new();
            let mut pauses = 0;
            let mut span = FIRST_PAUSE;
            while let Some(pause) = backoff.next_pause(random) {
                assert!(pause >= span / 2, "{pause:?} of {span:?}");
                assert!(pause < span, "{pause:?} of {span:?}");
                span = (span * 2).min(LONGEST_PAUSE);
                pauses += 1;
            }
            assert_eq!(pauses, ATTEMPTS_MAX - 1);
            assert_eq!(backoff.attempts(), ATTEMPTS_MAX);
        }
    }

    #[test]
    fn different_random_numbers_give_different_pauses() {
        let pause = |random| Backoff::new().next_pause(random);
        assert_ne!(pause(1 << 30), pause(3 << 30));
    }
}
