//! The simulated world in the ordinary test command: a fixed range of seeds holds, covers every
//! cell of the matrix, shows every fault, and is the same each time.
//!
//! More seeds, progress and replay: `cargo run -p sim --release --bin simulate -- --help`.

use core::num::NonZero;
use std::thread::available_parallelism;

use sim::base::trace::Trace;
use sim::runs::campaign::{Campaign, Seeds};
use sim::runs::minimise::minimise;
use sim::runs::report;
use sim::runs::run::run;
use sim::world::faults::{Fault, Mask};

/// Unoptimised, enough for every cell of the matrix and few enough for the ordinary test command;
/// optimised, what .ci/run asks for.
const SEEDS: u64 = if cfg!(debug_assertions) { 2000 } else { 50_000 };

#[test]
fn a_range_of_seeds_holds_every_guarantee_and_covers_the_matrix() {
    let jobs = available_parallelism().map_or(1, NonZero::get);
    // A failing world panics; its words are in the report below.
    std::panic::set_hook(Box::new(|_| {}));
    let campaign = Campaign::run(Seeds { from: 0, count: SEEDS }, jobs, 1, |_| {});
    drop(std::panic::take_hook());
    print!("{}", report::of_many(&campaign));
    if let Some((seed, failure)) = campaign.failures.first() {
        panic!("{}", report::of_failure(*seed, &minimise(*seed, Mask::default(), failure)));
    }
    let matrix = &campaign.done.matrix;
    for fault in Fault::ALL {
        assert!(matrix.total(fault) > 0, "{} never happened", fault.word());
    }
    let empty = matrix.empty_cells();
    assert!(empty.is_empty(), "nothing ever happened in {empty:?}");
    for (name, count) in campaign.done.hard.list() {
        assert!(count > 0, "{name} never happened");
    }
}

#[test]
fn seeds_that_have_failed_hold() {
    for (seed, why) in [
        (
            234_667,
            "a beat late by a hair and a silent xenstored were two misses, and two the limit",
        ),
        (795_296, "a domain restarted its endpoint as it was woken, and slept without a step"),
        (68_992, "a mailbox that was made again, and read since, was polled for 60 beats"),
    ] {
        let done = run(seed, Mask::default(), Trace::hashed());
        assert!(done.failure.is_none(), "seed {seed}, {why}: {:?}", done.failure);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [0, 7, 42, 1_000_003] {
        let first = run(seed, Mask::default(), Trace::hashed());
        let again = run(seed, Mask::default(), Trace::hashed());
        let told = run(seed, Mask::default(), Trace::kept());
        assert_eq!(first.hash, again.hash, "seed {seed} differs from itself");
        assert_eq!(first.hash, told.hash, "seed {seed} differs when it is watched");
        assert_eq!(first.tally, again.tally);
        assert_eq!(first.measures, again.measures);
        let other = run(seed + 1, Mask::default(), Trace::hashed());
        assert_ne!(first.hash, other.hash, "the number tells two seeds apart");
    }
}
