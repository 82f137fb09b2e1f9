//! `cargo run -p tests --release --bin check-model`: every state that two shipped endpoints can
//! reach within the bounds, and whether each of them is right (see `tests::model`).
//!
//! `--broken` checks the machines that are wrong on purpose and prints how each is found out.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tests::model::broken::BROKEN;
use tests::model::{Bounds, Broken, Granting, Outcome, check};

/// Checks the session exhaustively within small bounds.
#[derive(Debug, Parser)]
struct Options {
    /// Messages that each user sends in each session.
    #[arg(long, default_value_t = 0)]
    messages: u32,
    /// Deaths of the front's domain.
    #[arg(long, default_value_t = 0)]
    front_crashes: u8,
    /// Deaths of the back's domain.
    #[arg(long, default_value_t = 0)]
    back_crashes: u8,
    /// Other faults in all: restart in place, false verdict, introduction again, a daemon that
    /// cannot just now, a mailbox removed.
    #[arg(long, default_value_t = 1)]
    faults: u8,
    /// Give up beyond so many states, in thousands.
    #[arg(long, default_value_t = 20_000)]
    thousands: usize,
    /// Let wishes wait for any time before they are granted: many more states.
    #[arg(long)]
    any_time: bool,
    /// Check the machines that are wrong on purpose instead, each within bounds of its own.
    #[arg(long)]
    broken: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let bounds = Bounds {
        messages: options.messages,
        crashes: [options.front_crashes, options.back_crashes],
        faults: options.faults,
        granting: if options.any_time { Granting::AnyTime } else { Granting::AtOnce },
        states: options.thousands.saturating_mul(1000),
    };
    if !options.broken {
        let outcome = run(&bounds, Broken::Nothing);
        let is_right = outcome.is_complete && outcome.finding.is_none();
        return if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    // An assertion that fails is a way of being found out, and is told as such.
    std::panic::set_hook(Box::new(|_| {}));
    let is_missed = |broken: &&Broken| {
        let (messages, faults) = broken.shows_within();
        run(&Bounds { messages, crashes: [0; 2], faults, ..bounds }, **broken).finding.is_none()
    };
    let missed = BROKEN.iter().filter(is_missed).count();
    println!("{} of {} wrong machines found", BROKEN.len() - missed, BROKEN.len());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(bounds: &Bounds, broken: Broken) -> Outcome {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{elapsed_precise} {spinner} {pos} states, {per_sec}");
    bar.set_style(style.expect("a template that is right"));
    let start = Instant::now();
    let outcome = check(bounds, broken, |states| bar.set_position(states as u64));
    bar.finish_and_clear();
    println!(
        "{broken:?}: {} states, {} steps, depth {}, {} settled, {:.1} s, {}",
        outcome.states,
        outcome.edges,
        outcome.depth,
        outcome.settled,
        start.elapsed().as_secs_f64(),
        if outcome.is_complete { "complete" } else { "not complete" },
    );
    if let Some((finding, way)) = &outcome.finding {
        println!("  {finding:?}, after {} steps:", way.len());
        for (number, line) in way.iter().enumerate() {
            println!("  {:>3} {line}", number + 1);
        }
    }
    outcome
}
