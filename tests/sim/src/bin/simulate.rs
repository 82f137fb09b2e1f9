//! `cargo run -p sim --release --bin simulate -- --seeds N`: runs many seeds of the simulated
//! world on all processors, shows what they have covered, and makes a failing one small.
//!
//! A failure prints the seed, the faults that matter, the end of the trace and the command that
//! replays it. `--seed S --trace` shows one run from beginning to end.

use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use sim::base::trace::Trace;
use sim::runs::campaign::{Campaign, Seeds};
use sim::runs::minimise::minimise;
use sim::runs::report;
use sim::runs::run::run;
use sim::world::faults::Mask;

/// Runs the simulated world.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds, from --from on.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Print everything that happens. Only with --seed.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Leave out all faults but the first so many. Only with --seed.
    #[arg(long, requires = "seed")]
    first: Option<u32>,
    /// Leave out the faults with these numbers. Only with --seed.
    #[arg(long, requires = "seed", value_delimiter = ',')]
    without: Vec<u32>,
    /// Threads; all processors by default.
    #[arg(long)]
    jobs: Option<usize>,
    /// Stop after so many failing seeds.
    #[arg(long, default_value_t = 1)]
    failures: usize,
    /// Print only why a seed fails, without searching for the faults that it takes.
    #[arg(long)]
    no_minimise: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A failing world panics; its words are part of the report, not of the noise.
    std::panic::set_hook(Box::new(|_| {}));
    match arguments.seed {
        Some(seed) => run_one(seed, &arguments),
        None => run_many(&arguments),
    }
}

fn jobs(arguments: &Arguments) -> usize {
    arguments
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, core::num::NonZero::get))
}

fn run_one(seed: u64, arguments: &Arguments) -> ExitCode {
    let mask = Mask { first: arguments.first, without: arguments.without.clone() };
    let trace = if arguments.trace { Trace::kept() } else { Trace::hashed() };
    let outcome = run(seed, mask.clone(), trace);
    for line in &outcome.lines {
        println!("{line}");
    }
    print!("{}", report::of_one(seed, &outcome));
    match &outcome.failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            let small = minimise(seed, mask, failure);
            print!("{}", report::of_failure(seed, &small));
            ExitCode::FAILURE
        }
    }
}

fn run_many(arguments: &Arguments) -> ExitCode {
    let jobs = jobs(arguments);
    let bar = ProgressBar::new(arguments.seeds);
    let style = "{elapsed_precise} {wide_bar} {pos}/{len} seeds, {per_sec}, {msg}";
    bar.set_style(ProgressStyle::with_template(style).expect("a valid template"));
    let seeds = Seeds { from: arguments.from, count: arguments.seeds };
    let campaign = Campaign::run(seeds, jobs, arguments.failures, |done| {
        bar.set_position(done.seeds);
        let empty = done.matrix.empty_cells().len();
        let (delivered, faults) = (done.tally.delivered, done.matrix.sum());
        bar.set_message(format!("{delivered} messages, {faults} faults, {empty} cells empty"));
    });
    bar.finish_and_clear();
    print!("{}", report::of_many(&campaign));
    for (seed, failure) in &campaign.failures {
        if arguments.no_minimise {
            println!("FAILED seed {seed}: {failure}");
            continue;
        }
        let small = minimise(*seed, Mask::default(), failure);
        print!("{}", report::of_failure(*seed, &small));
    }
    if campaign.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
