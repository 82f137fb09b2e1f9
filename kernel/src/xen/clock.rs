//! The clock: Xen's system time in nanoseconds, one clock for all domains of a host.
//!
//! The raw value was seen to step back by milliseconds where TSCs differ between processors, so
//! the largest value given so far is remembered and nothing smaller is ever given; the steps are
//! counted and reported.
//!
//! A domain that was restored may be on a host that was booted later, whose system time is smaller:
//! from then on a distance is added to it, so that the clock goes on where it stood.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::mem::cpu;
use crate::xen::shared_info::{self, TimeParameters};

static LARGEST_NS: AtomicU64 = AtomicU64::new(0);
static STEPS_BACK: AtomicU32 = AtomicU32::new(0);
/// What is added to Xen's system time: 0 on the host that the image was started on.
static AHEAD_NS: AtomicU64 = AtomicU64::new(0);

/// Now, nanoseconds of system time; never less than before. Before the shared info page is placed
/// this must not be called; where Xen gives no parameters it stands still.
pub fn now_ns() -> u64 {
    let largest = LARGEST_NS.load(Ordering::Relaxed);
    let Some(parameters) = shared_info::time_parameters() else { return largest };
    let system = parameters.system_time_at(cpu::time_stamp());
    let raw = system.saturating_add(AHEAD_NS.load(Ordering::Relaxed));
    if raw < largest {
        STEPS_BACK.fetch_add(1, Ordering::Relaxed);
        return largest;
    }
    LARGEST_NS.store(raw, Ordering::Relaxed);
    raw
}

/// A moment of this clock as Xen's system time, for deadlines given to Xen; what is past there is 0.
pub(crate) fn system_ns(moment_ns: u64) -> u64 {
    moment_ns.saturating_sub(AHEAD_NS.load(Ordering::Relaxed))
}

/// The domain was restored, and Xen's time may be another host's: the clock goes on from the value
/// it gave last, or from Xen's time where that is later.
pub(crate) fn go_on() {
    if let Some(parameters) = shared_info::time_parameters() {
        let system = parameters.system_time_at(cpu::time_stamp());
        let ahead = distance_ahead(LARGEST_NS.load(Ordering::Relaxed), system);
        AHEAD_NS.store(ahead, Ordering::Relaxed);
    }
}

/// What has to be added to `system` so that it is not behind `shown`, the last value given.
fn distance_ahead(shown: u64, system: u64) -> u64 {
    shown.saturating_sub(system)
}

/// System time when the time-stamp counter showed `tsc`; 0 where Xen gives no parameters.
pub(crate) fn system_ns_at(tsc: u64) -> u64 {
    shared_info::time_parameters().map_or(0, |parameters| parameters.system_time_at(tsc))
}

/// How often the raw clock was found behind a value already given.
pub fn steps_back() -> u32 {
    STEPS_BACK.load(Ordering::Relaxed)
}

impl TimeParameters {
    /// System time when the counter showed `tsc`, which may lie before the parameters' own moment.
    /// The difference is taken modulo 2^64: Xen gives a young domain's counter an offset, and then
    /// the moment's own value is "negative".
    fn system_time_at(&self, tsc: u64) -> u64 {
        let ticks = tsc.wrapping_sub(self.tsc_timestamp).cast_signed();
        let distance = self.nanoseconds(ticks.unsigned_abs());
        if ticks >= 0 {
            self.system_time.saturating_add(distance)
        } else {
            self.system_time.saturating_sub(distance)
        }
    }

    /// Nanoseconds in a number of ticks (xen/include/public/xen.h, struct vcpu_time_info).
    fn nanoseconds(&self, ticks: u64) -> u64 {
        let ticks = u128::from(ticks);
        let amount = u32::from(self.shift.unsigned_abs() & 0x3f);
        let shifted = if self.shift < 0 { ticks >> amount } else { ticks << amount };
        let product = shifted.saturating_mul(u128::from(self.multiplier));
        u64::try_from(product >> 32).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::{TimeParameters, distance_ahead};

    /// A counter of 2 GHz: half a nanosecond a tick.
    const TWO_GHZ: TimeParameters =
        TimeParameters { tsc_timestamp: 1000, system_time: 5000, multiplier: 1 << 31, shift: 0 };

    #[test]
    fn on_a_younger_host_the_clock_goes_on_from_what_it_showed_last() {
        let ahead = distance_ahead(9_000, 2_000);
        assert_eq!([2_000, 2_001, 5_000].map(|system| system + ahead), [9_000, 9_001, 12_000]);
        assert_eq!(distance_ahead(9_000, 9_500), 0);
    }

    #[test]
    fn ticks_since_the_moment_are_added() {
        assert_eq!(TWO_GHZ.system_time_at(1000), 5000);
        assert_eq!(TWO_GHZ.system_time_at(3000), 6000);
    }

    #[test]
    fn a_counter_before_the_moment_gives_an_earlier_time() {
        assert_eq!(TWO_GHZ.system_time_at(200), 4600);
    }

    #[test]
    fn the_difference_is_taken_across_the_wrap() {
        let young = TimeParameters { tsc_timestamp: 200_u64.wrapping_neg(), ..TWO_GHZ };
        assert_eq!(young.system_time_at(1800), 6000);
    }

    #[test]
    fn the_shift_goes_both_ways() {
        let slow = TimeParameters { shift: 3, ..TWO_GHZ };
        assert_eq!(slow.system_time_at(1010), 5040);
        let fast = TimeParameters { shift: -1, ..TWO_GHZ };
        assert_eq!(fast.system_time_at(1010), 5002);
    }

    #[test]
    fn absurd_parameters_saturate() {
        let absurd = TimeParameters { multiplier: u32::MAX, shift: i8::MAX, ..TWO_GHZ };
        assert_eq!(absurd.system_time_at(u64::MAX >> 1), u64::MAX);
        let before = TimeParameters { tsc_timestamp: u64::MAX >> 1, ..absurd };
        assert_eq!(before.system_time_at(0), 0);
    }
}
