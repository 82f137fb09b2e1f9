//! What a step does to a connection's world: inputs of a link, then everything that follows from
//! them until others could see something.

use std::rc::Rc;

use channel::back::BackAction;
use channel::endpoint::{Introduction, WriteOutcome};
use channel::event::{DownReason, Event};
use channel::front::FrontAction;
use channel::limits::{MESSAGE_BYTES_MAX, REGISTER_BYTES_MAX};
use channel::link::{Action, Completion, Machine, StoreOp};
use channel::{Epoch, EpochSource, Instant};

use super::perform::{free, perform, refusal, take_back, touch};
use super::step::{Step, What, kind};
use super::world::{
    BEAT, Bounds, Content, Domain, Held, NOW, Page, Request, Requests, Usage, World,
};
use crate::finding::Wrong;
use crate::graph::Kind;
use crate::register_value::RegisterValue;
use crate::side::{Side, spend};

/// What a step goes by.
struct Rules<'a> {
    bounds: &'a Bounds,
    epochs: OneEpoch,
    /// The moment at which the step happens.
    now: Instant,
    /// A READ or a WRITE has gone out.
    has_asked_store: bool,
}

/// Gives the one epoch that a step may draw.
struct OneEpoch(Option<Epoch>);

impl EpochSource for OneEpoch {
    fn fresh_epoch(&mut self) -> Epoch {
        self.0.take().expect("one step draws one epoch at most")
    }
}

/// Does the step, and says of what kind it was.
///
/// # Errors
/// What went wrong by it.
pub fn apply(world: &mut World, step: Step, bounds: &Bounds) -> Result<Kind, Wrong> {
    let kind = kind(world, step);
    let epochs = OneEpoch(Some(Epoch::from_bits(world.unused)));
    let mut rules = Rules { bounds, epochs, now: NOW, has_asked_store: false };
    let mut writes = false;
    match step {
        Step::Of(side, what) => {
            happen(world, side, what, &mut rules)?;
            let is_busy = world.domain(side).is_none_or(|domain| domain.is_working);
            if !is_busy && !may_settle_later(world, side, what) {
                writes = settle(world, side, &mut rules)?;
                if is_own_matter(what) && !rules.has_asked_store {
                    writes |= act_at_once(world, side, &mut rules)?;
                }
            }
            if rules.now != NOW {
                world.changed[side as usize] = Some(rules.now);
            }
        }
        Step::LetGo(page) => world.pages[page].is_mapped_by_dead = false,
        Step::Sweep(page) => free(world, page, bounds)?,
        Step::TakeBack(page) => take_back(world, page, bounds)?,
        Step::GiveAway(page) => {
            world.pages[page].usage = Usage::Another;
            world.pages[page].content = Content::Another;
        }
    }
    Ok(match kind {
        Kind::Still if writes => Kind::Writes,
        Kind::Event if writes => Kind::EventWrites,
        kind => kind,
    })
}

/// Whether the link has no part in the step, or still has something else to do.
fn may_settle_later(world: &World, side: Side, what: What) -> bool {
    let is_store = matches!(what, What::Land | What::LandAfterRead);
    is_store && world.domain(side).is_none_or(|domain| domain.action.is_some())
}

/// Whether the step is an input that neither depends on anything that others can change nor shows
/// them anything. What follows from it first is done in the same step: whatever another domain does
/// between the two, it can do just before the input as well.
const fn is_own_matter(what: What) -> bool {
    matches!(
        what,
        What::Look | What::Beat | What::Late | What::Connect | What::Disconnect | What::Restart
    )
}

/// The first action after such an input. One that Xen may refuse is a step of its own.
fn act_at_once(world: &mut World, side: Side, rules: &mut Rules<'_>) -> Result<bool, Wrong> {
    let action = world.domain(side).and_then(|domain| domain.action);
    if action.is_none_or(|action| refusal(&action).is_some()) {
        return Ok(false);
    }
    act(world, side, rules)?;
    settle(world, side, rules)
}

fn happen(world: &mut World, side: Side, what: What, rules: &mut Rules<'_>) -> Result<(), Wrong> {
    let now = rules.now;
    match what {
        What::Start => {
            let domain = Domain::new(side, Epoch::from_bits(world.unused));
            world.domains[side as usize] = Some(Rc::new(domain));
        }
        What::Crash => crash(world, side),
        What::Act(_) => act(world, side, rules)?,
        What::Refuse(_) => refuse(world, side, rules),
        What::Look => world.at(side).link.handle_step(),
        What::Beat => {
            rules.now = now.after(BEAT);
            world.at(side).link.handle_step();
        }
        What::Late => {
            rules.now = world.at(side).link.late_at();
            world.at(side).link.handle_step();
        }
        What::Hint => world.at(side).link.handle_hint(),
        What::Answer => answer(world, side, rules)?,
        What::AnswerAfterHint => {
            world.at(side).link.handle_hint();
            answer(world, side, rules)?;
        }
        What::Land => land(world, side),
        What::LandAfterRead => {
            serve(world, side.other());
            land(world, side);
        }
        What::Silence | What::FalseSilence => {
            if what == What::FalseSilence {
                spend(&mut world.faults);
            }
            let link = &mut world.at(side).link;
            link.note_silence(now);
            match rules.bounds.requests {
                // The READ goes out, and is answered, at once.
                Requests::AtOnce => link.handle_hint(),
                Requests::UnderWay => answer(world, side, rules)?,
            }
        }
        What::Work => world.at(side).is_working = true,
        What::Finish => finish(world, rules)?,
        What::Connect => {
            world.at(side).link.connect().expect("asked for while idle");
        }
        What::Disconnect => {
            world.at(side).link.disconnect().expect("asked for while there is one");
        }
        What::Restart => {
            spend(&mut world.faults);
            world.at(side).link.restart(now, &mut rules.epochs);
        }
    }
    Ok(())
}

/// Everything that follows from an input and that nobody else sees, then what goes to the daemon,
/// and so on until there is nothing more, or an [`Action`] comes first that others could see. Says
/// whether a WRITE went out.
///
/// [`Action::Reached`] does nothing, and [`Action::Notify`] only causes a look at the page, which may
/// come at any time anyway, or never. Both are done at once: whatever another domain does between
/// one of them and the link's next action, it can do just after that action's predecessor as well.
fn settle(world: &mut World, side: Side, rules: &mut Rules<'_>) -> Result<bool, Wrong> {
    let mut writes = false;
    loop {
        let domain = world.at(side);
        let action = domain.link.poll_action(rules.now, &mut rules.epochs);
        domain.action = action;
        take_events(world, side)?;
        let domain = world.at(side);
        match action {
            Some(Action::Reached(_) | Action::Notify) => {
                done(world, side, Completion::Done, rules);
                continue;
            }
            Some(_) => return Ok(writes),
            None => check_window(domain, rules.bounds)?,
        }
        if let Some(Request::WriteDone(outcome)) = domain.requests.front() {
            let outcome = *outcome;
            domain.requests.pop_front();
            domain.link.handle_written(rules.now, outcome, &mut rules.epochs);
            continue;
        }
        let Some(op) = domain.link.next_op(rules.now) else { return Ok(writes) };
        rules.has_asked_store |= matches!(op, StoreOp::Read | StoreOp::Write);
        writes |= op == StoreOp::Write;
        submit(world, side, op, rules);
    }
}

/// A request goes to the daemon. What is of no consequence here is answered at once: the
/// introduction never changes, and permissions are the session's model's.
fn submit(world: &mut World, side: Side, op: StoreOp, rules: &mut Rules<'_>) {
    let domain = world.at(side);
    let mut value = [0; REGISTER_BYTES_MAX];
    let length = domain.link.write_value(&mut value);
    domain.link.handle_submitted(op, rules.now);
    match op {
        StoreOp::ReadIntroduction => {
            let read = Introduction { peer: side.other().domid(), number: 1 };
            domain.link.handle_introduction(rules.now, Some(read), &mut rules.epochs);
        }
        StoreOp::MakeMailbox | StoreOp::SetPerms => domain.link.handle_mailbox_prepared(op),
        StoreOp::Read => domain.requests.push_back(Request::Read),
        StoreOp::Write => {
            domain.requests.push_back(Request::Write(RegisterValue::new(&value[..length])));
        }
        op => panic!("a request that the model does not know: {op:?}"),
    }
    if rules.bounds.requests == Requests::AtOnce && matches!(op, StoreOp::Read | StoreOp::Write) {
        serve(world, side);
        if op == StoreOp::Read {
            take_read(world, side, rules);
        }
    }
}

/// The daemon does the oldest request that it has not done.
fn serve(world: &mut World, side: Side) {
    let is_there = world.domain(side.other()).is_some();
    let mailbox = world.mailboxes[side as usize].clone();
    let Some(request) = world
        .at(side)
        .requests
        .iter_mut()
        .find(|request| matches!(request, Request::Read | Request::Write(_)))
    else {
        return;
    };
    match request {
        Request::Read => *request = Request::ReadDone(mailbox),
        Request::Write(value) if is_there => {
            let value = value.clone();
            *request = Request::WriteDone(WriteOutcome::Done);
            world.mailboxes[side.other() as usize] = Some(value);
        }
        _ => *request = Request::WriteDone(WriteOutcome::Refused),
    }
}

/// The daemon does everything that was asked for up to the WRITE.
fn land(world: &mut World, side: Side) {
    let is_asked = |request: &Request| matches!(request, Request::Write(_));
    while world.domain(side).is_some_and(|domain| domain.requests.iter().any(is_asked)) {
        serve(world, side);
    }
}

fn answer(world: &mut World, side: Side, rules: &mut Rules<'_>) -> Result<(), Wrong> {
    if let Some(Request::Read) = world.at(side).requests.front() {
        serve(world, side);
    }
    take_read(world, side, rules);
    Ok(())
}

/// A READ's answer arrives.
fn take_read(world: &mut World, side: Side, rules: &mut Rules<'_>) {
    let domain = world.at(side);
    let place = domain.requests.iter().position(|r| matches!(r, Request::ReadDone(_)));
    let Some(Request::ReadDone(value)) = place.and_then(|place| domain.requests.remove(place))
    else {
        return;
    };
    let Some(value) = value else {
        domain.link.handle_read(rules.now, &[], &mut rules.epochs);
        return;
    };
    domain.link.handle_read(rules.now, value.bytes(), &mut rules.epochs);
}

/// The user takes every event at once.
fn take_events(world: &mut World, side: Side) -> Result<(), Wrong> {
    let is_one_session = is_one_session(world, side);
    let domain = world.at(side);
    let mut scratch = [0; MESSAGE_BYTES_MAX];
    while let Some(event) = domain.link.poll_event(&mut scratch) {
        let Event::Down { reason, .. } = event else { continue };
        match reason {
            DownReason::Protocol(breach) => return Err(Wrong::Breach(format!("{breach:?}"))),
            DownReason::PortUnbound | DownReason::PeerGone | DownReason::Fenced
                if is_one_session =>
            {
                return Err(Wrong::EndedWithoutCause(format!("{reason:?}")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether the other side is in the session that this side is in, or has just left: an endpoint
/// keeps its peer's epoch, and its peer leaves a session only with a new epoch of its own.
fn is_one_session(world: &World, side: Side) -> bool {
    let peer = world.domain(side.other()).map(|peer| peer.link.endpoint());
    let known = world.domain(side).and_then(|domain| domain.link.endpoint().peer_epoch());
    peer.is_some_and(|peer| peer.is_up() && Some(peer.epoch()) == known)
}

/// Three messages of the connection must always find room (docs/protocol.md §6).
fn check_window(domain: &Domain, bounds: &Bounds) -> Result<(), Wrong> {
    let endpoint = domain.link.endpoint();
    let waits = match domain.link.machine() {
        Machine::Front(front) => {
            matches!(front.poll_action(), Some(FrontAction::Send(_) | FrontAction::SendClosing(_)))
        }
        Machine::Back(back) => {
            matches!(back.poll_action(), Some(BackAction::Send(_) | BackAction::SendClosing(_)))
        }
    };
    if waits || endpoint.sent().after(endpoint.acked()) > bounds.environment.unread_max {
        return Err(Wrong::WindowFull);
    }
    Ok(())
}

fn act(world: &mut World, side: Side, rules: &mut Rules<'_>) -> Result<(), Wrong> {
    let action = world.at(side).action.expect("an action that is due");
    let completion = perform(world, side, &action, rules.bounds)?;
    done(world, side, completion, rules);
    Ok(())
}

fn refuse(world: &mut World, side: Side, rules: &mut Rules<'_>) {
    spend(&mut world.faults);
    let action = world.at(side).action.expect("an action that is due");
    if let Some(completion) = refusal(&action) {
        done(world, side, completion, rules);
    }
}

fn done(world: &mut World, side: Side, completion: Completion, rules: &mut Rules<'_>) {
    let domain = world.at(side);
    let action = domain.action.take().expect("an action that was done");
    domain.link.handle_done(rules.now, &action, completion, &mut rules.epochs);
}

fn crash(world: &mut World, side: Side) {
    spend(&mut world.crashes[side as usize]);
    world.unbind(side.other());
    match side {
        Side::A => {
            // What the back maps of it stays, and belongs to no domain.
            if let Some(Some(Held::Page(page))) = world.domain(Side::B).map(|back| back.held) {
                world.orphan = match world.pages[page].content {
                    Content::Header(header) => Some(header),
                    Content::Nothing | Content::Another => None,
                };
                world.at(Side::B).held = Some(Held::Orphan);
            }
            world.pages = [Page::FREE; 2];
        }
        Side::B => {
            let held = world.domain(Side::B).and_then(|back| back.held);
            if let Some(Held::Page(page)) = held {
                world.pages[page].is_mapped_by_dead = true;
            }
            world.orphan = None;
        }
    }
    world.domains[side as usize] = None;
    world.mailboxes[side as usize] = None;
}

/// D5: the unit is finished, and the fence looked at again before the next one.
fn finish(world: &mut World, rules: &Rules<'_>) -> Result<(), Wrong> {
    let header = touch(world)?;
    if !header.is_open {
        header.late += 1;
        if header.late > rules.bounds.environment.late_units_max {
            return Err(Wrong::WorkedAfterFence);
        }
    }
    world.at(Side::B).is_working = false;
    Ok(())
}
