//! Machines that are wrong on purpose: plausible readings of the rules that docs/protocol.md §4
//! lists as wrong, and a few slips. The shipped endpoint stays as it is; what goes in and out of it
//! is changed around it, so that the checker has something to find.

use channel::{Epoch, EpochSource};

use super::letter::Letter;
use super::world::End;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Nothing: the machine as shipped.
    Nothing,
    /// Reading 1: a new from-epoch draws a new epoch, though not up.
    RedrawsOnNews,
    /// Reading 2: up at sight of a peer; the to-epoch is not looked at.
    IgnoresTo,
    /// Reading 3: the epoch is kept at down.
    KeepsEpoch,
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
pub const BROKEN: [Broken; 8] = [
    Broken::RedrawsOnNews,
    Broken::IgnoresTo,
    Broken::KeepsEpoch,
    Broken::PermitsOnce,
    Broken::SilentWhileUp,
    Broken::AnswersAll,
    Broken::AckOffByOne,
    Broken::Redelivers,
];

impl Broken {
    /// Bounds within which it shows: messages, and faults other than deaths.
    pub const fn shows_within(self) -> (u32, u8) {
        match self {
            Self::Nothing | Self::RedrawsOnNews | Self::IgnoresTo => (0, 0),
            Self::PermitsOnce | Self::AnswersAll => (0, 0),
            Self::SilentWhileUp | Self::AckOffByOne | Self::Redelivers => (1, 0),
            Self::KeepsEpoch => (1, 1),
        }
    }

    /// The register as this machine takes it.
    pub fn taken(self, letter: Letter, end: &End) -> Letter {
        let mut header = letter.header();
        match self {
            Self::IgnoresTo => header.to = Some(end.epoch()),
            Self::AckOffByOne if header.ack < end.sent() => header.ack = header.ack.next(),
            Self::Redelivers if header.first <= end.delivered() => {
                header.first = end.delivered().next();
            }
            _ => return letter,
        }
        letter.with(header)
    }
}

/// Gives the one epoch that a step may draw.
pub struct Source {
    next: Option<Epoch>,
}

impl Source {
    /// Draws `unused`; a machine that keeps its epoch gets that one again.
    pub fn new(broken: Broken, end: &End, unused: u128) -> Self {
        let fresh = Epoch::from_bits(unused);
        Self { next: Some(if broken == Broken::KeepsEpoch { end.epoch() } else { fresh }) }
    }
}

impl EpochSource for Source {
    fn fresh_epoch(&mut self) -> Epoch {
        self.next.take().expect("one step draws one epoch at most")
    }
}
