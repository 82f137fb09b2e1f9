//! What an action of a link does to the world, and what it reports. What must never come of it:
//! invariants I1 and I2 (docs/protocol.md §7, §8, §11).

use channel::ConnectionId;
use channel::connection::{BindError, Observation, PeerState, PortState, PrepareError, Released};
use channel::front::{FrontState, Outcome};
use channel::ids::{GrantRef, Port};
use channel::link::{Action, Completion};
use channel::offer::{GrantRefs, Offer};
use grant::{Closing, Epoch, Fence, MapError, MapRefused, PageWords, Stamp, Terms, VerifyError};

use super::world::{Bounds, Content, Held, PageHeader, Usage, World};
use crate::finding::Wrong;
use crate::side::Side;

/// Does the action that `side` wants done.
///
/// # Errors
/// What went wrong by it.
///
/// # Panics
/// On an action that the model does not know.
pub fn perform(
    world: &mut World,
    side: Side,
    action: &Action,
    bounds: &Bounds,
) -> Result<Completion, Wrong> {
    match *action {
        Action::Prepare { ref terms, .. } => {
            return prepare(world, terms, bounds).map(Completion::Prepared);
        }
        Action::Fence => {
            if let Some(header) = world.header_mut(Side::A) {
                header.is_open = false;
            }
        }
        Action::Release => return release(world, bounds).map(Completion::Released),
        Action::Map { ref offer, .. } => return map(world, offer).map(Completion::Mapped),
        Action::Verify(ref terms) => return Ok(Completion::Verified(verify(world, terms))),
        Action::Bind { .. } => return Ok(Completion::Bound(bind(world))),
        Action::Stamp(epoch) => stamp(world, epoch)?,
        Action::Unmap => {
            unmap(world);
            return Ok(Completion::Released(Released::Freed));
        }
        Action::Publish(words) => publish(world, side, words)?,
        Action::SetClosing => set_closing(world, side)?,
        Action::Observe => return observe(world, side).map(Completion::Observed),
        Action::AskPort => {
            let state = world.at(side).port.unwrap_or(PortState::Unknown);
            return Ok(Completion::Port(state));
        }
        Action::AskDomain(_) => return Ok(Completion::Domain(domain_state(world, side))),
        // An event that nobody has to see: its receiver may look at the page at any time anyway.
        Action::Notify | Action::Reached(_) => {}
        _ => panic!("an action that the model does not know: {action:?}"),
    }
    Ok(Completion::Done)
}

/// What the link is told where Xen refuses the action; `None` if it cannot.
pub const fn refusal(action: &Action) -> Option<Completion> {
    match action {
        Action::Prepare { .. } => Some(Completion::Prepared(Err(PrepareError::NoPorts))),
        Action::Map { .. } => Some(Completion::Mapped(Err(MapError::WindowFull { wanted: 1 }))),
        Action::Bind { .. } => Some(Completion::Bound(Err(BindError::NoPorts))),
        _ => None,
    }
}

/// C1.
fn prepare(
    world: &mut World,
    terms: &Terms,
    bounds: &Bounds,
) -> Result<Result<Offer, PrepareError>, Wrong> {
    if world.at(Side::A).held.is_some() {
        return Err(Wrong::GrantsForgotten);
    }
    let is_free = |page: &usize| world.pages[*page].usage == Usage::Free;
    let Some(page) = (0..bounds.pages).find(is_free) else {
        return Ok(Err(PrepareError::NoPages));
    };
    let old_stamp = match world.pages[page].content {
        Content::Header(old) => old.stamp,
        Content::Nothing | Content::Another => None,
    };
    world.pages[page].content = Content::Header(PageHeader::new(terms, old_stamp));
    world.pages[page].usage = Usage::Connection;
    let front = world.at(Side::A);
    (front.held, front.port) = (Some(Held::Page(page)), Some(PortState::Unbound));
    let mut refs = GrantRefs::EMPTY;
    // Two pages at most.
    let _ = refs.push(GrantRef(page as u32 + 1));
    Ok(Ok(Offer { port: Port(1), ring_bytes: 1664, features: 0, refs }))
}

/// C4, C5: the port first. Then the result of the compare-exchange counts, and nothing else.
fn release(world: &mut World, bounds: &Bounds) -> Result<Released, Wrong> {
    world.close_port(Side::A);
    let front = world.at(Side::A);
    let Some(FrontState::Ended(outcome)) = front.front_state() else {
        panic!("released where nothing has ended");
    };
    let Some(Held::Page(page)) = front.held.take() else { return Ok(Released::Freed) };
    if !world.is_mapped(page) {
        free(world, page, bounds)?;
        return Ok(Released::Freed);
    }
    if outcome != Outcome::SessionEnded {
        return Err(Wrong::AnsweredWhileMapped);
    }
    world.pages[page].usage = Usage::Quarantined;
    Ok(Released::Quarantined { pages: 1 })
}

/// I1: a page that any domain maps is neither freed nor used for anything else.
///
/// # Errors
/// If one maps it.
pub fn free(world: &mut World, page: usize, bounds: &Bounds) -> Result<(), Wrong> {
    if world.is_mapped(page) {
        return Err(Wrong::FreedWhileMapped);
    }
    world.pages[page].usage = Usage::Free;
    if !bounds.environment.keeps_old_stamps {
        world.pages[page].content = Content::Nothing;
    }
    Ok(())
}

/// D2. The reference may be of an earlier life of the front, or of an earlier connection.
fn map(world: &mut World, offer: &Offer) -> Result<Result<(), MapError>, Wrong> {
    let page = offer.refs.as_slice()[0].0 as usize - 1;
    if world.domain(Side::A).is_none() || world.pages[page].usage == Usage::Free {
        return Ok(Err(MapError::Refused {
            r: GrantRef(page as u32 + 1),
            why: MapRefused::Hypercall(-22),
        }));
    }
    if world.at(Side::B).held.replace(Held::Page(page)).is_some() {
        return Err(Wrong::MappingForgotten);
    }
    Ok(Ok(()))
}

/// D3.
fn verify(world: &World, terms: &Terms) -> Result<(), VerifyError> {
    match world.header(Side::B) {
        None => Err(VerifyError::Magic { found: 0 }),
        Some(header) if !header.is_of(terms) => Err(VerifyError::Epoch),
        Some(header) if !header.is_open => Err(VerifyError::Fenced),
        Some(_) => Ok(()),
    }
}

/// D4: the front's domain must have an unbound port of that number. That is the link's, or else one
/// of another link that a page was given to: numbers are given out again, too.
fn bind(world: &mut World) -> Result<(), BindError> {
    let is_of_link = world.domain(Side::A).and_then(|front| front.port) == Some(PortState::Unbound);
    let is_of_another = world.pages.iter().any(|page| page.usage == Usage::Another);
    if is_of_link {
        world.at(Side::A).port = Some(PortState::Bound);
    } else if !is_of_another {
        return Err(BindError::BadPort);
    }
    world.at(Side::B).port = Some(PortState::Bound);
    Ok(())
}

/// Another link is done with its page, and with a port that the back may have bound instead of this
/// link's.
///
/// # Errors
/// As [`free`].
pub fn take_back(world: &mut World, page: usize, bounds: &Bounds) -> Result<(), Wrong> {
    free(world, page, bounds)?;
    if world.domain(Side::A).is_some_and(|front| front.port != Some(PortState::Bound)) {
        world.unbind(Side::B);
    }
    Ok(())
}

fn stamp(world: &mut World, epoch: Epoch) -> Result<(), Wrong> {
    let number: ConnectionId = world.at(Side::B).number();
    touch(world)?.stamp = Some((epoch, number));
    Ok(())
}

/// D7, D8: the pages first, then the port.
fn unmap(world: &mut World) {
    if world.at(Side::B).held.take() == Some(Held::Orphan) {
        world.orphan = None;
    }
    world.close_port(Side::B);
}

fn publish(world: &mut World, side: Side, words: PageWords) -> Result<(), Wrong> {
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

fn set_closing(world: &mut World, side: Side) -> Result<(), Wrong> {
    match side {
        Side::A => {
            if let Some(header) = world.header_mut(side) {
                header.is_leaving = true;
            }
        }
        Side::B => touch(world)?.is_closing = true,
    }
    Ok(())
}

/// The back writes into the page that it maps.
///
/// # Errors
/// If it maps none, or it is not its connection's.
pub fn touch(world: &mut World) -> Result<&mut PageHeader, Wrong> {
    if world.at(Side::B).held.is_none() {
        return Err(Wrong::TouchedUnmapped);
    }
    if !world.header(Side::B).is_some_and(|header| world.is_backs_own(header)) {
        return Err(Wrong::WroteElsewhere);
    }
    world.header_mut(Side::B).ok_or(Wrong::WroteElsewhere)
}

fn observe(world: &World, side: Side) -> Result<Option<Observation>, Wrong> {
    let Some(domain) = world.domain(side) else { return Ok(None) };
    if domain.held.is_none() {
        return Err(Wrong::TouchedUnmapped);
    }
    let Some(header) = world.header(side) else {
        // Another link's page: its words mean nothing, and no fence there is open for this one.
        return Ok(Some(Observation {
            stamp: Stamp::NONE,
            words: PageWords::default(),
            closing: Closing::NotAsked,
            fence: Fence::Closed,
        }));
    };
    Ok(Some(match side {
        Side::A => Observation {
            stamp: header.stamp(),
            words: header.back,
            closing: closing(header.is_closing),
            fence: Fence::Open,
        },
        Side::B => Observation {
            stamp: Stamp::NONE,
            words: header.front,
            closing: closing(header.is_leaving),
            fence: match header.is_open && world.is_backs_own(header) {
                true => Fence::Open,
                false => Fence::Closed,
            },
        },
    }))
}

const fn closing(is_set: bool) -> Closing {
    if is_set { Closing::Asked } else { Closing::NotAsked }
}

/// Xen also knows a dead domain as long as this one maps a page of it.
fn domain_state(world: &World, side: Side) -> PeerState {
    let is_held = world.domain(side).is_some_and(|domain| domain.held == Some(Held::Orphan));
    match world.domain(side.other()) {
        None if !is_held => PeerState::Gone,
        _ => PeerState::Exists,
    }
}
