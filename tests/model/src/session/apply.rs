//! What a step does to a world, and what must never come of it (docs/protocol.md §1). The store
//! here is the smallest that has the real one's ways: one answer after the other, permissions that
//! die with the domain they name, a READ that is old when it arrives.

use channel::Instant;
use channel::endpoint::{Introduction, ReadFailure, SessionEvent, StoreRequest, WriteOutcome};
use channel::event::{DetectedBy, DownReason};
use channel::limits::REGISTER_BYTES_MAX;
use channel::{Epoch, EpochSource};

use super::step::{SessionStep, What};
use super::world::{Bounds, Flight, Granting, Mailbox, Seen, TestedEndpoint, World, pace};
use crate::finding::Wrong;
use crate::graph::Kind;
use crate::register_value::{RegisterValue, message};
use crate::side::{SIDES, Side, spend};

/// The moment at which everything happens.
const NOW: Instant = Instant::START;

/// Does the step, and says of what kind it was.
///
/// # Errors
/// What went wrong by it.
pub fn apply(world: &mut World, step: SessionStep, bounds: &Bounds) -> Result<Kind, Wrong> {
    let is_write = step.what == What::Submit(StoreRequest::Write);
    do_step(world, step)?;
    while bounds.granting == Granting::AtOnce && is_written(world, step.side) {
        do_step(world, SessionStep { what: What::Answer, ..step })?;
    }
    let writes = is_write || (bounds.granting == Granting::AtOnce && grant(world, step.side));
    check_acknowledged(world)?;
    Ok(match step.kind() {
        Kind::Still if writes => Kind::Writes,
        Kind::Event if writes => Kind::EventWrites,
        kind => kind,
    })
}

/// Whether the oldest answer is a WRITE's.
fn is_written(world: &World, side: Side) -> bool {
    matches!(world.at(side).flights.front(), Some(Flight::WriteDone(_)))
}

/// Grants every wish, and says whether a WRITE was among them.
fn grant(world: &mut World, side: Side) -> bool {
    let mut writes = false;
    while let Some(wish) = world.end(side).and_then(TestedEndpoint::poll_request) {
        submit(world, side, wish);
        writes |= wish == StoreRequest::Write;
    }
    writes
}

fn do_step(world: &mut World, step: SessionStep) -> Result<(), Wrong> {
    let side = step.side;
    let was = world.end(side).map(Status::of);
    match step.what {
        What::Start => start(world, side),
        What::Crash => crash(world, side),
        What::Serve => serve(world, side),
        What::ServeWrite => serve_write(world, side),
        What::ServeWriteAfterRead => {
            serve(world, side.other());
            serve_write(world, side);
        }
        What::Busy => busy(world, side),
        What::Vanish => {
            spend(&mut world.upsets);
            world.at_mut(side).mailbox = None;
        }
        What::StaleLands | What::StaleLandsAfterRead => {
            if step.what == What::StaleLandsAfterRead {
                serve(world, side.other());
            }
            let stale = world.at_mut(side).stale.take();
            if let Some(mailbox) = world.at_mut(side.other()).mailbox.as_mut() {
                mailbox.value = stale;
            }
        }
        What::Take => take(world, side)?,
        What::Submit(wish) => submit(world, side, wish),
        What::Introduce(_) | What::Reintroduce => introduce(world, step),
        _ => tell(world, step),
    }
    if let (Some(was), Some(end)) = (was, world.at_mut(side).end.as_mut()) {
        drain(end, was)?;
    }
    Ok(())
}

/// Gives the one epoch that a step may draw.
struct OneEpoch(Option<Epoch>);

impl OneEpoch {
    fn new(unused: u128) -> Self {
        Self(Some(Epoch::from_bits(unused)))
    }
}

impl EpochSource for OneEpoch {
    fn fresh_epoch(&mut self) -> Epoch {
        self.0.take().expect("one step draws one epoch at most")
    }
}

/// What an endpoint's next event is compared with.
struct Status {
    is_up: bool,
    epoch: Epoch,
    unacknowledged: u32,
}

impl Status {
    fn of(end: &TestedEndpoint) -> Self {
        let unacknowledged = end.sent().after(end.acked());
        Self { is_up: end.is_up(), epoch: end.epoch(), unacknowledged }
    }
}

fn start(world: &mut World, side: Side) {
    let end = TestedEndpoint::new(Epoch::from_bits(world.unused), pace(side));
    world.at_mut(side).end = Some(end);
}

/// Everything of the domain goes, and the permissions that name it; a WRITE may still be done.
fn crash(world: &mut World, side: Side) {
    let place = world.at_mut(side);
    spend(&mut place.crashes);
    place.end = None;
    place.mailbox = None;
    for flight in place.flights.drain(..) {
        if let Flight::Write(register) = flight {
            place.stale = Some(register);
        }
    }
    if let Some(mailbox) = world.at_mut(side.other()).mailbox.as_mut() {
        mailbox.is_open = false;
    }
}

fn oldest_asked(world: &mut World, side: Side) -> Option<&mut Flight> {
    let flights = &mut world.at_mut(side).flights;
    flights.iter_mut().find(|flight| matches!(flight, Flight::Read | Flight::Write(_)))
}

fn serve(world: &mut World, side: Side) {
    let asked = oldest_asked(world, side).cloned();
    let done = match asked {
        Some(Flight::Read) => Flight::ReadDone(match &world.at(side).mailbox {
            None => Seen::Absent,
            Some(Mailbox { value: None, .. }) => Seen::Empty,
            Some(Mailbox { value: Some(register), .. }) => Seen::RegisterValue(register.clone()),
        }),
        Some(Flight::Write(register)) => match world.at_mut(side.other()).mailbox.as_mut() {
            Some(mailbox) if mailbox.is_open => {
                mailbox.value = Some(register);
                Flight::WriteDone(WriteOutcome::Done)
            }
            _ => Flight::WriteDone(WriteOutcome::Refused),
        },
        _ => return,
    };
    if let Some(flight) = oldest_asked(world, side) {
        *flight = done;
    }
}

/// Everything that was asked for up to the WRITE.
fn serve_write(world: &mut World, side: Side) {
    while world.at(side).flights.iter().any(|flight| matches!(flight, Flight::Write(_))) {
        serve(world, side);
    }
}

fn busy(world: &mut World, side: Side) {
    spend(&mut world.upsets);
    if let Some(flight) = oldest_asked(world, side) {
        *flight = match flight {
            Flight::Read => Flight::ReadDone(Seen::Later),
            _ => Flight::WriteDone(WriteOutcome::Later),
        };
    }
}

/// The owner, or dom0, sees to it that the mailbox is there, and never touches its value.
/// Permissions for a domain that does not exist are void.
fn open(world: &mut World, side: Side) {
    let is_open = world.end(side.other()).is_some();
    let place = world.at_mut(side);
    place.mailbox.get_or_insert(Mailbox { value: None, is_open }).is_open = is_open;
}

fn submit(world: &mut World, side: Side, wish: StoreRequest) {
    match wish {
        StoreRequest::RecreateMailbox => open(world, side),
        StoreRequest::SetPerms if world.at(side).mailbox.is_some() => open(world, side),
        StoreRequest::SetPerms | StoreRequest::Read | StoreRequest::Write => {}
    }
    let place = world.at_mut(side);
    let Some(end) = place.end.as_mut() else { return };
    match wish {
        StoreRequest::Read => place.flights.push_back(Flight::Read),
        StoreRequest::Write => {
            let mut value = [0; REGISTER_BYTES_MAX];
            let length = end.emit(0, &mut value);
            place.flights.push_back(Flight::Write(RegisterValue::new(&value[..length])));
        }
        StoreRequest::RecreateMailbox | StoreRequest::SetPerms => {}
    }
    end.handle_submitted(NOW, wish);
}

fn introduce(world: &mut World, step: SessionStep) {
    open(world, step.side);
    let unused = world.unused;
    let found = match step.what {
        What::Introduce(found) => found,
        _ => {
            spend(&mut world.faults);
            channel::endpoint::Found::Later
        }
    };
    let Some(end) = world.at_mut(step.side).end.as_mut() else { return };
    // Two numbers are enough to tell an introduction from the one before.
    let number = end.introduction().map_or(1, |known| 3 - known.number);
    let read = Introduction { peer: step.side.other().domid(), number };
    let mut source = OneEpoch::new(unused);
    end.handle_introduction(NOW, read, found, &mut source);
}

fn take(world: &mut World, side: Side) -> Result<(), Wrong> {
    let place = world.at_mut(side);
    let Some(end) = place.end.as_mut() else { return Ok(()) };
    let Some(text) = end.message() else { return Ok(()) };
    let due = end.peer_epoch().map(|peer| message(peer, end.epoch(), end.delivered().next().0));
    if due.as_ref().map(|due| &due[..]) != Some(text) {
        let due = due.unwrap_or_default();
        return Err(Wrong::Delivered(format!(
            "{} where {} was due",
            text.escape_ascii(),
            due.escape_ascii()
        )));
    }
    end.handle_delivered();
    Ok(())
}

/// The steps that concern the endpoint alone.
fn tell(world: &mut World, step: SessionStep) {
    let unused = world.unused;
    if matches!(step.what, What::Restart | What::FalseVerdict) {
        spend(&mut world.faults);
    }
    if let Some(Flight::Read) = world.at(step.side).flights.front()
        && matches!(step.what, What::Answer | What::AnswerAfterHint)
    {
        serve(world, step.side);
    }
    let place = world.at_mut(step.side);
    let Some(end) = place.end.as_mut() else { return };
    if step.what == What::AnswerAfterHint {
        end.handle_hint();
    }
    let mut source = OneEpoch::new(unused);
    match step.what {
        What::Time => end.handle_timeout(end.deadline()),
        What::Hint => end.handle_hint(),
        What::Restart => end.restart(NOW, &mut source),
        What::Verdict | What::FalseVerdict => {
            end.handle_peer_failure(
                NOW,
                DownReason::BeatsMissed,
                DetectedBy::Register,
                &mut source,
            );
        }
        What::Send => {
            let peer = end.peer_epoch().unwrap_or(end.epoch());
            let text = message(end.epoch(), peer, end.sent().next().0);
            // Back-pressure is an answer too: nothing happens then.
            let _ = end.send(&text);
        }
        What::Answer | What::AnswerAfterHint => match place.flights.pop_front() {
            Some(Flight::ReadDone(seen)) => {
                answer_read(end, &seen, &mut source);
            }
            Some(Flight::WriteDone(outcome)) => {
                end.handle_written(NOW, outcome, &mut source);
            }
            _ => {}
        },
        _ => {}
    }
}

fn answer_read(end: &mut TestedEndpoint, seen: &Seen, source: &mut impl EpochSource) {
    match seen {
        Seen::Absent => end.handle_unread(NOW, ReadFailure::Absent),
        Seen::Later => end.handle_unread(NOW, ReadFailure::Later),
        Seen::Empty => {
            end.handle_read(NOW, &[], source);
        }
        Seen::RegisterValue(register) => {
            end.handle_read(NOW, register.bytes(), source);
        }
    }
}

/// The drain rule, and the judgement of what comes out.
fn drain(end: &mut TestedEndpoint, was: Status) -> Result<(), Wrong> {
    let event = end.poll_event();
    match event {
        Some(SessionEvent::Up { .. }) if was.is_up => return Err(Wrong::Alternation),
        Some(SessionEvent::Down { .. }) if !was.is_up => return Err(Wrong::Alternation),
        Some(SessionEvent::Down { .. }) if end.epoch() == was.epoch => {
            return Err(Wrong::EpochUsedTwice);
        }
        Some(_) => {}
        None if was.is_up != end.is_up() => return Err(Wrong::Alternation),
        None => {}
    }
    let mut unknown = 0;
    while end.unknown().is_some() {
        end.take_back();
        unknown += 1;
    }
    let is_down = matches!(event, Some(SessionEvent::Down { .. }));
    if is_down && unknown != was.unacknowledged { Err(Wrong::HandedBack) } else { Ok(()) }
}

/// Nobody believes delivered what is not.
fn check_acknowledged(world: &World) -> Result<(), Wrong> {
    for side in SIDES {
        let (Some(end), Some(peer)) = (world.end(side), world.end(side.other())) else { continue };
        let is_one = end.is_up()
            && peer.is_up()
            && end.peer_epoch() == Some(peer.epoch())
            && peer.peer_epoch() == Some(end.epoch());
        if is_one && end.acked() > peer.delivered() {
            return Err(Wrong::Acknowledged);
        }
    }
    Ok(())
}
