//! Stopping or pausing an image at a named step of the protocol (`stop_at=`, `pause_at=`), so that a
//! test can destroy it exactly there, or let its peer wait for it.

use channel::{LinkId, Step};

use crate::trace;
use crate::xen::{clock, events};

/// Where this image stops or pauses; nowhere by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Breakpoints {
    /// The step, and at which of its occurrences (1 is the first).
    pub stop_at: Option<(Step, u32)>,
    /// The step at whose first occurrence the image sleeps, and for how many milliseconds.
    pub pause_at: Option<(Step, u32)>,
    seen: u32,
    paused: bool,
}

impl Breakpoints {
    /// Breakpoints and pauses as the command line says.
    pub const fn new(stop_at: Option<(Step, u32)>, pause_at: Option<(Step, u32)>) -> Self {
        Self { stop_at, pause_at, seen: 0, paused: false }
    }

    /// Whether the image is to stay, idle and serving its links, when its job is done.
    pub fn stays_when_finished(&self) -> bool {
        self.stop_at.is_some_and(|(step, _)| step == Step::Finished)
    }

    /// Called at each step; does not return from the one to stop at.
    pub fn reached(&mut self, link: LinkId, step: Step) {
        if let Some((at, milliseconds)) = self.pause_at
            && at == step
            && !self.paused
        {
            self.paused = true;
            trace!("paused link={} step={} ms={milliseconds}", link.index(), step.word());
            events::wait(&[], clock::now_ns() + u64::from(milliseconds) * 1_000_000);
        }
        if let Some((at, occurrence)) = self.stop_at
            && at == step
        {
            self.seen += 1;
            if self.seen == occurrence {
                trace!("stopped link={} step={} n={occurrence}", link.index(), step.word());
                for_ever();
            }
        }
    }
}

/// Breakpoints here until the domain is destroyed, without turning the processor.
fn for_ever() -> ! {
    loop {
        events::wait(&[], u64::MAX);
    }
}
