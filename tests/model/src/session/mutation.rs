//! Machines that are wrong on purpose: plausible readings of the rules that docs/protocol.md §4
//! lists as wrong, and a few slips. The shipped endpoint stays as it is; what goes in and out of it
//! is changed around it, so that the checker has something to find.

use channel::{Epoch, EpochSource};

use super::world::{Bounds, Granting, Sameness, TestedEndpoint};
use crate::register_value::RegisterValue;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Nothing: the machine as shipped.
    Nothing,
    /// Reading 1: a new from-epoch draws a new epoch, though not up.
    RedrawsOnNews,
    /// Reading 2: up at sight of a peer; the to-epoch is not looked at.
    IgnoresTo,
    /// Reading 3: the epoch is kept after a timeout.
    KeepsEpoch,
    /// Reading 4: the epoch is kept when the peer's changes; and answers overtake each other.
    KeepsEpochOnNews,
    /// Reading 5: an introduction makes the mailbox afresh. A hello that has landed is not said
    /// again by timer, because nothing is thought to wipe it.
    WipesMailbox,
    /// The same timers without the wiping, which is right: see [`Mutation::WipesMailbox`].
    RestsOnceLanded,
    /// Reading 6: permissions are not set again.
    PermitsOnce,
    /// Reading 7: a side that is up has no source of beats.
    SilentWhileUp,
    /// Reading 8: every register of the session is answered.
    AnswersAll,
    /// An acknowledgement is taken for one more than it says.
    AckOffByOne,
    /// A message that was delivered and is still in the register is taken for the next one.
    Redelivers,
}

/// All that are wrong.
pub const MUTATIONS: [Mutation; 10] = [
    Mutation::RedrawsOnNews,
    Mutation::IgnoresTo,
    Mutation::KeepsEpoch,
    Mutation::KeepsEpochOnNews,
    Mutation::WipesMailbox,
    Mutation::PermitsOnce,
    Mutation::SilentWhileUp,
    Mutation::AnswersAll,
    Mutation::AckOffByOne,
    Mutation::Redelivers,
];

impl Mutation {
    /// The smallest bounds within which it shows.
    pub const fn bounds(self) -> Bounds {
        let (messages, faults) = match self {
            Self::Nothing | Self::RedrawsOnNews => (0, 0),
            Self::PermitsOnce | Self::AnswersAll => (0, 0),
            Self::SilentWhileUp | Self::AckOffByOne | Self::Redelivers => (1, 0),
            Self::IgnoresTo | Self::KeepsEpoch | Self::KeepsEpochOnNews => (1, 1),
            Self::WipesMailbox | Self::RestsOnceLanded => (0, 1),
        };
        let granting = Granting::AtOnce;
        let is_overtaking = matches!(self, Self::KeepsEpochOnNews);
        let crashes = [0; 2];
        let sameness = match self {
            Self::Nothing => Sameness::Alike,
            _ => Sameness::Equal,
        };
        Bounds { messages, crashes, faults, upsets: 0, granting, is_overtaking, sameness }
    }

    /// The number of the reading in docs/protocol.md; 0 for a slip that is none.
    pub const fn reading(self) -> u8 {
        match self {
            Self::RedrawsOnNews => 1,
            Self::IgnoresTo => 2,
            Self::KeepsEpoch => 3,
            Self::KeepsEpochOnNews => 4,
            Self::WipesMailbox => 5,
            Self::PermitsOnce => 6,
            Self::SilentWhileUp => 7,
            Self::AnswersAll => 8,
            Self::Nothing | Self::AckOffByOne | Self::Redelivers | Self::RestsOnceLanded => 0,
        }
    }

    /// Whether this machine may begin a session in an epoch that has had one.
    pub const fn keeps_epoch(self) -> bool {
        matches!(self, Self::KeepsEpoch | Self::KeepsEpochOnNews)
    }

    /// Whether timers write no more once something has landed.
    pub const fn rests_once_landed(self) -> bool {
        matches!(self, Self::WipesMailbox | Self::RestsOnceLanded)
    }

    /// The register as this machine takes it.
    pub fn taken(self, register: RegisterValue, end: &TestedEndpoint) -> RegisterValue {
        let mut header = register.header();
        match self {
            Self::IgnoresTo => header.to = Some(end.epoch()),
            Self::AckOffByOne if header.ack < end.sent() => header.ack = header.ack.next(),
            Self::Redelivers if header.first <= end.delivered() => {
                header.first = end.delivered().next();
            }
            _ => return register,
        }
        register.with(header)
    }
}

/// Gives the one epoch that a step may draw.
pub struct Source {
    next: Option<Epoch>,
}

impl Source {
    /// Draws `unused`.
    pub fn new(unused: u128) -> Self {
        Self { next: Some(Epoch::from_bits(unused)) }
    }

    /// Draws the present epoch again.
    pub fn again(end: &TestedEndpoint) -> Self {
        Self { next: Some(end.epoch()) }
    }
}

impl EpochSource for Source {
    fn fresh_epoch(&mut self) -> Epoch {
        self.next.take().expect("one step draws one epoch at most")
    }
}
