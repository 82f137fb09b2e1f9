//! Mutants: mistakes made on purpose, by name, to see that the simulation finds them. A *slip* is in
//! the shipped code (`channel/src/slips.rs`), a *twist* in what the simulated domain does for it.
//!
//! One holds for the whole process: choose it before the first world, and run one at a time.

use core::sync::atomic::{AtomicU8, Ordering};

use channel::slips::{self, Slip};

use super::campaign::{Campaign, Seeds};

/// A mistake of a domain around the shipped driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Twist {
    /// The front never closes its fence.
    FenceLeftOpen = 1,
    /// Revoking a grant succeeds though somebody maps the page.
    RevokedWhileMapped,
    /// A page is unmapped a turn after it should be.
    UnmappedLate,
    /// Whatever the header says is right.
    HeaderNotVerified,
    /// A connection's port stays open.
    PortLeftOpen,
    /// A resumed domain goes on as if nothing had happened.
    ResumeForgotten,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Slip(Slip),
    Twist(Twist),
}

/// A mistake with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The name.
    pub name: &'static str,
    what: What,
}

const fn slip(name: &'static str, slip: Slip) -> Mutant {
    Mutant { name, what: What::Slip(slip) }
}

const fn twist(name: &'static str, twist: Twist) -> Mutant {
    Mutant { name, what: What::Twist(twist) }
}

/// All of them.
pub const MUTANTS: [Mutant; 26] = [
    slip("ack-off-by-one", Slip::AckOffByOne),
    slip("redelivery", Slip::Redelivery),
    slip("first-wraps", Slip::FirstWraps),
    slip("echo-not-required", Slip::EchoNotRequired),
    slip("redraws-on-news", Slip::RedrawsOnNews),
    slip("epoch-kept-at-down", Slip::EpochKept),
    slip("unknown-forgotten", Slip::UnknownForgotten),
    slip("old-answer-counts", Slip::OldAnswerCounts),
    slip("answers-all", Slip::AnswersAll),
    slip("one-peer-for-ever", Slip::OnePeerForEver),
    slip("permits-once", Slip::PermitOnce),
    slip("hello-once", Slip::HelloOnce),
    slip("events-only", Slip::EventsOnly),
    slip("silent-while-up", Slip::SilentWhileUp),
    slip("miss-without-period", Slip::MissWithoutPeriod),
    slip("miss-without-answer", Slip::MissWithoutAnswer),
    slip("quarantine-forgotten", Slip::QuarantineForgotten),
    slip("number-reused", Slip::NumberReused),
    slip("released-early", Slip::ReleasedEarly),
    slip("stamp-before-bind", Slip::StampBeforeBind),
    twist("fence-left-open", Twist::FenceLeftOpen),
    twist("revoked-while-mapped", Twist::RevokedWhileMapped),
    twist("unmapped-late", Twist::UnmappedLate),
    twist("header-not-verified", Twist::HeaderNotVerified),
    twist("port-left-open", Twist::PortLeftOpen),
    twist("resume-forgotten", Twist::ResumeForgotten),
];

static TWIST: AtomicU8 = AtomicU8::new(0);

/// Whether this twist is to be made.
pub fn twisted(twist: Twist) -> bool {
    TWIST.load(Ordering::Relaxed) == twist as u8
}

/// Has every world from now on make this mistake, or none.
pub fn choose(mutant: Option<Mutant>) {
    let (slip, twist) = match mutant.map(|mutant| mutant.what) {
        None => (None, 0),
        Some(What::Slip(slip)) => (Some(slip), 0),
        Some(What::Twist(twist)) => (None, twist as u8),
    };
    slips::choose(slip);
    TWIST.store(twist, Ordering::Relaxed);
}

/// The mistake that is made at present.
pub fn chosen() -> Option<Mutant> {
    let made = |mutant: &Mutant| match mutant.what {
        What::Slip(slip) => slips::chosen(slip),
        What::Twist(twist) => twisted(twist),
    };
    MUTANTS.into_iter().find(made)
}

/// The mutant of a name.
pub fn named(name: &str) -> Option<Mutant> {
    MUTANTS.into_iter().find(|mutant| mutant.name == name)
}

/// How a mutant was caught.
#[derive(Clone, Debug)]
pub struct Caught {
    /// The first seed that catches it: so many held before, and one more.
    pub seed: u64,
    /// What the oracle said.
    pub failure: String,
}

/// Runs seeds from 0 on until one catches the mutant, or `seeds_max` have not.
pub fn hunt(mutant: Mutant, seeds_max: u64, jobs: usize) -> Option<Caught> {
    choose(Some(mutant));
    let campaign = Campaign::run(Seeds { from: 0, count: seeds_max }, jobs, 1, |_| {});
    choose(None);
    let (seed, failure) = campaign.failures.into_iter().next()?;
    Some(Caught { seed, failure })
}

#[cfg(test)]
mod tests {
    use super::MUTANTS;

    #[test]
    fn every_mutant_has_a_name_of_its_own() {
        for (number, mutant) in MUTANTS.iter().enumerate() {
            let same =
                |other: &&super::Mutant| other.name == mutant.name || other.what == mutant.what;
            assert_eq!(MUTANTS.iter().skip(number).filter(same).count(), 1, "{}", mutant.name);
        }
    }
}
