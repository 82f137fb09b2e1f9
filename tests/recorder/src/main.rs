//! Plays the script against dom0's xenstore daemon and writes the record to standard output's file.
//!
//! `store-recorder RECORD [STEPS]`: it plays the whole script or its first steps. It asks as dom0
//! through the daemon's socket, and as other domains through the image xenstore-relay, whose
//! consoles are terminals here. Domains are made and destroyed, and the daemon updated, by whoever
//! reads its standard output: a line `create N`, `destroy N`, `update` or `end`, each answered by a
//! line on standard input, and lines `progress WORDS`, which are not.
#![forbid(unsafe_code)]

mod real;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use real::Real;
use recorder::play::Player;
use recorder::script;

/// After how many steps something is said.
const PROGRESS_STEPS: usize = 200;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next();
    let count = arguments.next().map_or(Some(usize::MAX), |count| count.parse().ok());
    let (Some(path), Some(count)) = (path, count) else {
        eprintln!("usage: store-recorder RECORD [STEPS]");
        return ExitCode::from(4);
    };
    match record(&path, count) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("store-recorder: {what}");
            ExitCode::from(4)
        }
    }
}

fn record(path: &str, count: usize) -> Result<(), String> {
    let file = File::create(path).map_err(|error| format!("{path}: {error}"))?;
    let mut file = BufWriter::new(file);
    let mut steps = script::steps();
    steps.truncate(count);
    let mut player = Player::new(Real::connect()?);
    for (at, step) in steps.iter().enumerate() {
        if at % PROGRESS_STEPS == 0 {
            println!("progress step {at} of {}", steps.len());
        }
        let line = step.line();
        let came = player.step(step).map_err(|what| format!("step {} ({line}): {what}", at + 1));
        let mut text = line.clone() + "\n";
        for line in came.iter().flatten() {
            text.push_str(line);
            text.push('\n');
        }
        file.write_all(text.as_bytes()).map_err(|error| format!("{path}: {error}"))?;
        if came.is_err() {
            file.flush().map_err(|error| format!("{path}: {error}"))?;
        }
        came?;
    }
    file.flush().map_err(|error| format!("{path}: {error}"))?;
    player.world.end()
}
