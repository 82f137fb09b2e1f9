//! When two worlds of the session's model are the same (see [`super::super::key`]).

//!
//! Worlds that behave alike are the same too, if wished. An endpoint looks at no more of a register
//! than who wrote it, unless it is addressed to its present epoch (rules S6 and S9), and then at no
//! acknowledgement and no message that it has had before (S8).

use core::hash::Hash;

use super::super::key::{Ear, Form, Key};
use super::super::letter::{Letter, MESSAGE_BYTES};
use super::world::{End, Flight, Place, SIDES, Sameness, Seen, Side, World};

/// Bytes of a message in a register: its length, a blank and a colon go before it.
const ENCODED_BYTES: usize = MESSAGE_BYTES + 3;

/// The world's key. Sets `world.unused` on the way: all epochs are heard anyway.
pub(super) fn key(world: &mut World, sameness: Sameness) -> Key {
    let mut ear = Ear::new(Form::Named);
    for side in SIDES {
        hear(&mut ear, world, side, sameness);
    }
    ear.fold(u128::from(world.faults));
    ear.fold(u128::from(world.upsets));
    let (key, unused) = ear.close();
    world.unused = unused;
    key
}

fn hear(ear: &mut Ear, world: &World, side: Side, sameness: Sameness) {
    let place: &Place = world.at(side);
    match sameness {
        Sameness::Equal => place.end.hash(ear),
        Sameness::Alike => place.end.as_ref().map(End::canonical).hash(ear),
    }
    let letter = |ear: &mut Ear, letter: Option<&Letter>, reader: Side| match (letter, sameness) {
        (Some(letter), Sameness::Alike) => hear_news(ear, letter, world.end(reader)),
        _ => ear.letter(letter),
    };
    match &place.mailbox {
        None => ear.fold(0x4000),
        Some(mailbox) => {
            ear.fold(0x4001 + u128::from(mailbox.is_open));
            letter(ear, mailbox.value.as_ref(), side);
        }
    }
    for flight in &place.flights {
        match flight {
            Flight::Read => ear.fold(0x5000),
            Flight::Write(written) => letter(ear, Some(written), side.other()),
            Flight::ReadDone(Seen::Absent) => ear.fold(0x5001),
            Flight::ReadDone(Seen::Empty) => ear.fold(0x5002),
            Flight::ReadDone(Seen::Later) => ear.fold(0x5003),
            Flight::ReadDone(Seen::Letter(read)) => {
                ear.fold(0x5004);
                letter(ear, Some(read), side);
            }
            Flight::WriteDone(outcome) => ear.fold(0x5010 + *outcome as u128),
        }
    }
    ear.fold(0x6000);
    letter(ear, place.stale.as_ref(), side.other());
    letter(ear, place.aside.as_ref(), side);
    place.landed.hash(ear);
    place.last.hash(ear);
    ear.fold(u128::from(place.crashes));
}

/// What of a letter its reader, if there is one, will look at.
fn hear_news(ear: &mut Ear, letter: &Letter, reader: Option<&End>) {
    let header = letter.header();
    ear.epoch(header.from.bits());
    let reader = reader.filter(|reader| header.to == Some(reader.epoch()));
    let is_known = reader.is_some_and(|reader| reader.peer_epoch() == Some(header.from));
    let Some(reader) = reader.filter(|reader| is_known || !reader.is_up()) else {
        // To nobody, or from somebody new, which ends the session and the epoch it is addressed to.
        return ear.fold(0x3002);
    };
    let (mut acked, mut due) = (header.ack, header.first);
    if reader.is_up() {
        (acked, due) = (acked.max(reader.acked()), due.max(reader.delivered().next()));
    }
    ear.fold(0x3003 + u128::from(acked.0));
    ear.fold(u128::from(due.0));
    let had = due.after(header.first) as usize * ENCODED_BYTES;
    ear.messages(letter.messages().get(had..).unwrap_or_default());
}
