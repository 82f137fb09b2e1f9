//! The normal form of a world: what nobody looks at any more is forgotten. An endpoint looks at no
//! more of a register than who wrote it, unless it is addressed to its present epoch (rules S6 and
//! S9), and then at no acknowledgement and no message that it has had before (S8); and an epoch from
//! which no register can come any more is as good as none. That a world and its normal form behave
//! alike is tested (tests/model/tests/model.rs), in each step from each of some hundred thousand worlds.

use channel::Epoch;
use channel::register::Seq;

use super::world::{Flight, Seen, TestedEndpoint, World};
use crate::register_value::RegisterValue;
use crate::side::{SIDES, Side};

/// Puts the world into its normal form.
pub(super) fn normalise(world: &mut World) {
    for side in SIDES {
        let may_come = from_whom(world, side);
        let place = world.at_mut(side);
        if let Some(end) = &mut place.end {
            *end = end.canonical(|epoch| may_come.contains(&Some(epoch)));
        }
    }
    for side in SIDES {
        // The reader's end is lent out meanwhile: registers change, ends do not.
        let reader = world.at_mut(side).end.take();
        let read = |register: &mut RegisterValue| {
            if let Some(news) = news(register, reader.as_ref()) {
                *register = news;
            }
        };
        let place = world.at_mut(side);
        place.mailbox.iter_mut().filter_map(|mailbox| mailbox.value.as_mut()).for_each(read);
        for flight in &mut place.flights {
            if let Flight::ReadDone(Seen::RegisterValue(register)) = flight {
                read(register);
            }
        }
        let writer = world.at_mut(side.other());
        writer.stale.iter_mut().for_each(read);
        for flight in &mut writer.flights {
            if let Flight::Write(register) = flight {
                read(register);
            }
        }
        world.at_mut(side).end = reader;
    }
}

/// The epochs from which this side may still read something, but for those not drawn yet.
fn from_whom(world: &World, side: Side) -> [Option<Epoch>; 6] {
    let from = |register: &RegisterValue| register.header().from;
    let (place, writer) = (world.at(side), world.at(side.other()));
    let mut read = place.flights.iter().filter_map(|flight| match flight {
        Flight::ReadDone(Seen::RegisterValue(register)) => Some(from(register)),
        _ => None,
    });
    let mut written = writer.flights.iter().filter_map(|flight| match flight {
        Flight::Write(register) => Some(from(register)),
        _ => None,
    });
    [
        place.mailbox.as_ref().and_then(|mailbox| mailbox.value.as_ref()).map(from),
        // At most one of each is under way.
        read.next(),
        written.next(),
        writer.stale.as_ref().map(from),
        writer.end.as_ref().map(TestedEndpoint::epoch),
        None,
    ]
}

/// What of a register its reader, if there is one, will look at; `None` if at all of it.
fn news(register: &RegisterValue, reader: Option<&TestedEndpoint>) -> Option<RegisterValue> {
    let header = register.header();
    let reader = reader.filter(|reader| header.to == Some(reader.epoch()));
    let is_known = reader.is_some_and(|reader| reader.peer_epoch() == Some(header.from));
    let Some(reader) = reader.filter(|reader| is_known || !reader.is_up()) else {
        // To nobody, or from somebody new, which ends the session and the epoch it is addressed to.
        return (!register.is_signature()).then(|| RegisterValue::signature(header.from));
    };
    if !reader.is_up() {
        return None;
    }
    let ack = header.ack.max(reader.acked());
    let first = header.first.max(reader.delivered().next());
    let register = register.without(first.after(header.first));
    if ack == reader.acked() && register.messages().is_empty() && first <= reader.delivered().next()
    {
        // It says again what is known.
        return Some(RegisterValue::signature(header.from));
    }
    (header.ack != ack || header.first != first)
        .then(|| register.with(channel::register::Header { ack, first, ..header }))
}

/// From where the messages of a session are counted, so that worlds in which more or fewer have been
/// acknowledged are the same: the number last acknowledged, from whom to whom.
pub(super) fn counts(world: &World) -> [(Epoch, Epoch, Seq); 4] {
    let nothing = (Epoch::from_bits(0), Epoch::from_bits(0), Seq::NONE);
    let mut counts = [nothing; 4];
    for (side, two) in SIDES.into_iter().zip(counts.chunks_exact_mut(2)) {
        let Some(end) = world.end(side).filter(|end| end.is_up()) else { continue };
        let Some(peer) = end.peer_epoch() else { continue };
        let other = world.end(side.other()).filter(|other| other.epoch() == peer);
        let received = match other {
            // Each end's numbers say how far it is behind the other.
            Some(other) if other.peer_epoch() == Some(end.epoch()) && other.is_up() => {
                other.acked()
            }
            // Not up yet: neither has had anything acknowledged.
            Some(_) => continue,
            None => end.delivered(),
        };
        two[0] = (end.epoch(), peer, end.acked());
        two[1] = (peer, end.epoch(), received);
    }
    counts
}
