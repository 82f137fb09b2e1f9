//! Many seeds on many threads. Each world lives on one thread; only sums meet.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;
use std::thread;

use crate::base::trace::Trace;
use crate::runs::run::{Hard, RunOutcome, run};
use crate::world::faults::{Mask, Matrix};
use crate::world::oracle::Tally;

/// Which seeds.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// The first.
    pub from: u64,
    /// How many.
    pub count: u64,
}

/// The sums of many runs.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Runs.
    pub seeds: u64,
    /// What struck where.
    pub matrix: Matrix,
    /// What the users saw.
    pub tally: Tally,
    /// What the models did.
    pub hard: Hard,
    /// Domains that lived.
    pub lives: u64,
    /// Requests answered.
    pub requests: u64,
    /// Virtual nanoseconds.
    pub virtual_ns: u128,
    /// The longest time until all were joined, in beats, and its seed.
    pub joined_beats: (f64, u64),
    /// The longest time until a death was noticed, in beats, and its seed.
    pub noticed_beats: (f64, u64),
    /// All traces' numbers, added up: the same seeds give the same sum.
    pub hash: u64,
}

impl Done {
    fn add(&mut self, seed: u64, outcome: &RunOutcome) {
        let measures = &outcome.measures;
        self.seeds += 1;
        self.matrix.add(&outcome.matrix);
        self.tally.add(&outcome.tally);
        self.hard.add(&measures.hard);
        self.lives += measures.lives;
        self.requests += measures.requests;
        self.virtual_ns += u128::from(measures.virtual_ns);
        for (longest, this) in [
            (&mut self.joined_beats, measures.joined_beats),
            (&mut self.noticed_beats, measures.noticed_beats),
        ] {
            // Of two as long the smaller seed, whichever thread was faster.
            if this > longest.0 || (this == longest.0 && seed < longest.1) {
                *longest = (this, seed);
            }
        }
        self.hash = self.hash.wrapping_add(outcome.hash);
    }
}

/// A campaign that has ended.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Its sums.
    pub done: Done,
    /// Failing seeds and what went wrong.
    pub failures: Vec<(u64, String)>,
    /// Wall time.
    pub seconds: f64,
    /// Processor time of all threads, where the system tells it.
    pub cpu_seconds: Option<f64>,
    /// Threads.
    pub jobs: usize,
}

/// Seeds that a thread takes at once.
const BATCH: u64 = 16;

impl Campaign {
    /// Runs the seeds on `jobs` threads until all are done or `failures_max` have failed. `tell`
    /// hears of every batch.
    pub fn run(
        seeds: Seeds,
        jobs: usize,
        failures_max: usize,
        tell: impl Fn(&Done) + Sync,
    ) -> Campaign {
        let start = std::time::Instant::now();
        let next = AtomicU64::new(0);
        let shared = Mutex::new((Done::default(), Vec::new()));
        let spent = Mutex::new(Some(0.0));
        thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    let before = thread_cpu_seconds();
                    loop {
                        let first = next.fetch_add(BATCH, Ordering::Relaxed);
                        if first >= seeds.count {
                            break;
                        }
                        let batch = first..(first + BATCH).min(seeds.count);
                        let outcomes: Vec<(u64, RunOutcome)> = batch
                            .map(|number| seeds.from + number)
                            .map(|seed| (seed, run(seed, Mask::default(), Trace::hashed())))
                            .collect();
                        let mut sums = shared.lock().expect("no thread panics in here");
                        for (seed, outcome) in outcomes {
                            sums.0.add(seed, &outcome);
                            sums.1.extend(outcome.failure.map(|failure| (seed, failure)));
                        }
                        tell(&sums.0);
                        if sums.1.len() >= failures_max {
                            next.store(seeds.count, Ordering::Relaxed);
                        }
                    }
                    let mut spent = spent.lock().expect("no thread panics in here");
                    *spent = spent.zip(thread_cpu_seconds()).zip(before).map(
                        |((spent, after), before): ((f64, f64), f64)| spent + (after - before),
                    );
                });
            }
        });
        let (done, mut failures) = shared.into_inner().expect("no thread panicked");
        failures.sort();
        failures.truncate(failures_max);
        let cpu_seconds = spent.into_inner().expect("no thread panicked");
        Campaign { done, failures, seconds: start.elapsed().as_secs_f64(), cpu_seconds, jobs }
    }
}

/// Processor time of the calling thread: the first number of Linux's schedstat, in nanoseconds.
fn thread_cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: u64 = text.split(' ').next()?.parse().ok()?;
    Some(nanoseconds as f64 / 1e9)
}
