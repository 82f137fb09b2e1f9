//! Connections that are wrong on purpose: readings 9 to 16 of docs/protocol.md §8. The shipped
//! machines stay as they are; what is done at their word, and what they are told of it, is changed
//! around them.

use super::super::session::world::Side;
use super::Connection;
use super::world::Bounds;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Nothing: the machines as shipped.
    None,
    /// Reading 9: the header is not looked at after mapping.
    NoVerify,
    /// Reading 10: the stamp goes before the bind.
    StampsBeforeBind,
    /// Reading 10: the page is used again as it is, and the front does not look at the stamp's
    /// number.
    StampWithoutNumber,
    /// Reading 11: nothing is read while connected unless an event comes.
    NoHint,
    /// Reading 11: likewise at the front, and CLOSING comes without a word in the page.
    NoClosingWord,
    /// Reading 12: no work at all after the fence. The machines are as shipped; what is asked of
    /// them cannot be done.
    NoLateUnit,
    /// Reading 12: one look at the fence for several units.
    ChecksOnce,
    /// Reading 13: the back says DISCONNECTED before it unmaps, and the front frees at its word.
    TrustsAnswer,
    /// Reading 13: a new epoch of the peer frees the page.
    TrustsNewEpoch,
    /// Reading 13: the back says DISCONNECTED before it unmaps; the front revokes as it should.
    AnswersBeforeUnmap,
    /// Reading 14: a restart in place forgets what is granted.
    ForgetsGrants,
    /// Reading 14: a restart in place forgets what is mapped.
    ForgetsMappings,
    /// Reading 14: the session's end leaves the mapping in place.
    KeepsMapping,
    /// Reading 15: a DISCONNECT that crossed REFUSED is answered, and nobody looks at numbers.
    NoNumbers,
    /// Reading 16: two words unread are all that may be.
    WindowOfTwo,
}

/// All that are wrong.
pub const MUTATIONS: [Mutation; 15] = [
    Mutation::NoVerify,
    Mutation::StampsBeforeBind,
    Mutation::StampWithoutNumber,
    Mutation::NoHint,
    Mutation::NoClosingWord,
    Mutation::NoLateUnit,
    Mutation::ChecksOnce,
    Mutation::TrustsAnswer,
    Mutation::TrustsNewEpoch,
    Mutation::AnswersBeforeUnmap,
    Mutation::ForgetsGrants,
    Mutation::ForgetsMappings,
    Mutation::KeepsMapping,
    Mutation::NoNumbers,
    Mutation::WindowOfTwo,
];

impl Mutation {
    /// The number of the reading in docs/protocol.md.
    pub const fn reading(self) -> u8 {
        match self {
            Self::None => 0,
            Self::NoVerify => 9,
            Self::StampsBeforeBind | Self::StampWithoutNumber => 10,
            Self::NoHint | Self::NoClosingWord => 11,
            Self::NoLateUnit | Self::ChecksOnce => 12,
            Self::TrustsAnswer | Self::TrustsNewEpoch | Self::AnswersBeforeUnmap => 13,
            Self::ForgetsGrants | Self::ForgetsMappings | Self::KeepsMapping => 14,
            Self::NoNumbers => 15,
            Self::WindowOfTwo => 16,
        }
    }

    /// Units of work that may end after the fence.
    pub const fn late_max(self) -> u8 {
        match self {
            Self::NoLateUnit => 0,
            _ => 1,
        }
    }

    /// Words of the connection that may be unread in one direction.
    pub const fn window(self) -> u32 {
        match self {
            Self::WindowOfTwo => 2,
            _ => 3,
        }
    }

    /// Whether the back unmaps only after it has answered.
    pub const fn is_answer_early(self) -> bool {
        matches!(self, Self::TrustsAnswer | Self::AnswersBeforeUnmap)
    }

    /// Whether the page's words of what was sent, and that the front leaves, are looked at.
    pub const fn is_hinted(self, side: Side) -> bool {
        match self {
            Self::NoHint => false,
            Self::NoClosingWord => matches!(side, Side::B),
            _ => true,
        }
    }
}

impl Mutation {
    /// The smallest bounds within which it shows.
    pub const fn model(self) -> Connection {
        let (connects, crashes, faults) = match self {
            Self::None | Self::NoHint | Self::NoClosingWord => (1, [0; 2], 0),
            Self::TrustsAnswer | Self::AnswersBeforeUnmap => (1, [0; 2], 0),
            Self::NoVerify | Self::NoLateUnit | Self::ChecksOnce => (1, [0; 2], 1),
            Self::StampsBeforeBind | Self::ForgetsGrants | Self::ForgetsMappings => (1, [0; 2], 1),
            Self::KeepsMapping => (1, [0; 2], 1),
            Self::StampWithoutNumber | Self::NoNumbers | Self::WindowOfTwo => (2, [0; 2], 1),
            Self::TrustsNewEpoch => (1, [0, 1], 0),
        };
        let bounds = Bounds { pages: 1, connects, crashes, faults };
        Connection { bounds, mutation: self }
    }
}
