//! When two worlds of the session's model are the same (see [`super::super::key`]).

use core::hash::Hash;

use super::super::key::{Ear, Form, Key};
use super::world::{Flight, Place, Seen, World};

/// The world's key. Sets `world.unused` on the way: all epochs are heard anyway.
pub(super) fn key(world: &mut World) -> Key {
    let mut ear = Ear::new(Form::Named);
    for place in &world.places {
        hear(&mut ear, place);
    }
    ear.fold(u128::from(world.faults));
    ear.fold(u128::from(world.upsets));
    let (key, unused) = ear.close();
    world.unused = unused;
    key
}

fn hear(ear: &mut Ear, place: &Place) {
    place.end.hash(ear);
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
            Flight::Write(letter) => ear.letter(Some(letter)),
            Flight::ReadDone(Seen::Absent) => ear.fold(0x5001),
            Flight::ReadDone(Seen::Empty) => ear.fold(0x5002),
            Flight::ReadDone(Seen::Later) => ear.fold(0x5003),
            Flight::ReadDone(Seen::Letter(letter)) => {
                ear.fold(0x5004);
                ear.letter(Some(letter));
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
