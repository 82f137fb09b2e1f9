//! Makes a failing run small: as few faults as still bring the same failure.
//!
//! Faults are left out of the same seed, so everything else stays as near as it can. The result is
//! small, not smallest: it is bounded in the number of runs.

use crate::base::trace::Trace;
use crate::runs::run::{RunOutcome, run};
use crate::world::faults::Mask;

/// Runs that are spent on one failure at most.
const RUNS_MAX: u32 = 600;

/// A failure made small.
#[derive(Clone, Debug)]
pub struct Small {
    /// What is left out.
    pub mask: Mask,
    /// The run, with its trace.
    pub outcome: RunOutcome,
    /// Runs that it took.
    pub runs: u32,
}

/// Leaves out as many faults of a failing seed as can be.
pub fn minimise(seed: u64, start: Mask, failure: &str) -> Small {
    let wanted = likeness(failure);
    let mut runs = 0;
    let mut fails = |mask: &Mask| {
        runs += 1;
        let outcome = run(seed, mask.clone(), Trace::hashed());
        let same = outcome.failure.is_some_and(|failure| likeness(&failure) == wanted);
        (same, outcome.decided)
    };
    let mut best = start;
    let (same, decided) = fails(&best);
    if same {
        // The shortest beginning that still fails, by halves; it need not be monotonic.
        let (mut low, mut high) = (0, best.first.unwrap_or(decided).min(decided));
        while low < high {
            let middle = low + (high - low) / 2;
            let mask = Mask { first: Some(middle), without: best.without.clone() };
            if fails(&mask).0 {
                high = middle;
                best = mask;
            } else {
                low = middle + 1;
            }
        }
        let end = best.first.unwrap_or(decided);
        let left = (0..end).rev().filter(|number| !best.without.contains(number));
        for number in left.take(RUNS_MAX as usize).collect::<Vec<_>>() {
            let mut mask = best.clone();
            mask.without.push(number);
            if fails(&mask).0 {
                best = mask;
            }
        }
        best.without.sort_unstable();
    }
    Small { outcome: run(seed, best.clone(), Trace::kept()), mask: best, runs }
}

/// A failure's words without its numbers.
fn likeness(failure: &str) -> String {
    failure.chars().filter(|letter| !letter.is_ascii_digit()).take(60).collect()
}
