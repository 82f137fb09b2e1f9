//! What can go wrong, each kind counted, and the matrix of protocol step against kind.
//!
//! A *step fault* strikes a domain in the middle of a driver step, just as a named step of the
//! protocol is reached; a *stray fault* strikes at any time. Each is numbered as it is decided, so
//! that a failing run can be repeated with some of them left out.

use channel::Step;

use prng::Prng;

/// A kind of fault. The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The domain dies on the spot.
    Crash,
    /// The peer's domain dies while this one is in the middle of a step.
    PeerCrash,
    /// The domain's processor stops for less time than it takes to be taken for dead.
    Pause,
    /// It stops for so long that it is taken for dead, and comes back.
    LongPause,
    /// The endpoint is restarted in place; grants and mappings belong to the domain and stay.
    Restart,
    /// The domain is suspended and resumed elsewhere: another domid, nothing local left.
    Resume,
    /// Two domains come out of one snapshot, one after the other.
    Clone,
    /// The toolstack introduces the same two domains again.
    Reintroduce,
    /// Events that wait are lost: 20 s, or the memory quota.
    EventsLost,
    /// Events that wait come later.
    EventsLate,
    /// Events that wait come twice, and one comes for nothing.
    EventsDoubled,
    /// The doorbell rings for nothing, on every port.
    Doorbell,
    /// The daemon refuses the domain's next request for want of memory or quota.
    StoreRefuses,
    /// The daemon updates itself and serves nobody for a while.
    LiveUpdate,
    /// Somebody removes the mailbox.
    MailboxRemoved,
    /// Somebody writes nonsense into the mailbox.
    MailboxGarbage,
    /// Somebody makes nodes below the mailbox.
    StrayNodes,
    /// Xen refuses the next map, unmap or port.
    XenRefuses,
    /// The domain's clock stands still for a while.
    ClockHeld,
    /// Domain 0 holds transactions open, so that writes are slowed down and conflict.
    Transactions,
    /// A hostile domain writes a forged register, litters or removes its peer's mailbox.
    Forge,
    /// A hostile domain scribbles over the pages that it shares.
    Scribble,
}

/// Whether one of the domains is hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// All are honest.
    Honest,
    /// One is not.
    Hostile,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Fault; 22] = [
        Fault::Crash,
        Fault::PeerCrash,
        Fault::Pause,
        Fault::LongPause,
        Fault::Restart,
        Fault::Resume,
        Fault::Clone,
        Fault::Reintroduce,
        Fault::EventsLost,
        Fault::EventsLate,
        Fault::EventsDoubled,
        Fault::Doorbell,
        Fault::StoreRefuses,
        Fault::LiveUpdate,
        Fault::MailboxRemoved,
        Fault::MailboxGarbage,
        Fault::StrayNodes,
        Fault::XenRefuses,
        Fault::ClockHeld,
        Fault::Transactions,
        Fault::Forge,
        Fault::Scribble,
    ];

    /// A short name.
    pub const fn word(self) -> &'static str {
        match self {
            Fault::Crash => "crash",
            Fault::PeerCrash => "peer-crash",
            Fault::Pause => "pause",
            Fault::LongPause => "long-pause",
            Fault::Restart => "restart",
            Fault::Resume => "resume",
            Fault::Clone => "clone",
            Fault::Reintroduce => "reintroduce",
            Fault::EventsLost => "events-lost",
            Fault::EventsLate => "events-late",
            Fault::EventsDoubled => "events-doubled",
            Fault::Doorbell => "doorbell",
            Fault::StoreRefuses => "store-refuses",
            Fault::LiveUpdate => "live-update",
            Fault::MailboxRemoved => "mailbox-removed",
            Fault::MailboxGarbage => "mailbox-garbage",
            Fault::StrayNodes => "stray-nodes",
            Fault::XenRefuses => "xen-refuses",
            Fault::ClockHeld => "clock-held",
            Fault::Transactions => "transactions",
            Fault::Forge => "forge",
            Fault::Scribble => "scribble",
        }
    }
}

/// Number of kinds.
pub const KINDS: usize = Fault::ALL.len();
/// Number of steps.
pub const STEPS: usize = Step::ALL.len();

/// How often each kind struck at each step, and at no step in particular.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    at_step: [[u64; KINDS]; STEPS],
    stray: [u64; KINDS],
}

impl Default for Matrix {
    fn default() -> Self {
        Matrix { at_step: [[0; KINDS]; STEPS], stray: [0; KINDS] }
    }
}

impl Matrix {
    /// Notes one.
    pub fn note(&mut self, step: Option<Step>, fault: Fault) {
        match step {
            Some(step) => self.at_step[step as usize][fault as usize] += 1,
            None => self.stray[fault as usize] += 1,
        }
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Matrix) {
        for (own, other) in self.at_step.iter_mut().flatten().zip(other.at_step.iter().flatten()) {
            *own += other;
        }
        for (own, other) in self.stray.iter_mut().zip(&other.stray) {
            *own += other;
        }
    }

    /// How often a kind struck at a step.
    pub fn at(&self, step: Step, fault: Fault) -> u64 {
        self.at_step[step as usize][fault as usize]
    }

    /// How often a kind struck, at a step or not.
    pub fn total(&self, fault: Fault) -> u64 {
        let steps: u64 = self.at_step.iter().map(|row| row[fault as usize]).sum();
        steps + self.stray[fault as usize]
    }

    /// All faults.
    pub fn sum(&self) -> u64 {
        Fault::ALL.into_iter().map(|fault| self.total(fault)).sum()
    }

    /// Cells in which nothing has happened yet.
    pub fn empty_cells(&self) -> Vec<(Step, Fault)> {
        let cells = Step::ALL
            .into_iter()
            .flat_map(|step| Fault::ALL.into_iter().map(move |fault| (step, fault)));
        cells.filter(|(step, fault)| self.at(*step, *fault) == 0).collect()
    }

    /// Cells there are.
    pub const fn cells() -> usize {
        STEPS * KINDS
    }
}

/// Which of a run's faults are left out, to find the ones that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    /// Only so many, from the first.
    pub first: Option<u32>,
    /// Not these.
    pub without: Vec<u32>,
}

impl Mask {
    fn lets(&self, number: u32) -> bool {
        self.first.is_none_or(|first| number < first) && !self.without.contains(&number)
    }
}

/// Decides when what goes wrong.
#[derive(Clone, Debug)]
pub struct Faults {
    chance: Prng,
    /// Kinds that this seed has at all, weighted.
    weights: [u32; KINDS],
    /// How often a step is struck.
    step_ppm: u32,
    mask: Mask,
    decided: u32,
    enabled: bool,
    matrix: Matrix,
}

impl Faults {
    /// Draws from `chance` which kinds this run has and how many.
    pub fn new(mut chance: Prng, mask: Mask, company: Company) -> Self {
        let mut weights = [0; KINDS];
        for weight in &mut weights {
            // About half of the kinds in each run, so that rare combinations are not drowned.
            *weight = chance.below(8).saturating_sub(3);
        }
        for hostile in [Fault::Forge, Fault::Scribble] {
            weights[hostile as usize] = match company {
                Company::Honest => 0,
                Company::Hostile => 6,
            };
        }
        if weights.iter().all(|weight| *weight == 0) {
            weights[chance.below(Fault::Forge as u32) as usize] = 1;
        }
        let step_ppm = *chance.pick(&[0, 10_000, 50_000, 100_000, 250_000]);
        Faults {
            chance,
            weights,
            step_ppm,
            mask,
            decided: 0,
            enabled: false,
            matrix: Matrix::default(),
        }
    }

    /// Begins or ends the time of faults.
    pub fn set_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
    }

    /// Whether something goes wrong as a step is reached.
    pub fn at_step(&mut self, step: Step) -> Option<Fault> {
        if !self.enabled || !self.chance.happens(self.step_ppm) {
            return None;
        }
        self.decide(Some(step))
    }

    /// Something goes wrong at no particular step, unless it is left out.
    pub fn stray(&mut self) -> Option<Fault> {
        if self.enabled { self.decide(None) } else { None }
    }

    fn decide(&mut self, step: Option<Step>) -> Option<Fault> {
        let total = self.weights.iter().sum();
        let mut left = self.chance.below(total);
        let mut chosen = Fault::Crash;
        for (fault, weight) in Fault::ALL.into_iter().zip(self.weights) {
            if left < weight {
                chosen = fault;
                break;
            }
            left -= weight;
        }
        let number = self.decided;
        self.decided += 1;
        if !self.mask.lets(number) {
            return None;
        }
        self.matrix.note(step, chosen);
        Some(chosen)
    }

    /// How many were decided, left out or not.
    pub fn decided(&self) -> u32 {
        self.decided
    }

    /// What struck where.
    pub fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// Choices about the details of a fault.
    pub fn chance(&mut self) -> &mut Prng {
        &mut self.chance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_that_are_left_out_do_not_change_the_others() {
        let draw = |mask: Mask| {
            let mut faults = Faults::new(Prng::seeded(3, 1), mask, Company::Honest);
            faults.set_enabled(true);
            (0..6).map(|_| faults.stray()).collect::<Vec<_>>()
        };
        let all = draw(Mask::default());
        let some = draw(Mask { first: Some(4), without: vec![1] });
        assert_eq!(some[0], all[0]);
        assert_eq!(some[1], None);
        assert_eq!(some[2..4], all[2..4]);
        assert_eq!(some[4..], [None, None]);
    }

    #[test]
    fn the_matrix_knows_its_empty_cells() {
        let mut matrix = Matrix::default();
        matrix.note(Some(Step::Up), Fault::Crash);
        matrix.note(None, Fault::Crash);
        assert_eq!(matrix.total(Fault::Crash), 2);
        assert_eq!(matrix.empty_cells().len(), Matrix::cells() - 1);
    }
}
