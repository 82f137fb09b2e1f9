//! What may happen in a world, one thing at a time, and which of it is no fault. Everything that is
//! possible is tried in every state: a pause, a late event and a slow daemon are nothing but other
//! steps coming first.

use core::fmt;

use channel::endpoint::{Found, StoreRequest, Timer};

use super::world::{Bounds, Flight, World};
use crate::graph::Kind;
use crate::side::{SIDES, Side};

/// One thing that happens to one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionStep {
    /// To whom.
    pub side: Side,
    /// What.
    pub what: What,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The domain starts, with an empty home.
    Start,
    /// dom0 introduces it, and it finds out.
    Introduce(Found),
    /// What it wishes goes to the daemon.
    Submit(StoreRequest),
    /// The daemon does the oldest request that it has not done.
    Serve,
    /// The daemon does everything asked for up to the WRITE.
    ServeWrite,
    /// Likewise, and does a READ of the mailbox that the WRITE goes to just before.
    ServeWriteAfterRead,
    /// The oldest answer arrives. A READ that was not done is done now.
    Answer,
    /// Likewise, and a watch event just before.
    AnswerAfterHint,
    /// A timer fires.
    Time,
    /// The user takes a message.
    Take,
    /// Silence is taken for death, rightly.
    Verdict,
    /// The user sends.
    Send,
    /// A watch event, whatever for: late, repeated, spurious. None ever has to come.
    Hint,
    /// The daemon does a WRITE of an earlier life.
    StaleLands,
    /// Likewise, and a READ of that mailbox is done just before.
    StaleLandsAfterRead,
    /// The domain dies.
    Crash,
    /// The endpoint is restarted in place.
    Restart,
    /// Silence is taken for death, wrongly.
    FalseVerdict,
    /// dom0 introduces it again, to the same peer.
    Reintroduce,
    /// The daemon cannot do the oldest request just now.
    Busy,
    /// Somebody removes its mailbox.
    Vanish,
}

impl SessionStep {
    /// What kind it is, if no WRITE goes out by it.
    pub const fn kind(self) -> Kind {
        match self.what {
            What::Submit(_) | What::Serve | What::Answer | What::Take => Kind::Still,
            What::ServeWrite | What::ServeWriteAfterRead => Kind::Still,
            What::Start | What::Introduce(_) | What::Time | What::Verdict => Kind::Passing,
            What::Hint | What::AnswerAfterHint => Kind::Event,
            _ => Kind::Free,
        }
    }
}

impl fmt::Display for SessionStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.what {
            What::Start => "domain starts",
            What::Introduce(Found::AtStart) => "introduced, found by the first look",
            What::Introduce(Found::Later) => "introduced, found later",
            What::Submit(StoreRequest::Read) => "READ goes out",
            What::Submit(StoreRequest::Write) => "WRITE goes out",
            What::Submit(StoreRequest::SetPerms) => "SET_PERMS done",
            What::Submit(StoreRequest::RecreateMailbox) => "MKDIR done",
            What::Serve => "daemon does the request",
            What::ServeWrite => "daemon does the WRITE",
            What::ServeWriteAfterRead => "daemon does the peer's READ, then the WRITE",
            What::Answer => "answer arrives",
            What::AnswerAfterHint => "watch event, then answer arrives",
            What::Time => "timer fires",
            What::Take => "user takes a message",
            What::Verdict => "true verdict",
            What::Send => "user sends",
            What::Hint => "watch event",
            What::StaleLands => "WRITE of an earlier life lands",
            What::StaleLandsAfterRead => "WRITE of an earlier life lands, after the peer's READ",
            What::Crash => "domain dies",
            What::Restart => "restart in place",
            What::FalseVerdict => "false verdict",
            What::Reintroduce => "introduced again",
            What::Busy => "daemon says not now",
            What::Vanish => "mailbox removed",
        };
        write!(f, "{:?}: {words}", self.side)
    }
}

/// Everything that may happen next.
pub fn possible(world: &World, bounds: &Bounds) -> Vec<SessionStep> {
    let mut steps = Vec::with_capacity(24);
    for side in SIDES {
        let mut add = |what| steps.push(SessionStep { side, what });
        if world.at(side).stale.is_some() {
            add(What::StaleLands);
            if bounds.is_lazy() && is_read_next(world, side.other()) {
                add(What::StaleLandsAfterRead);
            }
        }
        match world.end(side) {
            None => add(What::Start),
            Some(_) => {
                of_store(world, side, bounds, &mut add);
                of_end(world, side, bounds, &mut add);
                faults(world, side, &mut add);
            }
        }
    }
    steps
}

/// Whether the daemon's next request of this side is a READ.
fn is_read_next(world: &World, side: Side) -> bool {
    let mut asked = world.at(side).flights.iter().filter(|flight| is_asked(flight));
    matches!(asked.next(), Some(Flight::Read))
}

fn is_asked(flight: &Flight) -> bool {
    matches!(flight, Flight::Read | Flight::Write(_))
}

fn of_store(world: &World, side: Side, bounds: &Bounds, add: &mut impl FnMut(What)) {
    if bounds.is_lazy() {
        return of_lazy_store(world, side, add);
    }
    let place = world.at(side);
    if place.flights.iter().any(is_asked) {
        add(What::Serve);
        if world.upsets > 0 {
            add(What::Busy);
        }
    }
    if place.flights.front().is_some_and(|flight| !is_asked(flight)) {
        add(What::Answer);
    }
}

/// See [`Bounds::is_lazy`].
fn of_lazy_store(world: &World, side: Side, add: &mut impl FnMut(What)) {
    let flights = &world.at(side).flights;
    if flights.iter().any(|flight| matches!(flight, Flight::Write(_))) {
        add(What::ServeWrite);
        if is_read_next(world, side.other()) {
            add(What::ServeWriteAfterRead);
        }
    }
    match flights.front() {
        Some(Flight::Read | Flight::ReadDone(_)) => {
            add(What::Answer);
            add(What::AnswerAfterHint);
        }
        Some(Flight::WriteDone(_)) => add(What::Answer),
        Some(Flight::Write(_)) | None => {}
    }
}

fn of_end(world: &World, side: Side, bounds: &Bounds, add: &mut impl FnMut(What)) {
    let Some(end) = world.end(side) else { return };
    if end.introduction().is_none() {
        add(What::Introduce(Found::AtStart));
        add(What::Introduce(Found::Later));
        return;
    }
    if let Some(wish) = end.poll_request() {
        add(What::Submit(wish));
    }
    if end.message().is_some() {
        add(What::Take);
    }
    if end.is_up() && end.sent().0 < bounds.messages {
        add(What::Send);
    }
    let is_reading = |flight: &Flight| matches!(flight, Flight::Read | Flight::ReadDone(_));
    let has_read_under_way = world.at(side).flights.iter().any(is_reading);
    if !(bounds.is_lazy() && has_read_under_way) {
        add(What::Hint);
    }
    if end.deadline() != channel::Instant::NEVER {
        add(What::Time);
    }
    // Silence is only ever noticed in the answer to a READ.
    let reads = has_read_under_way || end.timers().is_set(Timer::Poll);
    if world.is_forsaken(side) && reads {
        add(What::Verdict);
    }
}

fn faults(world: &World, side: Side, add: &mut impl FnMut(What)) {
    let place = world.at(side);
    if place.crashes > 0 {
        add(What::Crash);
    }
    if place.mailbox.is_some() && world.upsets > 0 {
        add(What::Vanish);
    }
    let Some(end) = world.end(side).filter(|_| world.faults > 0) else { return };
    add(What::Restart);
    if end.is_up() && !world.is_forsaken(side) {
        add(What::FalseVerdict);
    }
    if end.introduction().is_some() {
        add(What::Reintroduce);
    }
}
