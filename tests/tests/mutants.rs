//! Mistakes made on purpose, each found by the simulation: what it guards is guarded.
//!
//! One test alone, because a mutant holds for the whole process. One mutant by hand:
//! `cargo run -p tests --release --bin simulate -- --mutant NAME`.

use core::num::NonZero;
use std::thread::available_parallelism;

use tests::sim::mutants::{MUTANTS, hunt};

/// Far more than the shyest of them needs.
const SEEDS_MAX: u64 = 5000;

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release --test mutants")]
fn every_mutant_is_caught() {
    let jobs = available_parallelism().map_or(1, NonZero::get);
    // A failing world panics; its words are in the table.
    std::panic::set_hook(Box::new(|_| {}));
    let hunts = MUTANTS.map(|mutant| (mutant.name, hunt(mutant, SEEDS_MAX, jobs)));
    drop(std::panic::take_hook());
    for (name, caught) in &hunts {
        match caught {
            Some(caught) => println!("{name:22} seed {:>4}: {}", caught.seed, caught.failure),
            None => println!("{name:22} not caught"),
        }
    }
    let survivors: Vec<_> =
        hunts.iter().filter(|(_, caught)| caught.is_none()).map(|(name, _)| name).collect();
    assert!(survivors.is_empty(), "{SEEDS_MAX} seeds do not catch {survivors:?}");
}
