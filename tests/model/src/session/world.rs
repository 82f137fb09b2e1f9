//! What two endpoints stand in: domains that live or not, mailboxes, and requests under way. It is
//! small, copied for every step, and knows nothing of what is right; [`super::apply`] moves it.

use std::collections::VecDeque;

use channel::endpoint::{Endpoint, Timing};
use channel::{Duration, Epoch};

use crate::register_value::RegisterValue;
use crate::side::{SIDES, Side};

/// The endpoint under test: as shipped, but for the sizes of its queues. Two messages of three
/// bytes: what a user sends beyond them meets back-pressure.
pub type TestedEndpoint = Endpoint<2, 16>;

/// So many messages in each session: any number. What is acknowledged is not counted any more, so
/// there is an end of states even so.
pub const MESSAGES_UNBOUNDED: u32 = u32::MAX;

/// How far the search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Messages that each user sends in each session.
    pub messages: u32,
    /// Deaths of the front's domain, and of the back's.
    pub crashes: [u8; 2],
    /// Restarts in place, false verdicts and repeated introductions, in all.
    pub faults: u8,
    /// Requests that the daemon cannot do just now, and mailboxes removed, in all. They are counted
    /// by the endpoint itself, and so must be bounded.
    pub upsets: u8,
    /// When a wish goes to the daemon.
    pub granting: Granting,
    /// Which worlds are the same.
    pub sameness: Sameness,
}

/// Which worlds are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// Those that differ only in names and moments. A mutation may look at what the shipped endpoint
    /// ignores.
    Equal,
    /// Those, too, that differ only in what no endpoint looks at any more: what a register that is
    /// addressed to an earlier life says, what it says again, and what an endpoint remembers of an
    /// epoch that has ended. And no step is tried earlier than it makes a difference: see
    /// [`Bounds::is_lazy`].
    Alike,
}

impl Bounds {
    /// No faults and no messages: what a test starts from.
    pub const NONE: Self = Self {
        messages: 0,
        crashes: [0; 2],
        faults: 0,
        upsets: 0,
        granting: Granting::AtOnce,
        sameness: Sameness::Alike,
    };

    /// Whether a READ is done only just before somebody changes the mailbox, or when its answer
    /// arrives, and a watch event that finds a READ under way comes only with that answer. Until then
    /// nothing depends on either, which is tested too. Where the daemon may be busy,
    /// more does.
    pub fn is_lazy(&self) -> bool {
        self.sameness == Sameness::Alike && self.upsets == 0
    }
}

/// When what an endpoint wishes goes to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granting {
    /// At once, as the driver does it while its ring has room. The answer to a WRITE arrives at once
    /// too, or with the answer to a READ that it waits behind: a driver takes in all answers that
    /// there are before it does anything else. A READ is still old when it arrives.
    AtOnce,
    /// At any time, as if the ring were full now and then; so do all answers. Many more states.
    AnyTime,
}

/// How the endpoint goes: no beat has any length, so that every timer that is set may fire at any
/// time. The back leaves the first hello to the front.
pub const fn pace(side: Side) -> Timing {
    Timing { beat: Duration::ZERO, first_hello: Duration::from_nanoseconds(side as u64) }
}

/// A request, or its answer, in the order of asking.
#[derive(Clone, Debug)]
pub enum Flight {
    /// Asked for, not yet seen by the daemon.
    Read,
    /// Likewise.
    Write(RegisterValue),
    /// Done; the answer has not arrived. A READ may be old by then.
    ReadDone(Seen),
    /// Likewise.
    WriteDone(channel::endpoint::WriteOutcome),
}

/// What a READ brings.
#[derive(Clone, Debug)]
pub enum Seen {
    /// There is no mailbox.
    Absent,
    /// Nobody has written yet.
    Empty,
    /// A register.
    RegisterValue(RegisterValue),
    /// The daemon could not just now.
    Later,
}

/// A mailbox that is there.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// What was written last.
    pub value: Option<RegisterValue>,
    /// The peer may write: permissions name it, and were set while it existed.
    pub is_open: bool,
}

/// A domain's place.
#[derive(Clone, Debug)]
pub struct DomainPlace {
    /// The endpoint, if the domain lives.
    pub end: Option<TestedEndpoint>,
    /// Its mailbox. It goes with the domain.
    pub mailbox: Option<Mailbox>,
    /// At most one READ and one WRITE.
    pub flights: VecDeque<Flight>,
    /// A WRITE of an earlier life that the daemon has not done yet.
    pub stale: Option<RegisterValue>,
    /// Deaths left.
    pub crashes: u8,
}

/// Everything.
#[derive(Clone, Debug)]
pub struct World {
    /// The two places.
    pub places: [DomainPlace; 2],
    /// Other faults left.
    pub faults: u8,
    /// Upsets left.
    pub upsets: u8,
    /// The smallest epoch that is nowhere in this world: as good as one that never was.
    pub unused: u128,
}

impl World {
    /// Before either domain has started.
    pub fn new(bounds: &Bounds) -> Self {
        let place = |crashes| DomainPlace {
            end: None,
            mailbox: None,
            flights: VecDeque::new(),
            stale: None,
            crashes,
        };
        Self {
            places: bounds.crashes.map(place),
            faults: bounds.faults,
            upsets: bounds.upsets,
            unused: 0,
        }
    }

    /// The place of one side.
    pub fn at(&self, side: Side) -> &DomainPlace {
        &self.places[side as usize]
    }

    /// The place of one side.
    pub fn at_mut(&mut self, side: Side) -> &mut DomainPlace {
        &mut self.places[side as usize]
    }

    /// The endpoint of one side, if it lives.
    pub fn end(&self, side: Side) -> Option<&TestedEndpoint> {
        self.at(side).end.as_ref()
    }

    /// Whether this side is in a session whose other half is gone: a verdict would be true.
    pub fn is_forsaken(&self, side: Side) -> bool {
        let peer: Option<Epoch> = self.end(side.other()).map(Endpoint::epoch);
        self.end(side).is_some_and(|end| end.is_up() && end.peer_epoch() != peer)
    }

    /// Both up in one session, everything sent delivered, and known to be.
    pub fn is_settled(&self) -> bool {
        SIDES.iter().all(|side| {
            let (Some(end), Some(peer)) = (self.end(*side), self.end(side.other())) else {
                return false;
            };
            end.is_up()
                && end.peer_epoch() == Some(peer.epoch())
                && end.all_acked()
                && peer.delivered() == end.sent()
        })
    }
}
