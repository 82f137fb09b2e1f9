//! How a run ended: one of four outcomes and a reason, said once, as the last line.
//!
//! The fifth outcome, a crash, is what whoever reads the console concludes from a missing line.

use core::fmt::{self, Write};

use heapless::String;

use crate::xen::hypercall::sched::ShutdownReason;

/// Longest reason; the rest is cut off.
const REASON_BYTES_MAX: usize = 120;

/// The outcomes, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was as it should be.
    Success,
    /// Something could not be tried here.
    Skip,
    /// The surroundings or the options were wrong; nothing is said about the image itself.
    Error,
    /// The tested thing is broken.
    Failure,
}

impl Outcome {
    /// The word in the verdict line.
    fn word(self) -> &'static str {
        match self {
            Outcome::Success => "SUCCESS",
            Outcome::Skip => "SKIP",
            Outcome::Error => "ERROR",
            Outcome::Failure => "FAILURE",
        }
    }
}

/// An outcome with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitStatus {
    outcome: Outcome,
    reboots: bool,
    reason: String<REASON_BYTES_MAX>,
}

impl ExitStatus {
    /// A verdict; blanks in the reason become dashes.
    pub fn new(outcome: Outcome, reason: &dyn fmt::Display) -> ExitStatus {
        let mut dashed = Dashed(String::new());
        // Fails only where the reason is cut off.
        let _ = write!(dashed, "{reason}");
        ExitStatus { outcome, reboots: false, reason: dashed.0 }
    }

    /// All well.
    pub fn success(reason: impl fmt::Display) -> ExitStatus {
        ExitStatus::new(Outcome::Success, &reason)
    }

    /// Wrong surroundings or options.
    pub fn error(reason: impl fmt::Display) -> ExitStatus {
        ExitStatus::new(Outcome::Error, &reason)
    }

    /// Broken.
    pub fn failure(reason: impl fmt::Display) -> ExitStatus {
        ExitStatus::new(Outcome::Failure, &reason)
    }

    /// The same, but the domain is to be started again afterwards: it was told to reboot.
    pub fn and_reboot(self) -> ExitStatus {
        ExitStatus { reboots: true, ..self }
    }

    pub(crate) fn shutdown_reason(&self) -> ShutdownReason {
        if self.reboots { ShutdownReason::Reboot } else { ShutdownReason::PowerOff }
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "verdict={} reason={}", self.outcome.word(), self.reason)
    }
}

/// A value of a line for programs: blanks become dashes, what does not fit is cut off.
struct Dashed(String<REASON_BYTES_MAX>);

impl Write for Dashed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let dashed = if character.is_ascii_graphic() { character } else { '-' };
            self.0.push(dashed).map_err(|_| fmt::Error)?;
        }
        Ok(())
    }
}
