//! What a person sees while a long step runs: [`Progress`], a line with a spinner on a terminal,
//! plain lines elsewhere. All of it goes to stderr; stdout is for results.

use core::time::Duration;
use std::io::IsTerminal;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

/// Tells how far a run is.
#[derive(Debug, Clone)]
pub struct Progress {
    prefix: String,
    started: Instant,
    spinner: Option<ProgressBar>,
}

impl Progress {
    /// A spinner where stderr is a terminal, else plain lines.
    pub fn on_stderr() -> Progress {
        let spinner = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Progress { prefix: String::new(), started: Instant::now(), spinner }
    }

    /// Says nothing, ever: for runs inside tests, which have their own output.
    pub fn silent() -> Progress {
        Progress {
            prefix: String::new(),
            started: Instant::now(),
            spinner: Some(ProgressBar::hidden()),
        }
    }

    /// The same line or lines, with something before each that tells runs apart.
    pub fn with_prefix(&self, prefix: &str) -> Progress {
        Progress { prefix: format!("{prefix}: "), ..self.clone() }
    }

    /// A new step: one line that stays.
    pub fn step(&self, what: &str) {
        match &self.spinner {
            Some(bar) => bar.set_message(format!("{}{what}", self.prefix)),
            None => {
                let seconds = self.started.elapsed().as_secs_f32();
                eprintln!("[{seconds:6.1} s] {}{what}", self.prefix);
            }
        }
    }

    /// Something within a step, shown on a terminal only.
    pub fn detail(&self, what: &str) {
        if let Some(bar) = &self.spinner {
            bar.set_message(format!("{}{what}", self.prefix));
        }
    }

    /// Takes the spinner away.
    pub fn finish(&self) {
        if let Some(bar) = &self.spinner {
            bar.finish_and_clear();
        }
    }
}
