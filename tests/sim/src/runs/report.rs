//! What is printed about one run, about many, and about a failure.

use core::fmt::Write as _;

use channel::Step;

use crate::runs::campaign::Campaign;
use crate::runs::minimise::Small;
use crate::runs::run::RunOutcome;
use crate::world::faults::{Fault, Matrix};

/// Lines of the trace that a failure shows.
const TRACE_LINES: usize = 60;

/// One run.
pub fn of_one(seed: u64, outcome: &RunOutcome) -> String {
    let mut text = String::new();
    let tally = &outcome.tally;
    let _ = writeln!(
        text,
        "seed {seed}: {} messages delivered, {} unknown, {} ups, {} connections, {} faults, \
         {:.1} s of virtual time, trace {:016x}",
        tally.delivered,
        tally.unknown,
        tally.ups,
        tally.connections,
        outcome.matrix.sum(),
        outcome.measures.virtual_ns as f64 / 1e9,
        outcome.hash
    );
    text
}

/// Many runs.
pub fn of_many(campaign: &Campaign) -> String {
    let mut text = String::new();
    let done = &campaign.done;
    let tally = &done.tally;
    let rate = |count: u64| count as f64 / campaign.seconds;
    let _ = writeln!(
        text,
        "{} seeds in {:.1} s on {} threads: {:.0} seeds/s, {:.0} delivered messages/s",
        done.seeds,
        campaign.seconds,
        campaign.jobs,
        rate(done.seeds),
        rate(tally.delivered)
    );
    if let Some(cpu_seconds) = campaign.cpu_seconds {
        let rate = |count: u64| count as f64 / cpu_seconds;
        let _ = writeln!(
            text,
            "{cpu_seconds:.1} s of processor time: {:.0} seeds and {:.0} delivered messages in each",
            rate(done.seeds),
            rate(tally.delivered)
        );
    }
    let _ = writeln!(
        text,
        "messages: {} sent, {} delivered, {} unknown; sessions: {} ups, {} downs; \
         connections: {}, {} stream bytes",
        tally.sent,
        tally.delivered,
        tally.unknown,
        tally.ups,
        tally.downs,
        tally.connections,
        tally.stream_bytes
    );
    let _ = writeln!(
        text,
        "{} domains lived, {} requests, {:.0} s of virtual time; joined within {:.1} beats (seed \
         {}), a death noticed within {:.1} (seed {}); traces {:016x}",
        done.lives,
        done.requests,
        done.virtual_ns as f64 / 1e9,
        done.joined_beats.0,
        done.joined_beats.1,
        done.noticed_beats.0,
        done.noticed_beats.1,
        done.hash
    );
    text.push_str(&of_matrix(&done.matrix));
    let _ = write!(text, "besides:");
    for (name, count) in done.hard.list() {
        let _ = write!(text, " {name} {count}");
    }
    text.push('\n');
    text
}

/// The matrix of protocol step against fault.
pub fn of_matrix(matrix: &Matrix) -> String {
    let mut text = String::new();
    let empty = matrix.empty_cells();
    let _ = writeln!(
        text,
        "{} faults; {} of {} cells of step against kind are empty",
        matrix.sum(),
        empty.len(),
        Matrix::cells()
    );
    let _ = write!(text, "{:18}{:>9}", "", "all");
    for step in Step::ALL {
        // Initials are enough to find a column by; the order is that of a life.
        let short: String = step.word().split('-').flat_map(|word| word.chars().take(5)).collect();
        let _ = write!(text, "{short:>8.7}");
    }
    text.push('\n');
    for fault in Fault::ALL {
        let _ = write!(text, "{:18}{:>9}", fault.word(), matrix.total(fault));
        for step in Step::ALL {
            let _ = write!(text, "{:>8}", matrix.at(step, fault));
        }
        text.push('\n');
    }
    text
}

/// A failure: what went wrong, which faults it takes, how it came about, how to see it again.
pub fn of_failure(seed: u64, small: &Small) -> String {
    let mut text = String::new();
    let outcome = &small.outcome;
    let lines = &outcome.lines;
    let left_out = lines.len().saturating_sub(TRACE_LINES);
    let _ = writeln!(text, "--- seed {seed}, {left_out} lines left out");
    for line in &lines[left_out..] {
        let _ = writeln!(text, "{line}");
    }
    let failure = outcome.failure.as_deref().unwrap_or("it does not fail when it is traced");
    let _ = writeln!(text, "FAILED seed {seed}: {failure}");
    let _ = writeln!(
        text,
        "it takes {} faults (found in {} runs); replay:",
        outcome.matrix.sum(),
        small.runs
    );
    let mut command = format!("cargo run -p sim --release --bin simulate -- --seed {seed}");
    if let Some(first) = small.mask.first {
        let _ = write!(command, " --first {first}");
    }
    if !small.mask.without.is_empty() {
        let without: Vec<String> = small.mask.without.iter().map(u32::to_string).collect();
        let _ = write!(command, " --without {}", without.join(","));
    }
    let _ = writeln!(text, "  {command} --trace");
    text
}
