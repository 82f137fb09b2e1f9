//! Mutations of the connection: readings 9 to 16 of docs/protocol.md §8. The shipped link stays as it
//! is; what is done for its actions, and what is reported to it, is changed.

use channel::ConnectionId;
use channel::back::BackState;
use channel::connection::Observation;
use channel::front::FrontState;
use channel::message::{APPLICATION, Control};
use channel::register::Register;
use grant::Closing;

use super::world::{Bounds, Domain, Requests};
use crate::register_value::RegisterValue;
use crate::side::Side;

/// The message by which the back of [`Mutation::NoNumbers`] answers without a number.
const ANSWER: &[u8] = b"DISCONNECTED";

/// A deliberate mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// None: the links as shipped.
    Nothing,
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
    /// Reading 12: no work at all after the fence. The links are as shipped; what is asked of
    /// them cannot be done.
    NoLateUnit,
    /// Reading 12: one look at the fence for several units.
    ChecksOnce,
    /// Reading 13: the back sends DISCONNECTED before it unmaps, and the front frees the page for it.
    TrustsAnswer,
    /// Reading 13: a new epoch of the peer frees the page.
    TrustsNewEpoch,
    /// Reading 13: the back sends DISCONNECTED before it unmaps; the front revokes as it should.
    AnswersBeforeUnmap,
    /// Reading 14: a restart in place forgets what is granted.
    ForgetsGrants,
    /// Reading 14: a restart in place forgets what is mapped.
    ForgetsMappings,
    /// Reading 14: the session's end leaves the mapping in place.
    KeepsMapping,
    /// Reading 15: REFUSED is no answer for a front that is disconnecting.
    RefusedNotTerminal,
    /// Reading 15: a DISCONNECT that crossed REFUSED is answered, and no front looks at numbers.
    NoNumbers,
    /// Reading 16: two words unread are all that may be.
    WindowOfTwo,
}

/// All but [`Mutation::Nothing`].
pub const MUTATIONS: [Mutation; 16] = [
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
    Mutation::RefusedNotTerminal,
    Mutation::NoNumbers,
    Mutation::WindowOfTwo,
];

impl Mutation {
    /// The number of the reading in docs/protocol.md.
    pub const fn reading(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::NoVerify => 9,
            Self::StampsBeforeBind | Self::StampWithoutNumber => 10,
            Self::NoHint | Self::NoClosingWord => 11,
            Self::NoLateUnit | Self::ChecksOnce => 12,
            Self::TrustsAnswer | Self::TrustsNewEpoch | Self::AnswersBeforeUnmap => 13,
            Self::ForgetsGrants | Self::ForgetsMappings | Self::KeepsMapping => 14,
            Self::RefusedNotTerminal | Self::NoNumbers => 15,
            Self::WindowOfTwo => 16,
        }
    }

    /// The smallest bounds that show it.
    pub const fn bounds(self) -> Bounds {
        let (connects, crashes, faults) = match self {
            Self::Nothing | Self::NoHint | Self::NoClosingWord => (1, [0; 2], 0),
            Self::TrustsAnswer | Self::AnswersBeforeUnmap => (1, [0; 2], 0),
            Self::NoVerify | Self::NoLateUnit | Self::ChecksOnce => (1, [0; 2], 1),
            Self::StampsBeforeBind | Self::ForgetsGrants | Self::ForgetsMappings => (1, [0; 2], 1),
            Self::KeepsMapping | Self::RefusedNotTerminal => (1, [0; 2], 1),
            Self::StampWithoutNumber | Self::NoNumbers | Self::WindowOfTwo => (2, [0; 2], 1),
            Self::TrustsNewEpoch => (1, [0, 1], 0),
        };
        Bounds { pages: 1, connects, crashes, faults, requests: Requests::AtOnce }
    }

    /// Units of work that may end after the fence.
    pub const fn late_max(self) -> u8 {
        match self {
            Self::NoLateUnit => 0,
            _ => 1,
        }
    }

    /// Messages of the connection that may be unread in one direction.
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

    /// Changes what a look at the page shows.
    pub const fn change_observation(
        self,
        side: Side,
        number: ConnectionId,
        seen: &mut Observation,
    ) {
        match (self, side) {
            (Self::StampWithoutNumber, Side::A) if seen.stamp.number.0 > 0 => {
                seen.stamp.number = number;
            }
            (Self::NoHint | Self::NoClosingWord, Side::A) => seen.words.sent = 0,
            (Self::NoHint, Side::B) => {
                seen.words.sent = 0;
                seen.closing = Closing::NotAsked;
            }
            _ => {}
        }
    }

    /// What a READ shows to this side.
    pub fn change_read(self, value: &RegisterValue, domain: &Domain) -> RegisterValue {
        let is_leaving =
            matches!(domain.front_state(), Some(FrontState::Leaving | FrontState::Disconnecting));
        let answer = Control::Disconnected(domain.number()).emit();
        match self {
            Self::RefusedNotTerminal if is_leaving => {
                value.edit(|message| match Control::parse(message) {
                    // Ignored by a front that is leaving.
                    Some(Control::Refused(number, _)) => {
                        Some(Control::Closing(number).emit().as_bytes().to_vec())
                    }
                    _ => None,
                })
            }
            Self::NoNumbers if domain.front_state().is_some() => value.edit(|message| {
                let is_answer = matches!(Control::parse(message), Some(Control::Disconnected(_)))
                    || message.strip_prefix(APPLICATION) == Some(ANSWER);
                is_answer.then(|| answer.as_bytes().to_vec())
            }),
            _ => value.clone(),
        }
    }

    /// A message that the back sends because of what it is about to read: an answer to a DISCONNECT
    /// though the connection is over.
    pub fn answer_to(self, value: &RegisterValue, domain: &Domain) -> Option<&'static [u8]> {
        if self != Self::NoNumbers || domain.back_state() != Some(BackState::Idle) {
            return None;
        }
        let (endpoint, header) = (domain.link.endpoint(), value.header());
        let is_session = header.to == Some(endpoint.epoch())
            && endpoint.peer_epoch() == Some(header.from)
            && endpoint.is_up();
        let register = Register::parse(value.bytes()).ok().filter(|_| is_session)?;
        let is_disconnect = register.iter().any(|(seq, message)| {
            seq > endpoint.delivered()
                && matches!(Control::parse(message), Some(Control::Disconnect(_)))
        });
        is_disconnect.then_some(ANSWER)
    }
}
