//! The normal form of a world: moments and beats are renamed, and what no link looks at any more is
//! forgotten. A link looks at no more of a register than its from-epoch, unless it is addressed to
//! its present epoch (rules S6 and S9), and then at no acknowledgement and no message that it has
//! had before (S8). Of a beat it only sees whether it is another one than the last.

use std::rc::Rc;

use channel::register::Header;
use channel::{Epoch, EpochSource};

use super::world::{Content, Domain, Held, NOW, PageHeader, Request, World};
use crate::register_value::RegisterValue;
use crate::side::{SIDES, Side};

/// Puts the world into its normal form.
pub(super) fn normalise(world: &mut World) {
    // First what is relative to a link's last beats, which are 0 in its normal form.
    for side in SIDES {
        normalise_registers(world, side);
        normalise_page_beat(world, side);
    }
    for side in SIDES {
        // What a link remembers of an epoch depends on the other side too, until it is up.
        let is_down = world.domain(side).is_some_and(|domain| !domain.link.endpoint().is_up());
        if world.changed[side as usize].is_some() || is_down {
            normalise_link(world, side);
        }
    }
    world.changed = [None; 2];
}

fn normalise_link(world: &mut World, side: Side) {
    let values = registers(world, side);
    let peer = world.domain(side.other()).map(|peer| peer.link.endpoint().epoch());
    // Whether this side may still read something of an epoch that has been drawn.
    let returns = |epoch: Epoch| {
        let is_from = |value: &RegisterValue| value.header().from == epoch;
        peer == Some(epoch) || values.iter().flatten().any(is_from)
    };
    let now = world.changed[side as usize].unwrap_or(NOW);
    let Some(domain) = world.domain(side) else { return };
    let link = domain.link.canonical(now, NOW, returns);
    if link != domain.link {
        let domain = world.at(side);
        domain.link = link;
        // The same action, in which beats have their new names.
        domain.action = domain.link.poll_action(NOW, &mut NoEpochs);
    }
}

/// The registers that this side may read, the oldest first.
fn registers(world: &World, side: Side) -> [Option<RegisterValue>; 3] {
    let read = world.domain(side).and_then(|domain| {
        domain.requests.iter().find_map(|request| match request {
            Request::ReadDone(value) => value.clone(),
            _ => None,
        })
    });
    let written = world.domain(side.other()).and_then(|writer| {
        writer.requests.iter().find_map(|request| match request {
            Request::Write(value) => Some(value.clone()),
            _ => None,
        })
    });
    [read, world.mailboxes[side as usize].clone(), written]
}

fn normalise_registers(world: &mut World, side: Side) {
    let before = registers(world, side);
    let Some(reader) = world.domain(side) else { return };
    let mut values = before.each_ref().map(|value| value.as_ref().map(|v| news(v, reader)));
    // The last beat read is 0, and the others are counted from 1, in their order.
    let mut beats: Vec<u32> =
        values.iter().flatten().filter(|v| !v.is_signature()).map(|v| v.header().beat).collect();
    beats.sort_unstable();
    beats.dedup();
    let seen = reader.link.liveness().beat_in_register();
    let seen = seen.filter(|_| reader.link.endpoint().is_up());
    beats.retain(|beat| Some(*beat) != seen);
    for value in values.iter_mut().flatten().filter(|value| !value.is_signature()) {
        let place = beats.iter().position(|beat| *beat == value.header().beat);
        let beat = place.map_or(0, |place| place as u32 + 1);
        if beat != value.header().beat {
            *value = value.with(Header { beat, ..value.header() });
        }
    }
    if values != before {
        set_registers(world, side, values);
    }
}

fn set_registers(world: &mut World, side: Side, values: [Option<RegisterValue>; 3]) {
    let [read, mailbox, written] = values;
    world.mailboxes[side as usize] = mailbox;
    if let Some(read) = read {
        for request in requests(world, side) {
            if let Request::ReadDone(Some(value)) = request {
                *value = read.clone();
            }
        }
    }
    if let Some(written) = written {
        for request in requests(world, side.other()) {
            if let Request::Write(value) = request {
                *value = written.clone();
            }
        }
    }
}

/// Not by `at`: the link stays as it is.
fn requests(world: &mut World, side: Side) -> impl Iterator<Item = &mut Request> {
    let domain = world.domains[side as usize].as_mut();
    domain.into_iter().flat_map(|domain| Rc::make_mut(domain).requests.iter_mut())
}

/// What of a register its reader will look at.
fn news(value: &RegisterValue, reader: &Domain) -> RegisterValue {
    let header = value.header();
    let endpoint = reader.link.endpoint();
    let is_addressed = header.to == Some(endpoint.epoch());
    let is_known = endpoint.peer_epoch() == Some(header.from);
    if !is_addressed || (endpoint.is_up() && !is_known) {
        // To nobody, or from a new life, which ends the session and the epoch it is addressed to.
        return if value.is_signature() {
            value.clone()
        } else {
            RegisterValue::signature(header.from)
        };
    }
    if !endpoint.is_up() {
        return value.clone();
    }
    let ack = header.ack.max(endpoint.acked());
    let first = header.first.max(endpoint.delivered().next());
    if (header.ack, header.first) == (ack, first) {
        return value.clone();
    }
    value.without(first.after(header.first)).with(Header { ack, first, ..header })
}

/// The last beat that this side has seen in the page is 0, and another one is 1.
fn normalise_page_beat(world: &mut World, side: Side) {
    let Some(domain) = world.domain(side) else { return };
    let (seen, held) = (domain.link.liveness().beat_in_page(), domain.held);
    let rename = |header: &mut PageHeader| {
        let beat = match side {
            Side::A => &mut header.back.beat,
            Side::B => &mut header.front.beat,
        };
        // The first one that is seen only says where the counter stands.
        *beat = u32::from(seen.is_some_and(|seen| seen != *beat));
    };
    if held == Some(Held::Orphan) {
        world.orphan.iter_mut().for_each(rename);
        return;
    }
    for (index, page) in world.pages.iter_mut().enumerate() {
        // In a page that this side does not look at, nobody else does.
        if let Content::Header(header) = &mut page.content {
            if held == Some(Held::Page(index)) {
                rename(header);
            } else {
                let beats = match side {
                    Side::A => &mut header.back.beat,
                    Side::B => &mut header.front.beat,
                };
                *beats = 0;
            }
        }
    }
}

/// A link draws no epoch where it only says again what it wants done.
struct NoEpochs;

impl EpochSource for NoEpochs {
    fn fresh_epoch(&mut self) -> Epoch {
        panic!("an epoch drawn where nothing has happened");
    }
}
