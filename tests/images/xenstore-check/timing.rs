//! What a request costs: time, hypercalls, wake-ups, heap. Measured while dom0's script keeps quiet,
//! after which it measures Xen's own test-xenstore in the same boot under the same daemon.
//!
//! The median is what counts: dom0 does other things now and then. Each figure is taken with the
//! image as it is, and once more with an image that goes to sleep at once instead of looking at the
//! ring for a moment, because where time is counted in instructions looking costs next to nothing.

use core::time::Duration;

use alloc::vec::Vec;

use xenbus::blocking::StoreError;
use xenbus::stall::{STALL_BOUND_NS, Stalled};
use xenbus::{Reply, Request};

use super::answer::{Wrong, ok};
use super::bench::{Bench, NONE};
use super::dom0;
use kernel::store::SPIN_LIMIT;
use kernel::{heap, hypercall, trace};

const NODE: &str = "data/check/w/a";
/// Requests under way together in a pipelined figure.
const PIPELINED: usize = 8;
/// Rounds of each figure; the quiet time that dom0 grants is for all of them.
const ROUNDS: usize = 200;

/// A figure: its name in the output, READs a round, looks at the ring before it sleeps.
const FIGURES: [(&str, usize, usize, u32); 4] = [
    ("serial", PIPELINED, 1, SPIN_LIMIT),
    ("pipelined", 1, PIPELINED, SPIN_LIMIT),
    ("serial-asleep", PIPELINED, 1, 0),
    ("pipelined-asleep", 1, PIPELINED, 0),
];

/// What has been counted at one moment.
struct Counted {
    doorbells: u64,
    wake_ups: u64,
    wake_ups_empty: u64,
    hypercalls: u64,
    blocks: usize,
}

impl Counted {
    fn now(bench: &Bench) -> Counted {
        let counts = bench.counts();
        Counted {
            doorbells: counts.doorbells,
            wake_ups: counts.wake_ups,
            wake_ups_empty: counts.wake_ups_empty(),
            hypercalls: hypercall::counts().into_iter().sum(),
            blocks: heap::blocks_given(),
        }
    }
}

/// Takes and prints all figures, and has dom0 take its own.
pub(crate) fn run(bench: &mut Bench) -> Result<(), Wrong> {
    ok("write", bench.write(NONE, NODE, b"a"))?;
    // The times are kept here: room for all of them before anything is counted.
    let mut times = Vec::with_capacity(ROUNDS);
    dom0::ask_and_wait(bench, "quiet")?;
    bench.pause(Duration::from_millis(500));
    for (name, batches, reads, looks) in FIGURES {
        bench.access.ring.look_before_sleeping(looks);
        let before = Counted::now(bench);
        times.clear();
        for _ in 0..ROUNDS {
            let start = bench.now();
            for _ in 0..batches {
                ok("read", round(bench, reads))?;
            }
            times.push(bench.now() - start);
        }
        let after = Counted::now(bench);
        print(name, &mut times, batches * reads, &before, &after);
    }
    bench.access.ring.look_before_sleeping(SPIN_LIMIT);
    dom0::ask_and_wait(bench, "baseline")
}

/// So many READs behind one doorbell, until all are answered.
fn round(bench: &mut Bench, reads: usize) -> Result<(), StoreError> {
    for _ in 0..reads {
        bench.submit(NONE, Request::Read { path: NODE })?;
    }
    let start = bench.now();
    let mut answered = 0;
    loop {
        bench.round(|_, result| {
            answered += usize::from(matches!(result, Ok(Reply::Value(b"a"))));
        });
        if answered == reads {
            return Ok(());
        }
        if let Some(ended) = bench.access.client.ended() {
            return Err(StoreError::Ended(ended));
        }
        let waited_ns = bench.now() - start;
        if waited_ns >= STALL_BOUND_NS {
            return Err(StoreError::Stalled(Stalled { waited_ns, in_flight: reads - answered }));
        }
        bench.sleep(start + STALL_BOUND_NS);
    }
}

/// One line: `ns` are those of a round of `reads` READs.
fn print(name: &str, times: &mut [u64], reads: usize, before: &Counted, after: &Counted) {
    times.sort_unstable();
    let rounds = times.len();
    let mean = times.iter().sum::<u64>() / rounds as u64;
    let at = |per_cent: usize| times.get(rounds * per_cent / 100).copied().unwrap_or(0);
    trace!(
        "figure name={name} rounds={rounds} reads={reads} p10_ns={} p50_ns={} p90_ns={} \
         mean_ns={mean} doorbells={} wakeups={} wakeups.empty={} hypercalls={} heap_blocks={}",
        at(10),
        at(50),
        at(90),
        after.doorbells - before.doorbells,
        after.wake_ups - before.wake_ups,
        after.wake_ups_empty - before.wake_ups_empty,
        after.hypercalls - before.hypercalls,
        after.blocks - before.blocks
    );
}
