//! One run that was asked for: [`Wish`].

use std::path::PathBuf;

use crate::base::layout::Layout;
use crate::base::options::{Clock, Daemon, Options};
use crate::machine::job::Job;

/// One run of a session.
#[derive(Debug, Clone)]
pub struct Wish {
    /// dom0's daemon.
    pub daemon: Daemon,
    /// The machine's clock.
    pub clock: Clock,
    /// Its seed.
    pub seed: Option<u64>,
    /// What to do.
    pub job: Job,
    /// Where its report and logs go.
    pub out: PathBuf,
}

impl Wish {
    /// What tells it from the other runs of its invocation.
    pub fn title(&self) -> String {
        format!("{} under {}", self.job.scenario, self.daemon.name())
    }
}

/// The runs that the options ask for.
pub fn wishes(options: &Options, layout: &Layout) -> Vec<Wish> {
    let daemons = options.daemons();
    let wish = |daemon: &Daemon| Wish {
        daemon: *daemon,
        clock: options.clock,
        seed: options.seed_in_force(),
        job: Job {
            scenario: options.scenario().to_string(),
            cycles: options.cycles_in_force(),
            settings: Vec::new(),
            files: Vec::new(),
        },
        out: match daemons {
            [_] => layout.out.clone(),
            _ => layout.out.join(daemon.name()),
        },
    };
    daemons.iter().map(wish).collect()
}
