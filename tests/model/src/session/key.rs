//! When two worlds of the session's model are the same (see [`super::super::key`]). Where worlds
//! that behave alike are to be the same too, they are put into their normal form first.

use core::hash::Hash;

use channel::register::Seq;

use super::normal::{counts, normalise};
use super::world::{
    Bounds, DomainPlace, Flight, MESSAGES_UNBOUNDED, Sameness, Seen, TestedEndpoint, World,
};
use crate::key::{Form, Key, WorldHasher};
use crate::side::SIDES;

/// The world's key. Sets `world.unused` on the way: all epochs are heard anyway.
pub(super) fn key(world: &mut World, bounds: &Bounds) -> Key {
    if bounds.sameness == Sameness::Alike {
        normalise(world);
    }
    let mut hasher = match bounds.messages {
        MESSAGES_UNBOUNDED => WorldHasher::counting(Form::Named, &counts(world)),
        _ => WorldHasher::new(Form::Named),
    };
    for side in SIDES {
        hash_domain(&mut hasher, world.at(side));
    }
    hasher.fold(u128::from(world.faults));
    hasher.fold(u128::from(world.upsets));
    let (key, unused) = hasher.close();
    world.unused = unused;
    key
}

fn hash_domain(hasher: &mut WorldHasher, place: &DomainPlace) {
    match &place.end {
        Some(end) => hash_end(hasher, end),
        None => hasher.fold(0x8000),
    }
    match &place.mailbox {
        None => hasher.fold(0x4000),
        Some(mailbox) => {
            hasher.fold(0x4001 + u128::from(mailbox.is_open));
            hasher.register(mailbox.value.as_ref());
        }
    }
    for flight in &place.flights {
        match flight {
            Flight::Read => hasher.fold(0x5000),
            Flight::Write(written) => hasher.register(Some(written)),
            Flight::ReadDone(Seen::Absent) => hasher.fold(0x5001),
            Flight::ReadDone(Seen::Empty) => hasher.fold(0x5002),
            Flight::ReadDone(Seen::Later) => hasher.fold(0x5003),
            Flight::ReadDone(Seen::RegisterValue(read)) => {
                hasher.fold(0x5004);
                hasher.register(Some(read));
            }
            Flight::WriteDone(outcome) => hasher.fold(0x5010 + *outcome as u128),
        }
    }
    hasher.fold(0x6000);
    hasher.register(place.stale.as_ref());
    hasher.fold(u128::from(place.crashes));
}

fn hash_end(hasher: &mut WorldHasher, end: &TestedEndpoint) {
    let count = |from, to| match (from, to) {
        (Some(from), Some(to)) => hasher.count(from, to),
        _ => Seq::NONE,
    };
    let (my, peer) = (Some(end.epoch()), end.peer_epoch());
    match (count(my, peer), count(peer, my)) {
        (Seq::NONE, Seq::NONE) => end.hash(hasher),
        (own, peers) => end.counted_from(own, peers).hash(hasher),
    }
}
