//! The whole simulated world with a fuzzer's bytes for its choices: the oracle, the strict machine
//! and the bounds of [`sim::runs`] judge it as they judge a seed's world.

use prng::Choices;
use sim::base::trace::Trace;
use sim::runs::run::run_choices;
use sim::world::faults::Mask;

/// Lines of the trace that a failure shows.
const TRACE_LINES: usize = 60;

/// One input.
///
/// # Panics
/// If the world breaks a guarantee, with the end of its trace.
pub fn check(input: &[u8]) {
    let run = |trace| run_choices(Choices::Bytes(input), Mask::default(), trace);
    let outcome = run(Trace::hashed());
    let Some(failure) = outcome.failure else { return };
    let lines = run(Trace::kept()).lines;
    let end = &lines[lines.len().saturating_sub(TRACE_LINES)..];
    panic!("{failure}; the end of its trace:\n{}", end.join("\n"));
}
