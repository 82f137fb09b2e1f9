//! What is left of many durations: [`Spread`], percentiles by nearest rank, and a histogram.

use serde::Serialize;

/// Percentiles of a set of durations, in nanoseconds. With few of them the high ones are the
/// largest; `n` beside it in the report says how many there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// The shortest.
    pub min: u64,
    /// The median.
    pub p50: u64,
    /// Nine of ten are no longer.
    pub p90: u64,
    /// 99 of 100 are no longer.
    pub p99: u64,
    /// 999 of 1000 are no longer.
    pub p999: u64,
    /// The longest.
    pub max: u64,
}

/// Parts into which each doubling of the histogram's scale is cut.
const PARTS_OF_DOUBLING: u64 = 4;

impl Spread {
    /// Of at least one duration.
    pub fn of(durations: &[u64]) -> Option<Spread> {
        let mut sorted = durations.to_vec();
        sorted.sort_unstable();
        // The nearest rank: the smallest value with at least this share at or below it.
        let rank = |per_mille: usize| {
            let rank = (sorted.len() * per_mille).div_ceil(1000).max(1);
            sorted.get(rank - 1).copied()
        };
        Some(Spread {
            min: *sorted.first()?,
            p50: rank(500)?,
            p90: rank(900)?,
            p99: rank(990)?,
            p999: rank(999)?,
            max: *sorted.last()?,
        })
    }
}

/// The lower bound of each bucket that is not empty, and how many are in it. Buckets are a quarter
/// of a doubling wide: exact below four, within a fifth above.
pub fn histogram(durations: &[u64]) -> Vec<(u64, u64)> {
    let mut buckets = std::collections::BTreeMap::new();
    for duration in durations {
        *buckets.entry(bucket(*duration)).or_insert(0) += 1;
    }
    buckets.into_iter().collect()
}

fn bucket(value: u64) -> u64 {
    if value < PARTS_OF_DOUBLING {
        return value;
    }
    let doubling = 1_u64 << value.ilog2();
    let part = doubling / PARTS_OF_DOUBLING;
    doubling + (value - doubling) / part * part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let durations: Vec<u64> = (1..=100).rev().collect();
        let spread = Spread::of(&durations).expect("durations");
        assert_eq!((spread.min, spread.p50, spread.p90, spread.p99), (1, 50, 90, 99));
        assert_eq!((spread.p999, spread.max), (100, 100));
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[7]).map(|spread| spread.p999), Some(7));
    }

    #[test]
    fn a_bucket_starts_at_or_below_what_is_in_it_and_is_narrow() {
        for value in [0, 1, 3, 4, 5, 7, 8, 1000, 123_456_789] {
            let low = bucket(value);
            assert!(low <= value && (value - low) * 4 <= low.max(1), "{value} in {low}");
        }
        assert_eq!(histogram(&[5, 5, 1000]), [(5, 2), (896, 1)]);
    }
}
