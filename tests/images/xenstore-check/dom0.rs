//! What only dom0 can do: update the daemon, stop it for a while, keep quiet, measure.
//!
//! A line on the console asks its script (tests/dom0/scenarios/xenstore-check.sh); the script does
//! it and then writes the number of the request into `data/check/told`.

use core::time::Duration;

use super::answer::Wrong;
use super::bench::Bench;
use super::second::await_node;
use kernel::trace;

/// Where the script answers.
pub(crate) const TOLD: &str = "data/check/told";

/// dom0 looks at the console ten times a second, and what it is asked for takes seconds; under an
/// emulator in real time on a busy host, minutes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// Asks for something.
pub(crate) fn ask(bench: &mut Bench, what: &str) {
    bench.asked += 1;
    trace!("ask what={what} n={}", bench.asked);
    kernel::console::flush();
}

/// Asks for something and waits until the script says that it is done, or about to be.
pub(crate) fn ask_and_wait(bench: &mut Bench, what: &str) -> Result<(), Wrong> {
    ask(bench, what);
    let asked = bench.asked;
    await_node(bench, TOLD, PATIENCE, |told| (told.parse() == Ok(asked)).then_some(()))
}
