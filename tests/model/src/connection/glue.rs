//! What joins an endpoint and a machine in one side: the same order as in `channel/src/link/act.rs`
//! and `page.rs`, which cannot be used here because a link does all its actions in one breath.
//! Here each action that another domain could see is a step of its own ([`Turn`]), and only what
//! concerns this side alone follows at once.

use channel::endpoint::{SendError, SessionEvent, Traffic, Wish, WriteOutcome};
use channel::event::DownReason;
use channel::front::FrontAction;
use channel::ids::{GrantRef, Port};
use channel::limits::REGISTER_BYTES_MAX;
use channel::link::Machine;
use channel::message::Control;
use channel::platform::{GrantRefs, Offer, PageWords, PrepareError};
use channel::register::Seq;
use channel::{back::BackAction, back::BackState, front::FrontState};

use super::super::finding::Wrong;
use super::super::letter::Letter;
use super::super::session::world::Side;
use super::apply::Rules;
use super::world::{Content, Header, Held, Life, NOW, Usage, World};

/// An action that other domains could see, or that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Front: closes the fence.
    Fence,
    /// Front: revokes the grant by compare-exchange.
    Revoke,
    /// Back: maps.
    Map,
    /// Back: looks at the header.
    Verify,
    /// Back: binds the port.
    Bind,
    /// Back: writes words and stamp.
    Stamp,
    /// Either: sets the closing word, and says CLOSING or DISCONNECT.
    Close,
    /// Back: unmaps.
    Unmap,
    /// Back: finishes the unit of work, and looks at the fence again.
    Finish,
}

/// What this side has to do before anything else, if others could see it.
pub fn turn(world: &World, side: Side) -> Option<Turn> {
    let life = world.life(side)?;
    if life.is_working {
        return Some(Turn::Finish);
    }
    match &life.machine {
        Machine::Front(front) => match front.poll_action()? {
            FrontAction::Release if world.header(side).is_some_and(|header| header.is_open) => {
                Some(Turn::Fence)
            }
            FrontAction::Release => Some(Turn::Revoke),
            FrontAction::SayClosing(_) => Some(Turn::Close),
            FrontAction::Prepare { .. } | FrontAction::Say(_) => None,
        },
        Machine::Back(back) => match back.poll_action()? {
            BackAction::Map(_) => Some(Turn::Map),
            BackAction::Verify(..) => Some(Turn::Verify),
            BackAction::Bind(_) => Some(Turn::Bind),
            BackAction::Stamp(_) => Some(Turn::Stamp),
            BackAction::SayClosing(_) => Some(Turn::Close),
            BackAction::Unmap => Some(Turn::Unmap),
            BackAction::Say(_) => None,
        },
    }
}

/// Everything that follows a fact without anybody else seeing it, then what goes to the daemon, and
/// so on until there is nothing more, or a [`Turn`] comes first. Says whether a WRITE went out.
pub fn settle(world: &mut World, side: Side, rules: &mut Rules) -> Result<bool, Wrong> {
    let mut writes = false;
    loop {
        take_events(world.at(side), rules)?;
        if turn(world, side).is_some() {
            return Ok(writes);
        }
        if act(world, side, rules)? || take_message(world.at(side), rules)? {
            continue;
        }
        follow_page(world.at(side));
        publish(world, side)?;
        match world.at(side).endpoint.poll_wish() {
            None => return Ok(writes),
            Some(Wish::Read) => read(world, side, rules),
            Some(Wish::Write) => {
                write(world, side, rules);
                writes = true;
            }
            Some(wish) => world.at(side).endpoint.handle_submitted(NOW, wish),
        }
    }
}

/// The session's event goes to the machine, the machine's to the user.
pub fn take_events(life: &mut Life, rules: &Rules) -> Result<(), Wrong> {
    match life.endpoint.poll_event() {
        None => {}
        Some(SessionEvent::Up { .. }) => match &mut life.machine {
            Machine::Front(front) => front.handle_up(),
            Machine::Back(back) => back.handle_up(),
        },
        Some(SessionEvent::Down { reason, .. }) => {
            if let DownReason::Protocol(breach) = reason {
                return Err(Wrong::Breach(format!("{breach:?}")));
            }
            rules.note_down(life, reason);
            machine_down(life);
        }
    }
    while life.endpoint.unknown().is_some() {
        life.endpoint.take_back();
    }
    match &mut life.machine {
        Machine::Front(front) => while front.poll_event().is_some() {},
        Machine::Back(back) => while back.poll_event().is_some() {},
    }
    Ok(())
}

/// The machine learns that there is no session.
pub fn machine_down(life: &mut Life) {
    match &mut life.machine {
        Machine::Front(front) => front.handle_down(),
        Machine::Back(back) => back.handle_down(),
    }
}

/// What the machine wants done that nobody else sees yet.
fn act(world: &mut World, side: Side, rules: &Rules) -> Result<bool, Wrong> {
    let life = world.at(side);
    let action = match &life.machine {
        Machine::Front(front) => match front.poll_action() {
            Some(FrontAction::Prepare { .. }) => {
                prepare(world, rules);
                return Ok(true);
            }
            Some(FrontAction::Say(control)) => Some(control),
            _ => None,
        },
        Machine::Back(back) => match back.poll_action() {
            Some(BackAction::Say(control)) => Some(control),
            _ => None,
        },
    };
    match action {
        // A front that waits for CONNECTED sees the stamp.
        Some(control @ Control::Connected(_)) => say(life, control, Hurry::WithNextWrite, rules),
        Some(control) => say(life, control, Hurry::Now, rules),
        None => Ok(false),
    }
}

/// C1.
fn prepare(world: &mut World, rules: &Rules) {
    let found = (0..rules.pages).find(|page| world.pages[*page].usage == Usage::Free);
    let life = world.at(Side::A);
    assert!(life.held.is_none(), "one connection at a time");
    let (epoch, number) = (life.endpoint.epoch(), life.number());
    let Some(page) = found else {
        return life.front().handle_prepared(Err(PrepareError::NoPages));
    };
    life.held = Some(Held::Page(page));
    let mut refs = GrantRefs::EMPTY;
    // Two pages at most.
    let _ = refs.push(GrantRef(page as u32 + 1));
    let offer = Offer { port: Port(1), ring_bytes: 1792, features: 0, refs };
    life.front().handle_prepared(Ok(offer));
    let stamp = rules.old_stamp(&world.pages[page].content);
    let words = PageWords::default();
    let header = Header {
        epoch,
        number,
        is_open: true,
        front: words,
        is_leaving: false,
        stamp,
        back: words,
        is_closing: false,
        late: 0,
    };
    world.pages[page].content = Content::Header(header);
    world.pages[page].usage = Usage::Connection;
}

/// When a word goes to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hurry {
    /// At once.
    Now,
    /// The page has told the peer already.
    WithNextWrite,
}

/// Puts a word into the queue.
pub fn say(life: &mut Life, control: Control, hurry: Hurry, rules: &Rules) -> Result<bool, Wrong> {
    if life.endpoint.sent().after(life.endpoint.acked()) >= rules.mutation.window() {
        return Err(Wrong::WindowFull);
    }
    let text = control.emit();
    let sent = match hurry {
        Hurry::Now => life.endpoint.send(text.as_bytes()),
        Hurry::WithNextWrite => life.endpoint.send_with_next_write(NOW, text.as_bytes()),
    };
    match sent {
        Ok(_) => {}
        Err(SendError::Full { .. }) => return Err(Wrong::WindowFull),
        Err(error) => panic!("a machine speaks in a session only: {error:?}"),
    }
    match &mut life.machine {
        Machine::Front(front) => front.handle_said(),
        Machine::Back(back) => back.handle_said(),
    }
    Ok(true)
}

fn take_message(life: &mut Life, rules: &Rules) -> Result<bool, Wrong> {
    let Some(message) = life.endpoint.message() else { return Ok(false) };
    let control = Control::parse(message).expect("machines say nothing else");
    life.endpoint.handle_delivered();
    let Some(control) = rules.heard(life, control) else { return Ok(true) };
    let taken = match &mut life.machine {
        Machine::Front(front) => front.handle_message(&control),
        Machine::Back(back) => back.handle_message(&control),
    };
    taken.map(|()| true).map_err(|breach| Wrong::Breach(format!("{breach:?} by {control:?}")))
}

/// The page's part in the link's life.
pub fn follow_page(life: &mut Life) {
    let has_page = life.has_live_page();
    if life.has_page != has_page {
        (life.has_page, life.is_moved, life.is_late) = (has_page, false, false);
    }
    let traffic = if !life.is_carried_by_page() {
        Traffic::Register
    } else if !life.is_moved {
        Traffic::Both
    } else if life.is_late {
        Traffic::Doubt
    } else {
        Traffic::Page
    };
    life.endpoint.set_traffic(NOW, traffic);
}

/// The own words go into the page.
fn publish(world: &mut World, side: Side) -> Result<(), Wrong> {
    let life = world.at(side);
    let _ = life.endpoint.poll_pressing();
    if !life.has_live_page() {
        return Ok(());
    }
    let words = words(life);
    match side {
        Side::A => {
            if let Some(header) = world.header_mut(side) {
                header.front = words;
            }
        }
        Side::B => touch(world)?.back = words,
    }
    Ok(())
}

/// What a side has to say in the page.
pub fn words(life: &Life) -> PageWords {
    let endpoint = &life.endpoint;
    PageWords { beat: 0, sent: endpoint.stored().0, delivered: endpoint.delivered().0 }
}

/// The back writes into the page that it maps.
pub fn touch(world: &mut World) -> Result<&mut Header, Wrong> {
    let back = world.at(Side::B);
    if back.held.is_none() {
        return Err(Wrong::TouchedUnmapped);
    }
    let is_own = world.header(Side::B).is_some_and(|header| world.is_own(Side::B, header));
    if !is_own {
        return Err(Wrong::WroteElsewhere);
    }
    world.header_mut(Side::B).ok_or(Wrong::WroteElsewhere)
}

/// One READ of the own mailbox, done and answered at once.
pub fn read(world: &mut World, side: Side, rules: &mut Rules) {
    let letter = world.boxes[side as usize].clone();
    let life = world.at(side);
    life.endpoint.handle_submitted(NOW, Wish::Read);
    let value = letter.as_ref().map_or(&[][..], Letter::bytes);
    life.endpoint.handle_read(NOW, value, &mut rules.source);
}

/// One WRITE to the peer's, likewise.
fn write(world: &mut World, side: Side, rules: &mut Rules) {
    let life = world.at(side);
    let mut value = [0; REGISTER_BYTES_MAX];
    let length = life.endpoint.emit(0, &mut value);
    life.endpoint.handle_submitted(NOW, Wish::Write);
    let outcome = match world.life(side.other()) {
        Some(_) => WriteOutcome::Done,
        None => WriteOutcome::Refused,
    };
    if outcome == WriteOutcome::Done {
        world.boxes[side.other() as usize] = Some(Letter::new(&value[..length]));
    }
    world.at(side).endpoint.handle_written(NOW, outcome, &mut rules.source);
}

/// C2, C3, D5, D7, Q: a look at the page.
pub fn look(world: &mut World, side: Side, rules: &mut Rules) -> Result<(), Wrong> {
    let Some(header) = world.header(side).copied() else { return Ok(()) };
    let life = world.at(side);
    let words = match side {
        Side::A => {
            let Some(peer) = life.endpoint.peer_epoch() else { return Ok(()) };
            let front = life.front();
            let number = front.number();
            let Some(stamp) = header.stamp.and_then(|stamp| rules.seen(stamp, number)) else {
                return Ok(());
            };
            if stamp != (peer, number) {
                return Ok(());
            }
            front.handle_stamp(stamp, peer);
            take_events(life, rules)?;
            if header.is_closing {
                life.front().handle_closing_word();
                take_events(life, rules)?;
            }
            header.back
        }
        Side::B => {
            if !header.is_open {
                fenced(life, rules);
                return Ok(());
            }
            header.front
        }
    };
    if life.has_live_page() {
        follow_page(life);
        let sent = if rules.mutation.is_hinted(side) { Seq(words.sent) } else { Seq::NONE };
        life.endpoint.handle_page(NOW, sent, Seq(words.delivered), &mut rules.source);
        take_events(life, rules)?;
    }
    // D7, sooner.
    let is_seen = header.is_leaving && rules.mutation.is_hinted(side) && life.has_live_page();
    if let (true, Machine::Back(back)) = (is_seen, &mut life.machine) {
        back.handle_closing_word();
    }
    Ok(())
}

/// The fence is closed.
pub fn fenced(life: &mut Life, rules: &mut Rules) {
    let witness = channel::event::Witness::Page;
    life.endpoint.handle_verdict(NOW, DownReason::Fenced, witness, &mut rules.source);
}

/// Whether a look at the page could do anything.
pub fn may_look(life: &Life) -> bool {
    life.front_state() == Some(FrontState::Connecting) || life.has_live_page()
}

/// Whether the back is at a place where it moves data.
pub fn may_work(life: &Life) -> bool {
    life.back_state() == Some(BackState::Serving)
}
