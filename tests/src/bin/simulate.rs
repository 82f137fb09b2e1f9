//! `cargo run -p tests --release --bin simulate -- --seeds N`: runs many seeds of the simulated
//! world on all processors, shows what they have covered, and makes a failing one small.
//!
//! A failure prints the seed, the faults that matter, the end of the trace and the command that
//! replays it. `--seed S --trace` shows one run from beginning to end. `--mutant NAME` makes a mistake
//! on purpose, to be caught in the same way.

use std::process::ExitCode;

use clap::Parser;
use clap::builder::PossibleValuesParser;
use indicatif::{ProgressBar, ProgressStyle};
use tests::sim::campaign::{Campaign, Seeds};
use tests::sim::faults::Mask;
use tests::sim::minimise::minimise;
use tests::sim::mutants::{self, MUTANTS};
use tests::sim::report;
use tests::sim::run::run;
use tests::sim::trace::Trace;

/// Runs the simulated world.
#[derive(Debug, Parser)]
struct Options {
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
    /// Make a mistake on purpose, by name, and see it caught.
    #[arg(long, value_parser = PossibleValuesParser::new(MUTANTS.map(|mutant| mutant.name)))]
    mutant: Option<String>,
    /// Make every one of them, one after the other, and say what catches it.
    #[arg(long, conflicts_with_all = ["seed", "mutant"])]
    mutants: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    // A failing world panics; its words are part of the report, not of the noise.
    std::panic::set_hook(Box::new(|_| {}));
    mutants::choose(options.mutant.as_deref().and_then(mutants::named));
    match options.seed {
        _ if options.mutants => run_mutants(&options),
        Some(seed) => run_one(seed, &options),
        None => run_many(&options),
    }
}

/// Hunts every mutant; succeeds if none gets away.
fn run_mutants(options: &Options) -> ExitCode {
    let mut survivors = 0;
    for mutant in MUTANTS {
        match mutants::hunt(mutant, options.seeds, jobs(options)) {
            Some(caught) => {
                println!("{:22} seed {:>5}: {}", mutant.name, caught.seed, caught.failure);
            }
            None => {
                println!("{:22} not caught by {} seeds", mutant.name, options.seeds);
                survivors += 1;
            }
        }
    }
    println!("{} of {} mutants caught", MUTANTS.len() - survivors, MUTANTS.len());
    if survivors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn jobs(options: &Options) -> usize {
    options
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, core::num::NonZero::get))
}

fn run_one(seed: u64, options: &Options) -> ExitCode {
    let mask = Mask { first: options.first, without: options.without.clone() };
    let trace = if options.trace { Trace::kept() } else { Trace::hashed() };
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

fn run_many(options: &Options) -> ExitCode {
    let jobs = jobs(options);
    let bar = ProgressBar::new(options.seeds);
    let style = "{elapsed_precise} {wide_bar} {pos}/{len} seeds, {per_sec}, {msg}";
    bar.set_style(ProgressStyle::with_template(style).expect("a valid template"));
    let seeds = Seeds { from: options.from, count: options.seeds };
    let campaign = Campaign::run(seeds, jobs, options.failures, |done| {
        bar.set_position(done.seeds);
        let empty = done.matrix.empty_cells().len();
        let (delivered, faults) = (done.tally.delivered, done.matrix.sum());
        bar.set_message(format!("{delivered} messages, {faults} faults, {empty} cells empty"));
    });
    bar.finish_and_clear();
    print!("{}", report::of_many(&campaign));
    for (seed, failure) in &campaign.failures {
        let small = minimise(*seed, Mask::default(), failure);
        print!("{}", report::of_failure(*seed, &small));
    }
    if campaign.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
