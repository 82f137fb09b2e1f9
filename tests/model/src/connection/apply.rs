//! What a step does to a connection's world, and what must never come of it: invariants I1 and I2,
//! exactly one terminal answer, and room for every word (docs/protocol.md §6 to §8, §11).

use channel::Epoch;
use channel::EpochSource;
use channel::back::{BackAction, BackState};
use channel::endpoint::{Found, Introduction, Traffic};
use channel::event::{DownReason, Witness};
use channel::front::{FrontAction, FrontState, Outcome};
use channel::ids::Number;
use channel::message::Control;
use channel::platform::{BindError, MapError, Offer, Released, VerifyError};

use super::super::finding::Wrong;
use super::super::graph::Kind;
use super::super::session::world::{Side, spend};
use super::glue::{self, Hurry, Turn, settle, touch};
use super::mutation::Mutation;
use super::step::{Step, What, kind};
use super::world::{Bounds, Content, Header, Held, Life, NOW, Page, Usage, World};

/// What a step goes by: the wrong reading, if there is one, and the epoch that it may draw.
pub struct Rules {
    /// What is wrong.
    pub mutation: Mutation,
    /// Pages of the front's domain.
    pub pages: usize,
    /// Epochs.
    pub source: OneEpoch,
}

/// Gives the one epoch that a step may draw.
pub struct OneEpoch(Option<Epoch>);

impl EpochSource for OneEpoch {
    fn fresh_epoch(&mut self) -> Epoch {
        self.0.take().expect("one step draws one epoch at most")
    }
}

impl Rules {
    /// What the page still says of an earlier connection: nothing, it was zeroed.
    pub fn old_stamp(&self, content: &Content) -> Option<(Epoch, Number)> {
        match content {
            Content::Header(old) if self.mutation == Mutation::StampWithoutNumber => old.stamp,
            _ => None,
        }
    }

    /// The stamp as this front takes it.
    pub fn seen(&self, stamp: (Epoch, Number), number: Number) -> Option<(Epoch, Number)> {
        let is_blind = self.mutation == Mutation::StampWithoutNumber;
        Some(if is_blind { (stamp.0, number) } else { stamp })
    }

    /// A word of the peer as this machine takes it.
    pub fn heard(&self, life: &mut Life, control: Control) -> Option<Control> {
        let number = life.number();
        match (self.mutation, control, life.front_state(), life.back_state()) {
            (Mutation::NoNumbers, Control::Disconnected(_), Some(_), _) => {
                Some(Control::Disconnected(number))
            }
            (Mutation::NoNumbers, Control::Disconnect(_), _, Some(BackState::Idle)) => {
                let answer = Control::Disconnected(number);
                let _ = life.endpoint.send(answer.emit().as_bytes());
                None
            }
            _ => Some(control),
        }
    }

    /// A session has ended.
    pub fn note_down(&self, life: &mut Life, reason: DownReason) {
        if self.mutation == Mutation::TrustsNewEpoch {
            life.mark = reason == DownReason::PeerRestarted;
        }
    }
}

/// Does the step, and says of what kind it was.
///
/// # Errors
/// What went wrong by it.
pub fn apply(
    world: &mut World,
    step: Step,
    bounds: &Bounds,
    mutation: Mutation,
) -> Result<Kind, Wrong> {
    let kind = kind(world, step);
    let source = OneEpoch(Some(Epoch::from_bits(world.unused)));
    let mut rules = Rules { mutation, pages: bounds.pages, source };
    let writes = match step {
        Step::Of(side, what) => {
            happen(world, side, what, &mut rules)?;
            match world.life(side) {
                Some(_) => settle(world, side, &mut rules)?,
                None => false,
            }
        }
        Step::LetGo(page) => {
            world.pages[page].is_mapped_by_dead = false;
            false
        }
        Step::Sweep(page) | Step::TakeBack(page) => {
            free(world, page, &rules)?;
            false
        }
        Step::GiveAway(page) => {
            world.pages[page].usage = Usage::Another;
            world.pages[page].content = Content::Another;
            false
        }
    };
    Ok(match kind {
        Kind::Still if writes => Kind::Writes,
        Kind::Event if writes => Kind::EventWrites,
        kind => kind,
    })
}

fn happen(world: &mut World, side: Side, what: What, rules: &mut Rules) -> Result<(), Wrong> {
    match what {
        What::Start => start(world, side, rules),
        What::Crash => crash(world, side),
        What::Turn(turn) => do_turn(world, side, turn, rules)?,
        What::Fails(Turn::Map) => {
            spend(&mut world.faults);
            world.at(side).back().handle_mapped(Err(MapError::NoRoom));
        }
        What::Fails(_) => {
            spend(&mut world.faults);
            if rules.mutation == Mutation::StampsBeforeBind {
                stamp(world)?;
            }
            world.at(side).back().handle_bound(Err(BindError::NoPorts));
        }
        What::Look => glue::look(world, side, rules)?,
        What::Work => work(world, rules),
        What::UnmapLate => {
            world.at(side).mark = false;
            unmap(world);
        }
        What::Restart => restart(world, side, rules)?,
        _ => tell(world, side, what, rules),
    }
    Ok(())
}

/// What concerns the session or the machine alone.
fn tell(world: &mut World, side: Side, what: What, rules: &mut Rules) {
    if what == What::FalseVerdict {
        spend(&mut world.faults);
    }
    let life = world.at(side);
    match what {
        What::Time => life.endpoint.handle_timeout(life.endpoint.deadline()),
        What::Hint => life.endpoint.handle_hint(),
        What::Beat => (life.is_moved, life.is_late) = (true, false),
        What::Late => {
            life.is_late = true;
            glue::follow_page(life);
            // Only the mailbox tells whether the peer lives.
            life.endpoint.handle_hint();
        }
        What::Verdict | What::FalseVerdict => {
            let reason = DownReason::BeatsMissed;
            life.endpoint.handle_verdict(NOW, reason, Witness::Register, &mut rules.source);
        }
        What::Connect => {
            life.front().connect(1).expect("asked for while idle");
        }
        What::Disconnect => match side {
            Side::A => life.front().disconnect().expect("asked for while there is one"),
            Side::B => life.back().disconnect().expect("asked for while serving"),
        },
        _ => {}
    }
}

fn start(world: &mut World, side: Side, rules: &mut Rules) {
    let mut life = Life::new(side, Epoch::from_bits(world.unused));
    let read = Introduction { peer: side.other().domid(), number: 1 };
    life.endpoint.handle_introduction(NOW, read, Found::AtStart, &mut rules.source);
    life.endpoint.set_traffic(NOW, Traffic::Register);
    world.lives[side as usize] = Some(life);
}

fn crash(world: &mut World, side: Side) {
    spend(&mut world.crashes[side as usize]);
    match side {
        Side::A => {
            // What the back maps of it stays, and is nobody's.
            if let Some(Some(Held::Page(page))) = world.life(Side::B).map(|back| back.held) {
                world.orphan = match world.pages[page].content {
                    Content::Header(header) => Some(header),
                    Content::Nothing | Content::Another => None,
                };
                world.at(Side::B).held = Some(Held::Orphan);
            }
            world.pages = [Page::FREE; 2];
        }
        Side::B => {
            let held = world.life(Side::B).and_then(|back| back.held);
            if let Some(Held::Page(page)) = held {
                world.pages[page].is_mapped_by_dead = true;
            }
            for page in &mut world.pages {
                page.is_mapped_by_dead |= core::mem::take(&mut page.is_forgotten);
            }
            world.orphan = None;
        }
    }
    world.lives[side as usize] = None;
    world.boxes[side as usize] = None;
}

fn restart(world: &mut World, side: Side, rules: &mut Rules) -> Result<(), Wrong> {
    spend(&mut world.faults);
    match (side, rules.mutation, world.at(side).held) {
        (Side::A, Mutation::ForgetsGrants, Some(Held::Page(page))) => {
            world.at(side).held = None;
            free(world, page, rules)?;
        }
        (Side::B, Mutation::ForgetsMappings, Some(held)) => forget(world, held),
        _ => {}
    }
    let life = world.at(side);
    let was_up = life.endpoint.is_up();
    life.endpoint.restart(NOW, &mut rules.source);
    if !was_up {
        glue::machine_down(life);
    }
    Ok(())
}

/// The back's books no longer know of a mapping.
fn forget(world: &mut World, held: Held) {
    world.at(Side::B).held = None;
    match held {
        Held::Page(page) => world.pages[page].is_forgotten = true,
        Held::Orphan => world.orphan = None,
    }
}

/// I1: a page that somebody maps is neither freed nor used for anything else.
fn free(world: &mut World, page: usize, rules: &Rules) -> Result<(), Wrong> {
    if world.is_mapped(page) {
        return Err(Wrong::FreedWhileMapped);
    }
    world.pages[page].usage = Usage::Free;
    if rules.mutation != Mutation::StampWithoutNumber {
        world.pages[page].content = Content::Nothing;
    }
    Ok(())
}

fn do_turn(world: &mut World, side: Side, turn: Turn, rules: &mut Rules) -> Result<(), Wrong> {
    match turn {
        Turn::Fence => {
            if let Some(header) = world.header_mut(Side::A) {
                header.is_open = false;
            }
        }
        Turn::Revoke => revoke(world, rules)?,
        Turn::Map => map(world),
        Turn::Verify => {
            let verified = match rules.mutation {
                Mutation::NoVerify => Ok(()),
                _ => verify(world),
            };
            world.at(Side::B).back().handle_verified(verified);
        }
        Turn::Bind => {
            if rules.mutation == Mutation::StampsBeforeBind {
                stamp(world)?;
            }
            world.at(Side::B).back().handle_bound(Ok(()));
        }
        Turn::Stamp => {
            stamp(world)?;
            world.at(Side::B).back().handle_stamped();
        }
        Turn::Close => close(world, side, rules)?,
        Turn::Unmap => {
            let back = world.at(Side::B);
            let is_lost = back.back().state() == BackState::Lost;
            let is_answer = back.back().state() == BackState::Unmapping;
            back.back().handle_unmapped();
            if is_answer && rules.mutation.is_answer_early() {
                back.mark = true;
            } else if !(is_lost && rules.mutation == Mutation::KeepsMapping) {
                back.mark &= !rules.mutation.is_answer_early();
                unmap(world);
            }
        }
        Turn::Finish => finish(world, rules)?,
    }
    Ok(())
}

/// C3, D6: the word in the page first, then the message.
fn close(world: &mut World, side: Side, rules: &Rules) -> Result<(), Wrong> {
    match side {
        Side::A => {
            if let Some(header) = world.header_mut(side) {
                header.is_leaving = true;
            }
            let life = world.at(side);
            if let Some(FrontAction::SayClosing(control)) = life.front().poll_action() {
                glue::say(life, control, Hurry::WithNextWrite, rules)?;
            }
        }
        Side::B => {
            if rules.mutation != Mutation::NoClosingWord {
                touch(world)?.is_closing = true;
            }
            let life = world.at(side);
            if let Some(BackAction::SayClosing(control)) = life.back().poll_action() {
                glue::say(life, control, Hurry::Now, rules)?;
            }
        }
    }
    Ok(())
}

/// C4, C5: what the compare-exchange says counts, and nothing else.
fn revoke(world: &mut World, rules: &Rules) -> Result<(), Wrong> {
    let life = world.at(Side::A);
    let Some(FrontState::Ended(outcome)) = life.front_state() else {
        panic!("released where nothing has ended");
    };
    let mut released = Released::Freed;
    if let Some(Held::Page(page)) = life.held.take() {
        let trusts = match rules.mutation {
            Mutation::TrustsAnswer => outcome == Outcome::InOrder,
            Mutation::TrustsNewEpoch => outcome == Outcome::SessionEnded && life.mark,
            _ => false,
        };
        life.mark = false;
        if trusts || !world.is_mapped(page) {
            free(world, page, rules)?;
        } else {
            if outcome != Outcome::SessionEnded {
                return Err(Wrong::AnsweredWhileMapped);
            }
            world.pages[page].usage = Usage::Quarantined;
            released = Released::Quarantined { pages: 1 };
        }
    }
    world.at(Side::A).front().handle_released(released);
    Ok(())
}

/// D2. The reference may be of an earlier life of the front, or of an earlier connection.
fn map(world: &mut World) {
    let Some(BackAction::Map(offer)) = world.at(Side::B).back().poll_action() else {
        panic!("mapped where nothing is offered");
    };
    let page = page_of(&offer);
    let is_granted = world.life(Side::A).is_some() && world.pages[page].usage != Usage::Free;
    if !is_granted {
        return world.at(Side::B).back().handle_mapped(Err(MapError::BadGrant));
    }
    if let Some(before) = world.at(Side::B).held {
        // Never by the machines as shipped: they unmap first.
        forget(world, before);
    }
    let life = world.at(Side::B);
    life.held = Some(Held::Page(page));
    life.back().handle_mapped(Ok(()));
}

fn page_of(offer: &Offer) -> usize {
    offer.refs.as_slice()[0].0 as usize - 1
}

/// D3.
fn verify(world: &World) -> Result<(), VerifyError> {
    match world.header(Side::B) {
        None => Err(VerifyError::MagicOrVersion),
        Some(header) if !world.is_own(Side::B, header) => Err(VerifyError::NotThisConnection),
        Some(header) if !header.is_open => Err(VerifyError::Fenced),
        Some(_) => Ok(()),
    }
}

/// D4: words, then the stamp.
fn stamp(world: &mut World) -> Result<(), Wrong> {
    let life = world.at(Side::B);
    let words = glue::words(life);
    let stamp = (life.endpoint.epoch(), life.number());
    let header: &mut Header = touch(world)?;
    header.back = words;
    header.stamp = Some(stamp);
    Ok(())
}

fn unmap(world: &mut World) {
    if world.at(Side::B).held.take() == Some(Held::Orphan) {
        world.orphan = None;
    }
}

/// D5: a look at the fence, and one unit is accepted.
fn work(world: &mut World, rules: &mut Rules) {
    let is_open =
        world.header(Side::B).is_some_and(|header| header.is_open && world.is_own(Side::B, header));
    let life = world.at(Side::B);
    if is_open {
        life.is_working = true;
    } else {
        glue::fenced(life, rules);
    }
}

/// D5: the unit is finished, and the fence looked at again.
fn finish(world: &mut World, rules: &mut Rules) -> Result<(), Wrong> {
    let checks_once = rules.mutation == Mutation::ChecksOnce;
    let header = touch(world)?;
    let is_open = header.is_open;
    if !is_open {
        header.late += 1;
        if header.late > rules.mutation.late_max() {
            return Err(Wrong::WorkedAfterFence);
        }
    }
    if checks_once {
        return Ok(());
    }
    let life = world.at(Side::B);
    life.is_working = false;
    if !is_open {
        glue::fenced(life, rules);
    }
    Ok(())
}
