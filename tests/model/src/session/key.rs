//! When two worlds of the session's model are the same (see [`super::super::key`]). Where worlds
//! that behave alike are to be the same too, they are put into their normal form first.

use core::hash::Hash;

use channel::register::Seq;

use super::super::key::{Ear, Form, Key};
use super::normal::{counts, normalise};
use super::world::{Bounds, End, Flight, MESSAGES_UNBOUNDED, Place, SIDES, Sameness, Seen, World};

/// The world's key. Sets `world.unused` on the way: all epochs are heard anyway.
pub(super) fn key(world: &mut World, bounds: &Bounds) -> Key {
    if bounds.sameness == Sameness::Alike {
        normalise(world);
    }
    let mut ear = match bounds.messages {
        MESSAGES_UNBOUNDED => Ear::counting(Form::Named, &counts(world)),
        _ => Ear::new(Form::Named),
    };
    for side in SIDES {
        hear(&mut ear, world.at(side));
    }
    ear.fold(u128::from(world.faults));
    ear.fold(u128::from(world.upsets));
    let (key, unused) = ear.close();
    world.unused = unused;
    key
}

fn hear(ear: &mut Ear, place: &Place) {
    match &place.end {
        Some(end) => hear_end(ear, end),
        None => ear.fold(0x8000),
    }
    match &place.mailbox {
        None => ear.fold(0x4000),
        Some(mailbox) => {
            ear.fold(0x4001 + u128::from(mailbox.is_open));
            ear.letter(mailbox.value.as_ref());
        }
    }
    for flight in &place.flights {
        match flight {
            Flight::Read => ear.fold(0x5000),
            Flight::Write(written) => ear.letter(Some(written)),
            Flight::ReadDone(Seen::Absent) => ear.fold(0x5001),
            Flight::ReadDone(Seen::Empty) => ear.fold(0x5002),
            Flight::ReadDone(Seen::Later) => ear.fold(0x5003),
            Flight::ReadDone(Seen::Letter(read)) => {
                ear.fold(0x5004);
                ear.letter(Some(read));
            }
            Flight::WriteDone(outcome) => ear.fold(0x5010 + *outcome as u128),
        }
    }
    ear.fold(0x6000);
    ear.letter(place.stale.as_ref());
    ear.letter(place.aside.as_ref());
    place.landed.hash(ear);
    place.last.hash(ear);
    ear.fold(u128::from(place.crashes));
}

fn hear_end(ear: &mut Ear, end: &End) {
    let count = |from, to| match (from, to) {
        (Some(from), Some(to)) => ear.count(from, to),
        _ => Seq::NONE,
    };
    let (my, peer) = (Some(end.epoch()), end.peer_epoch());
    match (count(my, peer), count(peer, my)) {
        (Seq::NONE, Seq::NONE) => end.hash(ear),
        (own, peers) => end.counted_from(own, peers).hash(ear),
    }
}
