//! `cargo run -p model --release -- session|connection`: every state that
//! two shipped ends of a link can reach within the bounds, and whether each of them is right (see
//! `model`).

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use model::connection::{self, Connection, Environment, Requests};
use model::session::world::MESSAGES_UNBOUNDED;
use model::session::{self, Granting, Sameness, Session};
use model::side::UNBOUNDED;
use model::{Finding, Model, SearchResult, check};

/// Checks sessions and connections exhaustively within small bounds.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Give up beyond so many states, in thousands.
    #[arg(long, global = true, default_value_t = 20_000)]
    thousands: usize,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Two endpoints: guarantees 1 to 3, up in the end, no endless writing.
    Session {
        /// Messages that each user sends in each session, or `any` number.
        #[arg(long, default_value = "0", value_parser = messages)]
        messages: u32,
        /// Requests that the daemon cannot do just now, and mailboxes removed, in all.
        #[arg(long, default_value_t = 0)]
        upsets: u8,
        /// Let wishes wait for any time before they are granted: many more states.
        #[arg(long)]
        any_time: bool,
        /// Tell worlds apart by what no endpoint looks at any more, too, and try steps before they
        /// make a difference: many more states.
        #[arg(long)]
        every_difference: bool,
        #[command(flatten)]
        faults: Faults,
    },
    /// Front and back on two endpoints: invariants I1 and I2, disconnected in the end.
    Connection {
        /// Pages of the front's domain, 1 or 2.
        #[arg(long, default_value_t = 1)]
        pages: usize,
        /// Connections that the front's user asks for in each session.
        #[arg(long, default_value_t = 1)]
        connects: u32,
        /// Let READs and WRITEs be done and answered at any time: many more states.
        #[arg(long)]
        under_way: bool,
        /// Let a page that is used again still hold its last header.
        #[arg(long)]
        old_stamps: bool,
        #[command(flatten)]
        faults: Faults,
    },
}

#[derive(Debug, clap::Args)]
struct Faults {
    /// Deaths of the front's domain; 255 does not count them.
    #[arg(long, default_value_t = 0)]
    front_crashes: u8,
    /// Deaths of the back's domain; 255 does not count them.
    #[arg(long, default_value_t = 0)]
    back_crashes: u8,
    /// Other faults in all; 255 does not count them. Restart in place and false verdict in both;
    /// in a session also introduction again; in a connection also a map or a bind that fails.
    #[arg(long, default_value_t = 1)]
    faults: u8,
    /// Neither deaths nor other faults are counted.
    #[arg(long)]
    unbounded: bool,
}

impl Faults {
    fn counts(&self) -> ([u8; 2], u8) {
        if self.unbounded {
            return ([UNBOUNDED; 2], UNBOUNDED);
        }
        ([self.front_crashes, self.back_crashes], self.faults)
    }
}

fn messages(text: &str) -> Result<u32, String> {
    match text {
        "any" => Ok(MESSAGES_UNBOUNDED),
        _ => text.parse().map_err(|_| "a number, or `any`".into()),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let limit = arguments.thousands.saturating_mul(1000);
    // An assertion that fails is a way of being found out, and is told as such.
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = match arguments.what {
        What::Session { messages, upsets, any_time, every_difference, faults } => {
            let (crashes, faults) = faults.counts();
            let granting = if any_time { Granting::AnyTime } else { Granting::AtOnce };
            let sameness = if every_difference { Sameness::Equal } else { Sameness::Alike };
            let bounds = session::Bounds { messages, crashes, faults, upsets, granting, sameness };
            run("session", &Session { bounds }, limit)
        }
        What::Connection { pages, connects, under_way, old_stamps, faults } => {
            let (crashes, faults) = faults.counts();
            let requests = if under_way { Requests::UnderWay } else { Requests::AtOnce };
            let environment = Environment { keeps_old_stamps: old_stamps, ..Environment::SHIPPED };
            let bounds =
                connection::Bounds { pages, connects, crashes, faults, requests, environment };
            run("connection", &Connection { bounds }, limit)
        }
    };
    let is_right = outcome.is_complete && outcome.finding.is_none();
    if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run<M: Model>(name: &str, model: &M, limit: usize) -> SearchResult {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{elapsed_precise} {spinner} {pos} states, {per_sec}");
    bar.set_style(style.expect("a template that is right"));
    let start = Instant::now();
    let outcome = check(model, limit, |states| bar.set_position(states as u64));
    bar.finish_and_clear();
    println!(
        "{name}: {} states, {} steps, depth {}, {} settled, {:.1} s, {}",
        outcome.states,
        outcome.edges,
        outcome.depth,
        outcome.settled,
        start.elapsed().as_secs_f64(),
        if outcome.is_complete { "complete" } else { "not complete" },
    );
    if let Some((finding, way)) = &outcome.finding {
        let how = match finding {
            Finding::Unsafe(wrong) => format!("{wrong:?}"),
            other => format!("{other:?}"),
        };
        println!("  {how}, after {} steps:", way.len());
        for (number, line) in way.iter().enumerate() {
            println!("  {:>3} {line}", number + 1);
        }
    }
    outcome
}
