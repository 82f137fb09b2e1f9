//! Runs a fixed range of seeds of the simulated world.
use tests::sim::faults::Mask;
use tests::sim::run::run;
use tests::sim::trace::Trace;

#[test]
fn first_seeds() {
    for seed in 0..20 {
        let out = run(seed, Mask::default(), Trace::hashed());
        println!(
            "{seed} {:?} {:?} {:?}",
            out.failure,
            out.tally,
            out.measures.virtual_ns / 1_000_000
        );
    }
}
