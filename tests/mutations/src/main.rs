//! `cargo run -p mutations --release`: makes each mutation of `list/`, a deliberate mistake in the
//! code, and checks that the test that should catch it does.
//!
//! All of them go into one copy of the workspace, each behind a switch that the environment variable
//! `TETHER_MUTATION` sets when a program starts. So one build is enough for all.

#![forbid(unsafe_code)]

mod catcher;
mod copy;
mod list;
mod programs;
mod trial;
mod weave;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use list::Mutation;

/// Makes deliberate mistakes in a copy of the code and checks that each is caught.
#[derive(Debug, Parser)]
struct Arguments {
    /// Try this mutation alone. May be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Print the mutations and try none.
    #[arg(long)]
    list: bool,
    /// Trials at a time; all processors by default.
    #[arg(long)]
    jobs: Option<usize>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("mutations: {why}");
            ExitCode::from(2)
        }
    }
}

/// The top of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether everything was caught.
fn run(arguments: &Arguments) -> Result<bool, String> {
    let root = root().canonicalize().map_err(|error| format!("no workspace: {error}"))?;
    let all = list::read(&root.join("tests/mutations/list"))?;
    let chosen = choose(&all, &arguments.only)?;
    if arguments.list {
        for mutation in chosen {
            println!("{:28} {}: {}", mutation.name, mutation.file, mutation.rule);
        }
        return Ok(true);
    }
    let place = root.join("target/mutations");
    copy::make(&root, &place.join("src"), &all)?;
    let programs = programs::build(&place, &chosen)?;
    let jobs = arguments
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, core::num::NonZero::get));
    trial::run_all(&chosen, &programs, &place.join("log"), jobs)
}

fn choose<'a>(all: &'a [Mutation], names: &[String]) -> Result<Vec<&'a Mutation>, String> {
    if names.is_empty() {
        return Ok(all.iter().collect());
    }
    let named = |name: &String| {
        all.iter().find(|mutation| mutation.name == *name).ok_or(format!("no mutation {name:?}"))
    };
    names.iter().map(named).collect()
}
