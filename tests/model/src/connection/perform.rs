//! What an action of a link does to the world, and what it reports. What must never come of it:
//! invariants I1 and I2 (docs/protocol.md §7, §8, §11).

use channel::ConnectionId;
use channel::back::BackState;
use channel::connection::{BindError, Observation, PeerState, PortState, PrepareError, Released};
use channel::front::{FrontState, Outcome};
use channel::ids::{GrantRef, Port};
use channel::link::{Action, Completion};
use channel::offer::{GrantRefs, Offer};
use grant::{Closing, Epoch, Fence, MapError, MapRefused, PageWords, Stamp, Terms, VerifyError};

use super::mutation::Mutation;
use super::world::{Content, Header, Held, Usage, World};
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
    pages: usize,
    mutation: Mutation,
) -> Result<Completion, Wrong> {
    match *action {
        Action::Prepare { ref terms, .. } => {
            return Ok(Completion::Prepared(prepare(world, terms, pages, mutation)));
        }
        Action::Fence => {
            if let Some(header) = world.header_mut(Side::A) {
                header.is_open = false;
            }
        }
        Action::Release => return release(world, mutation).map(Completion::Released),
        Action::Map { ref offer, .. } => return Ok(Completion::Mapped(map(world, offer))),
        Action::Verify(ref terms) => {
            let verified = match mutation {
                Mutation::NoVerify => Ok(()),
                _ => verify(world, terms),
            };
            return Ok(Completion::Verified(verified));
        }
        Action::Bind { .. } => {
            stamp_before_bind(world, mutation)?;
            return Ok(Completion::Bound(bind(world)));
        }
        Action::Stamp(epoch) => stamp(world, epoch)?,
        Action::Unmap => {
            unmap(world, mutation);
            return Ok(Completion::Released(Released::Freed));
        }
        Action::Publish(words) => publish(world, side, words)?,
        Action::SetClosing => set_closing(world, side, mutation)?,
        Action::Observe => return observe(world, side, mutation).map(Completion::Observed),
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

/// The action fails, if it is one that Xen may refuse.
///
/// # Errors
/// What went wrong by it.
pub fn refuse(
    world: &mut World,
    action: &Action,
    mutation: Mutation,
) -> Result<Option<Completion>, Wrong> {
    Ok(match action {
        Action::Prepare { .. } => Some(Completion::Prepared(Err(PrepareError::NoPorts))),
        Action::Map { .. } => Some(Completion::Mapped(Err(MapError::WindowFull { wanted: 1 }))),
        Action::Bind { .. } => {
            stamp_before_bind(world, mutation)?;
            Some(Completion::Bound(Err(BindError::NoPorts)))
        }
        _ => None,
    })
}

/// Whether Xen may refuse it.
pub const fn may_fail(action: &Action) -> bool {
    matches!(action, Action::Prepare { .. } | Action::Map { .. } | Action::Bind { .. })
}

/// C1.
fn prepare(
    world: &mut World,
    terms: &Terms,
    pages: usize,
    mutation: Mutation,
) -> Result<Offer, PrepareError> {
    assert!(world.at(Side::A).held.is_none(), "one connection at a time");
    let page = (0..pages)
        .find(|page| world.pages[*page].usage == Usage::Free)
        .ok_or(PrepareError::NoPages)?;
    let old_stamp = match world.pages[page].content {
        // The page was not zeroed.
        Content::Header(old) if mutation == Mutation::StampWithoutNumber => old.stamp,
        _ => None,
    };
    world.pages[page].content = Content::Header(Header::new(terms, old_stamp));
    world.pages[page].usage = Usage::Connection;
    let front = world.at(Side::A);
    (front.held, front.port) = (Some(Held::Page(page)), Some(PortState::Unbound));
    let mut refs = GrantRefs::EMPTY;
    // Two pages at most.
    let _ = refs.push(GrantRef(page as u32 + 1));
    Ok(Offer { port: Port(1), ring_bytes: 1664, features: 0, refs })
}

/// C4, C5: the port first. Then the result of the compare-exchange counts, and nothing else.
fn release(world: &mut World, mutation: Mutation) -> Result<Released, Wrong> {
    world.close_port(Side::A);
    let front = world.at(Side::A);
    let Some(FrontState::Ended(outcome)) = front.front_state() else {
        panic!("released where nothing has ended");
    };
    let is_news = front.was_news;
    let Some(Held::Page(page)) = front.held.take() else { return Ok(Released::Freed) };
    let trusts = match mutation {
        Mutation::TrustsAnswer => outcome == Outcome::InOrder,
        Mutation::TrustsNewEpoch => outcome == Outcome::SessionEnded && is_news,
        _ => false,
    };
    if trusts || !world.is_mapped(page) {
        free(world, page, mutation)?;
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
pub fn free(world: &mut World, page: usize, mutation: Mutation) -> Result<(), Wrong> {
    if world.is_mapped(page) {
        return Err(Wrong::FreedWhileMapped);
    }
    world.pages[page].usage = Usage::Free;
    if mutation != Mutation::StampWithoutNumber {
        world.pages[page].content = Content::Nothing;
    }
    Ok(())
}

/// D2. The reference may be of an earlier life of the front, or of an earlier connection.
fn map(world: &mut World, offer: &Offer) -> Result<(), MapError> {
    let page = offer.refs.as_slice()[0].0 as usize - 1;
    if world.domain(Side::A).is_none() || world.pages[page].usage == Usage::Free {
        return Err(MapError::Refused {
            r: GrantRef(page as u32 + 1),
            why: MapRefused::Hypercall(-22),
        });
    }
    if let Some(before) = world.at(Side::B).held {
        // Only with a mutation: the shipped link unmaps first.
        forget_mapping(world, before);
    }
    world.at(Side::B).held = Some(Held::Page(page));
    Ok(())
}

/// The back's books no longer know of a mapping. Only a mutation does that.
pub fn forget_mapping(world: &mut World, held: Held) {
    world.at(Side::B).held = None;
    match held {
        Held::Page(page) => world.pages[page].is_forgotten = true,
        Held::Orphan => world.orphan = None,
    }
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
pub fn take_back(world: &mut World, page: usize, mutation: Mutation) -> Result<(), Wrong> {
    free(world, page, mutation)?;
    if world.domain(Side::A).is_some_and(|front| front.port != Some(PortState::Bound)) {
        world.unbind(Side::B);
    }
    Ok(())
}

/// Reading 10.
fn stamp_before_bind(world: &mut World, mutation: Mutation) -> Result<(), Wrong> {
    if mutation == Mutation::StampsBeforeBind {
        let epoch = world.at(Side::B).link.endpoint().epoch();
        stamp(world, epoch)?;
    }
    Ok(())
}

fn stamp(world: &mut World, epoch: Epoch) -> Result<(), Wrong> {
    let number: ConnectionId = world.at(Side::B).number();
    touch(world)?.stamp = Some((epoch, number));
    Ok(())
}

/// D7, D8: the pages first, then the port.
fn unmap(world: &mut World, mutation: Mutation) {
    match (mutation, world.at(Side::B).back_state()) {
        (Mutation::TrustsAnswer | Mutation::AnswersBeforeUnmap, Some(BackState::Unmapping)) => {
            world.at(Side::B).mark = true;
            return;
        }
        (Mutation::KeepsMapping, Some(BackState::Lost)) => {}
        _ => unmap_pages(world),
    }
    world.close_port(Side::B);
}

/// Takes the back's mapping away.
pub fn unmap_pages(world: &mut World) {
    world.at(Side::B).mark = false;
    if world.at(Side::B).held.take() == Some(Held::Orphan) {
        world.orphan = None;
    }
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

fn set_closing(world: &mut World, side: Side, mutation: Mutation) -> Result<(), Wrong> {
    match side {
        Side::A => {
            if let Some(header) = world.header_mut(side) {
                header.is_leaving = true;
            }
        }
        Side::B if mutation == Mutation::NoClosingWord => {}
        Side::B => touch(world)?.is_closing = true,
    }
    Ok(())
}

/// The back writes into the page that it maps.
///
/// # Errors
/// If it maps none, or it is not its connection's.
pub fn touch(world: &mut World) -> Result<&mut Header, Wrong> {
    if world.at(Side::B).held.is_none() {
        return Err(Wrong::TouchedUnmapped);
    }
    if !world.header(Side::B).is_some_and(|header| world.is_backs_own(header)) {
        return Err(Wrong::WroteElsewhere);
    }
    world.header_mut(Side::B).ok_or(Wrong::WroteElsewhere)
}

fn observe(world: &World, side: Side, mutation: Mutation) -> Result<Option<Observation>, Wrong> {
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
    let mut seen = match side {
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
    };
    mutation.change_observation(side, domain.number(), &mut seen);
    Ok(Some(seen))
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
