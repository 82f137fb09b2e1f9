//! When to give up: [`Limit`], the time limit and the user's Ctrl-C in one.
//!
//! Whatever waits asks it again and again, so that a stop unwinds through every guard and no
//! process is left behind.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::time::Instant;

use crate::base::trouble::{BedResult, Trouble};

/// Set by the signal handler, never cleared.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Turns SIGINT, SIGTERM and SIGHUP into a request that [`Limit::check`] reports.
pub fn listen() -> BedResult<()> {
    ctrlc::set_handler(|| ASKED.store(true, Ordering::SeqCst))
        .map_err(|e| Trouble::Bed { what: format!("no handler for Ctrl-C: {e}") })
}

/// How long a run may take.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    end: Instant,
    seconds: u64,
}

impl Limit {
    /// From now on.
    pub fn seconds(seconds: u64) -> Limit {
        Limit { end: Instant::now() + Duration::from_secs(seconds), seconds }
    }

    /// Fails once the time is over or the user asked to stop; `during` says what is going on.
    pub fn check(&self, during: &str) -> BedResult<()> {
        if ASKED.load(Ordering::SeqCst) {
            return Err(Trouble::Interrupted);
        }
        if Instant::now() >= self.end {
            let during = during.to_string();
            return Err(Trouble::TimeLimit { seconds: self.seconds, during });
        }
        Ok(())
    }
}
