//! The clock: Xen's system time in nanoseconds, one clock for all domains of a host.
//!
//! The raw value was seen to step back by milliseconds where TSCs differ between processors, so
//! the largest value given so far is remembered and nothing smaller is ever given; the steps are
//! counted and reported.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::cpu;
use crate::shared_info::{self, TimeParameters};

static LARGEST_NS: AtomicU64 = AtomicU64::new(0);
static STEPS_BACK: AtomicU32 = AtomicU32::new(0);

/// Now, nanoseconds of system time; never less than before. Before the shared info page is placed
/// this must not be called; where Xen gives no parameters it stands still.
pub fn now_ns() -> u64 {
    let largest = LARGEST_NS.load(Ordering::Relaxed);
    let Some(parameters) = shared_info::time_parameters() else { return largest };
    let raw = parameters.system_time_at(cpu::time_stamp());
    if raw < largest {
        STEPS_BACK.fetch_add(1, Ordering::Relaxed);
        return largest;
    }
    LARGEST_NS.store(raw, Ordering::Relaxed);
    raw
}

/// System time of the image's first instruction (T1 of the timeline).
pub fn entry_ns() -> u64 {
    let entry = crate::boot::entry::entry_tsc();
    shared_info::time_parameters().map_or(0, |parameters| parameters.system_time_at(entry))
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
