//! Mutations that no change of the shipped endpoint's text can make (tests/mutations/ has the others):
//! readings of the rules that docs/protocol.md §4 lists as wrong. What goes in and out of the endpoint
//! is changed around it.

use channel::{Epoch, EpochSource};

use super::Session;
use super::world::{Bounds, End, Granting, Sameness};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Nothing: the machine as shipped.
    None,
    /// Reading 3: the epoch is kept after a timeout.
    KeepsEpoch,
    /// Reading 4: the epoch is kept when the peer's changes; and answers overtake each other.
    KeepsEpochOnNews,
    /// Reading 5: an introduction makes the mailbox afresh. A hello that has landed is not said
    /// again by timer, because nothing is thought to wipe it.
    WipesMailbox,
    /// The same timers without the wiping, which is right: see [`Mutation::WipesMailbox`].
    RestsOnceLanded,
    /// Reading 7: a side that is up has no source of beats.
    SilentWhileUp,
}

/// All that are wrong.
pub const MUTATIONS: [Mutation; 4] = [
    Mutation::KeepsEpoch,
    Mutation::KeepsEpochOnNews,
    Mutation::WipesMailbox,
    Mutation::SilentWhileUp,
];

impl Mutation {
    /// The smallest bounds within which it shows.
    pub const fn model(self) -> Session {
        let (messages, faults) = match self {
            Self::None => (0, 0),
            Self::SilentWhileUp => (1, 0),
            Self::KeepsEpoch | Self::KeepsEpochOnNews => (1, 1),
            Self::WipesMailbox | Self::RestsOnceLanded => (0, 1),
        };
        let granting = Granting::AtOnce;
        let is_overtaking = matches!(self, Self::KeepsEpochOnNews);
        let crashes = [0; 2];
        let sameness = match self {
            Self::None => Sameness::Alike,
            _ => Sameness::Equal,
        };
        let bounds =
            Bounds { messages, crashes, faults, upsets: 0, granting, is_overtaking, sameness };
        Session { bounds, mutation: self }
    }

    /// The number of the reading in docs/protocol.md; 0 for what is right.
    pub const fn reading(self) -> u8 {
        match self {
            Self::KeepsEpoch => 3,
            Self::KeepsEpochOnNews => 4,
            Self::WipesMailbox => 5,
            Self::SilentWhileUp => 7,
            Self::None | Self::RestsOnceLanded => 0,
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
    pub fn again(end: &End) -> Self {
        Self { next: Some(end.epoch()) }
    }
}

impl EpochSource for Source {
    fn fresh_epoch(&mut self) -> Epoch {
        self.next.take().expect("one step draws one epoch at most")
    }
}
