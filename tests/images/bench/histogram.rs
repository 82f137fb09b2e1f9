//! A log-linear histogram of durations: made once, then only counted into. Nothing is allocated and
//! nothing printed while something is measured.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Arguments;

/// Parts into which each doubling is cut: a value is known to within 1/128, 0.8 per cent.
const PARTS_BITS: u32 = 7;
const PARTS: u64 = 1 << PARTS_BITS;
/// Durations from 2^32 ns (4.3 s) on share the last part.
const BITS_MAX: u32 = 32;
const BUCKETS: usize = (PARTS as usize) * (BITS_MAX - PARTS_BITS + 1) as usize;

/// A name in the output.
pub(crate) type Name = heapless::String<16>;

/// Durations in nanoseconds, by how often.
pub(crate) struct Histogram {
    name: Name,
    buckets: Vec<u32>,
    count: u32,
    sum_ns: u64,
    min_ns: u64,
    max_ns: u64,
}

impl Histogram {
    /// Nothing counted. Takes 13 KiB of the heap.
    pub(crate) fn new(name: &str) -> Histogram {
        let buckets = vec![0; BUCKETS];
        // Names are this image's own and fit.
        let name = Name::try_from(name).unwrap_or_default();
        Histogram { name, buckets, count: 0, sum_ns: 0, min_ns: u64::MAX, max_ns: 0 }
    }

    /// Nothing counted again, under another name.
    pub(crate) fn clear(&mut self, name: Name) {
        self.name = name;
        self.buckets.fill(0);
        (self.count, self.sum_ns, self.min_ns, self.max_ns) = (0, 0, u64::MAX, 0);
    }

    /// Counts one duration.
    pub(crate) fn record(&mut self, ns: u64) {
        self.buckets[bucket(ns)] += 1;
        self.count += 1;
        self.sum_ns += ns;
        self.min_ns = self.min_ns.min(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    /// Prints everything by `write`: `hist name=… n=…`, then one `bucket` for each part that is not
    /// empty, with its lowest and its highest value.
    pub(crate) fn print(&self, write: fn(Arguments<'_>)) {
        let (name, n) = (&self.name, self.count);
        if n == 0 {
            return;
        }
        let (sum, min, max) = (self.sum_ns, self.min_ns, self.max_ns);
        write(format_args!("hist name={name} n={n} sum_ns={sum} min_ns={min} max_ns={max}"));
        for (index, count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (low, high) = bounds(index);
            write(format_args!("bucket name={name} lo={low} hi={high} n={count}"));
        }
    }
}

fn bucket(ns: u64) -> usize {
    let ns = ns.min((1 << BITS_MAX) - 1);
    if ns < PARTS {
        return ns as usize;
    }
    // The doubling, and within it the bits below the leading one.
    let shift = ns.ilog2() - PARTS_BITS;
    ((u64::from(shift) << PARTS_BITS) + (ns >> shift)) as usize
}

/// The lowest and the highest value of a part.
fn bounds(index: usize) -> (u64, u64) {
    let index = index as u64;
    if index < 2 * PARTS {
        return (index, index);
    }
    let shift = (index >> PARTS_BITS) - 1;
    let low = (PARTS + index % PARTS) << shift;
    (low, low + (1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::{BITS_MAX, BUCKETS, bounds, bucket};

    #[test]
    fn every_value_lies_between_its_parts_bounds_and_parts_follow_one_another() {
        for ns in (0..5000).chain([1 << 20, (1 << 20) + 12_345, (1 << BITS_MAX) - 1]) {
            let (low, high) = bounds(bucket(ns));
            assert!(low <= ns && ns <= high, "{ns} in {low}..={high}");
            assert!((high - low) * 128 <= low.max(128), "{low}..={high} is wide");
        }
        for index in 1..BUCKETS {
            assert_eq!(bounds(index - 1).1 + 1, bounds(index).0);
        }
    }

    #[test]
    fn what_is_too_long_is_counted_as_the_longest() {
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }
}
