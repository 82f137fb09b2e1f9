//! When two worlds are the same: when they differ only in the names of their epochs, in moments
//! (with beats of no length only *set or not* matters), and in how far the hello timer has backed
//! off, which then changes nothing either.
//!
//! The endpoint's derived `Hash` tells all of its state in order. A hasher that listens renames
//! what it hears and folds it into 128 bits: two worlds with one key by chance are not to be
//! expected in any number of states that fits into memory.

use core::hash::{BuildHasherDefault, Hash, Hasher};
use std::collections::HashMap;

use channel::endpoint::TIMERS;

use super::letter::{Letter, MESSAGE_BYTES, epoch_of};
use super::world::{Flight, Place, Seen, World};

/// Names a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u128);

/// A map by keys, which need no more mixing.
pub type KeyMap<V> = HashMap<Key, V, BuildHasherDefault<Low>>;

/// The low half of a key.
#[derive(Default)]
pub struct Low(u64);

impl Hasher for Low {
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers");
    }
    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// The world's key. Sets `world.unused` on the way: all epochs are heard anyway.
pub fn key(world: &mut World) -> Key {
    let mut ear = Ear::new();
    for place in &world.places {
        ear.place(place);
    }
    ear.fold(u128::from(world.faults));
    world.unused = (0u128..).find(|name| !ear.names.contains(name)).unwrap_or(0);
    Key(ear.sum ^ (ear.sum >> 64))
}

struct Ear {
    sum: u128,
    /// Epochs in the order of first hearing; their place is their new name.
    names: Vec<u128>,
    /// The last byte, held back: see `write_usize`.
    held: Option<u8>,
}

/// Odd, and half of its bits set: from the digits of the golden ratio and of pi.
const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
const START: u128 = 0x243f_6a88_85a3_08d3_1319_8a2e_0370_7344;

impl Ear {
    fn new() -> Self {
        Self { sum: START, names: Vec::with_capacity(16), held: None }
    }

    fn fold(&mut self, token: u128) {
        if let Some(byte) = self.held.take() {
            self.mix(0x100 | u128::from(byte));
        }
        self.mix(token);
    }

    fn mix(&mut self, token: u128) {
        self.sum = (self.sum.rotate_left(41) ^ token).wrapping_mul(FACTOR);
        self.sum ^= self.sum >> 67;
    }

    fn epoch(&mut self, epoch: u128) {
        let place = self.names.iter().position(|name| *name == epoch);
        let name = place.unwrap_or_else(|| {
            self.names.push(epoch);
            self.names.len() - 1
        });
        self.fold(0x1000 | name as u128);
    }

    /// Messages in register form: ` 3:` and three characters, two of which are epochs.
    fn messages(&mut self, bytes: &[u8]) {
        for message in bytes.chunks_exact(MESSAGE_BYTES + 3) {
            if message[0] == 0 {
                break;
            }
            self.epoch(epoch_of(message[3]));
            self.epoch(epoch_of(message[4]));
            self.fold(u128::from(message[5]));
        }
        self.fold(0x2000);
    }

    fn letter(&mut self, letter: Option<&Letter>) {
        let Some(letter) = letter else { return self.fold(0x3000) };
        let header = letter.header();
        self.epoch(header.from.bits());
        match header.to {
            Some(to) => self.epoch(to.bits()),
            None => self.fold(0x3001),
        }
        self.fold(u128::from(header.ack.0));
        self.fold(u128::from(header.first.0));
        self.messages(letter.messages());
    }

    fn place(&mut self, place: &Place) {
        place.end.hash(self);
        match &place.mailbox {
            None => self.fold(0x4000),
            Some(mailbox) => {
                self.fold(0x4001 + u128::from(mailbox.is_open));
                self.letter(mailbox.value.as_ref());
            }
        }
        for flight in &place.flights {
            match flight {
                Flight::Read => self.fold(0x5000),
                Flight::Write(letter) => self.letter(Some(letter)),
                Flight::ReadDone(Seen::Absent) => self.fold(0x5001),
                Flight::ReadDone(Seen::Empty) => self.fold(0x5002),
                Flight::ReadDone(Seen::Later) => self.fold(0x5003),
                Flight::ReadDone(Seen::Letter(letter)) => {
                    self.fold(0x5004);
                    self.letter(Some(letter));
                }
                Flight::WriteDone(outcome) => self.fold(0x5010 + *outcome as u128),
            }
        }
        self.fold(0x6000);
        self.letter(place.stale.as_ref());
        self.fold(u128::from(place.crashes));
    }
}

impl Hasher for Ear {
    fn write(&mut self, bytes: &[u8]) {
        self.messages(bytes);
    }
    fn write_u8(&mut self, value: u8) {
        if let Some(byte) = self.held.replace(value) {
            self.mix(0x100 | u128::from(byte));
        }
    }
    fn write_u16(&mut self, value: u16) {
        self.fold(u128::from(value));
    }
    fn write_u32(&mut self, value: u32) {
        self.fold(u128::from(value));
    }
    /// A moment: that it is there has been told before.
    fn write_u64(&mut self, _: u64) {}
    /// The length of an array. The byte before the timers is the hello timer's back-off, and is
    /// dropped: without that, the states would be many times more, and none would differ in what it
    /// does.
    fn write_usize(&mut self, value: usize) {
        if value == TIMERS.len() {
            self.held = None;
        }
        self.fold(value as u128);
    }
    fn write_isize(&mut self, value: isize) {
        self.fold(value as u128);
    }
    fn write_u128(&mut self, value: u128) {
        self.epoch(value);
    }
    fn finish(&self) -> u64 {
        self.sum as u64
    }
}
