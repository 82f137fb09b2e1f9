//! What the fuzz target `world` is worth: with a mistake made on purpose in the shipped code, its
//! oracle is broken by one of as many inputs as the sound world is given (tests/src/fuzz/run.rs).
//!
//! A test program of its own, with one test: a mistake holds for the whole process.

use tests::fuzz;
use tests::sim::mutants::{choose, named};

#[test]
#[should_panic(expected = "test failed")]
fn a_world_in_which_the_answer_to_an_old_write_counts() {
    choose(named("old-answer-counts"));
    bolero::check!().with_max_len(2048).with_iterations(60).for_each(fuzz::world::check);
}
