//! Boot-time self-tests: does this machine do what everything else here builds on?
//!
//! Each test is one file with one idea and one line in the output, with its time. They run before
//! the image's own work unless `selftest=off`; `selftest=only` ends the run after them, and a failed
//! one ends it as FAILURE.

mod clock;
mod event_channel;
mod failed;
mod grant_in_use;
mod grant_revoke;
mod heap;
mod hypercall_page;
mod memory_functions;
mod memory_map;
mod nodes;
mod random;
mod start_info;
mod store_conflict;
mod store_largest;
mod store_nodes;
mod store_quota;
mod store_transaction;
mod store_watch;

use failed::Failed;

use crate::image::counts::Totals;
use crate::image::exit_status::ExitStatus;
use crate::image::machine::Machine;
use crate::image::options::Selftest;
use crate::image::start::GRANT_ENTRIES;
use crate::trace;
use crate::xen::boot_error::BootError;
use crate::xen::grants::GrantFrames;

/// A test: its name in the output and what it does.
type Test = (&'static str, fn(&mut Machine) -> Result<(), Failed>);

/// The tests, each needing only what the ones before it have shown to work.
const TESTS: [Test; 16] = [
    ("hypercall-page", hypercall_page::run),
    ("start-info", start_info::run),
    ("memory-map", memory_map::run),
    ("memory-functions", memory_functions::run),
    ("clock", clock::run),
    ("rdrand", random::run),
    ("heap", heap::run),
    ("event-channel", event_channel::run),
    ("store-nodes", store_nodes::run),
    ("store-largest-value", store_largest::run),
    ("store-over-quota", store_quota::run),
    ("store-watch", store_watch::run),
    ("store-transaction", store_transaction::run),
    ("store-conflict", store_conflict::run),
    ("grant-revoke", grant_revoke::run),
    ("grant-in-use", grant_in_use::run),
];

/// Runs the tests as the options say. `Some` means that the run is over, with this verdict.
pub fn run(machine: &mut Machine) -> Option<ExitStatus> {
    if machine.options.selftest == Selftest::Off {
        return None;
    }
    if let Err(error) = GrantFrames::of(GRANT_ENTRIES).place_once() {
        return Some(ExitStatus::error(BootError::from(error)));
    }
    let boot = Totals::now(machine.store.client.counts());
    trace!("counts stage=boot n=1{boot}");
    let mut failed = 0_u32;
    for (name, test) in TESTS {
        let start = crate::xen::clock::now_ns();
        let result = test(machine);
        let ns = crate::xen::clock::now_ns() - start;
        match result {
            Ok(()) => trace!("selftest name={name} ok=1 ns={ns}"),
            Err(reason) => {
                failed += 1;
                trace!("selftest name={name} ok=0 ns={ns} reason={}", reason.word());
            }
        }
    }
    let passed = TESTS.len() as u32 - failed;
    trace!("selftests passed={passed} failed={failed}");
    let grown = Totals::now(machine.store.client.counts()).since(&boot);
    trace!("counts stage=selftests n=1{grown}");
    match (failed, machine.options.selftest) {
        (0, Selftest::Only) => Some(ExitStatus::success("selftests passed")),
        (0, _) => None,
        (failed, _) => Some(ExitStatus::failure(format_args!("{failed} selftests failed"))),
    }
}
