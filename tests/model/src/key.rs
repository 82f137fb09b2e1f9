//! When two worlds are the same: when they differ only in the names of their epochs, in moments
//! (with beats of no length only *set or not* matters), and in how far the hello timer has backed
//! off, which then changes nothing either.
//!
//! The endpoint's derived `Hash` tells all of its state in order. A hasher that listens renames
//! what it hears and folds it into 128 bits: two worlds with one key by chance are not to be
//! expected in any number of states that fits into memory.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

use channel::Epoch;
use channel::endpoint::TIMERS;
use channel::register::Seq;

use crate::register_value::{ENCODED_BYTES, RegisterValue, epoch_of, number_of};

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

/// What messages are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Epochs and a number: see [`crate::register_value`].
    Named,
    /// Text without epochs.
    Text,
}

/// Hears a world, part by part, and renames its epochs.
pub struct WorldHasher {
    sum: u128,
    form: Form,
    /// From where the messages of a session are counted: from whom, to whom, after which.
    counts: Vec<(Epoch, Epoch, Seq)>,
    /// Epochs in the order of first hearing; their place is their new name.
    names: Vec<u128>,
    /// The last byte, held back: see `write_usize`.
    held: Option<u8>,
    /// The next number is an introduction's, which only has to differ from the one after it.
    is_number: bool,
}

/// Odd, and half of its bits set: from the digits of the golden ratio and of pi.
const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
const START: u128 = 0x243f_6a88_85a3_08d3_1319_8a2e_0370_7344;

impl WorldHasher {
    /// Nothing heard yet.
    pub fn new(form: Form) -> Self {
        let (counts, names) = (Vec::new(), Vec::with_capacity(16));
        Self { sum: START, form, counts, names, held: None, is_number: false }
    }

    /// Nothing heard yet; the messages of these sessions are counted from there.
    pub fn counting(form: Form, counts: &[(Epoch, Epoch, Seq)]) -> Self {
        Self { counts: counts.to_vec(), ..Self::new(form) }
    }

    /// From where the messages from the one to the other are counted.
    pub fn count(&self, from: Epoch, to: Epoch) -> Seq {
        let count = self.counts.iter().find(|count| (count.0, count.1) == (from, to));
        count.map_or(Seq::NONE, |count| count.2)
    }

    /// What was heard, and the smallest epoch that was not: as good as one that never was.
    pub fn close(mut self) -> (Key, u128) {
        self.fold(0x7000);
        let unused = (0u128..).find(|name| !self.names.contains(name)).unwrap_or(0);
        (Key(self.sum ^ (self.sum >> 64)), unused)
    }

    /// Something that is not an epoch.
    pub fn fold(&mut self, token: u128) {
        self.is_number = false;
        if let Some(byte) = self.held.take() {
            self.mix(0x100 | u128::from(byte));
        }
        self.mix(token);
    }

    fn mix(&mut self, token: u128) {
        self.sum = (self.sum.rotate_left(41) ^ token).wrapping_mul(FACTOR);
        self.sum ^= self.sum >> 67;
    }

    /// An epoch.
    pub fn epoch(&mut self, epoch: u128) {
        let place = self.names.iter().position(|name| *name == epoch);
        let name = place.unwrap_or_else(|| {
            self.names.push(epoch);
            self.names.len() - 1
        });
        self.fold(0x1000 | name as u128);
    }

    /// Text as a queue holds it: zeros follow what is used.
    fn text(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(16) {
            let mut token = [0; 16];
            token[..chunk.len()].copy_from_slice(chunk);
            if token == [0; 16] {
                break;
            }
            self.fold(u128::from_le_bytes(token));
        }
        self.fold(0x2001);
    }

    /// Messages in register form: ` 3:` and three characters, two of which are epochs.
    pub fn messages(&mut self, bytes: &[u8]) {
        for message in bytes.chunks_exact(ENCODED_BYTES) {
            if message[0] == 0 {
                break;
            }
            let (from, to) = (epoch_of(message[3]), epoch_of(message[4]));
            let count = self.count(Epoch::from_bits(from), Epoch::from_bits(to));
            self.epoch(from);
            self.epoch(to);
            self.fold(u128::from(number_of(message[5]).wrapping_sub(count.0)));
        }
        self.fold(0x2000);
    }

    /// A register, if there is one.
    pub fn register(&mut self, register: Option<&RegisterValue>) {
        let Some(register) = register else { return self.fold(0x3000) };
        let header = register.header();
        self.epoch(header.from.bits());
        let (mut theirs, mut own) = (Seq::NONE, Seq::NONE);
        match header.to {
            Some(to) => {
                self.epoch(to.bits());
                (theirs, own) = (self.count(to, header.from), self.count(header.from, to));
            }
            None => self.fold(0x3001),
        }
        self.fold(u128::from(header.ack.0.wrapping_sub(theirs.0)));
        self.fold(u128::from(header.first.0.wrapping_sub(own.0)));
        self.fold(u128::from(header.beat));
        self.write(register.messages());
    }
}

impl Hasher for WorldHasher {
    fn write(&mut self, bytes: &[u8]) {
        match self.form {
            Form::Named => self.messages(bytes),
            Form::Text => self.text(bytes),
        }
    }
    fn write_u8(&mut self, value: u8) {
        self.is_number = false;
        if let Some(byte) = self.held.replace(value) {
            self.mix(0x100 | u128::from(byte));
        }
    }
    /// Domids are what is of this width in an endpoint, and lengths of texts, before which the text
    /// was told. An introduction's number follows its domid at once.
    fn write_u16(&mut self, value: u16) {
        self.fold(u128::from(value));
        self.is_number = true;
    }
    fn write_u32(&mut self, value: u32) {
        if !core::mem::take(&mut self.is_number) {
            self.fold(u128::from(value));
        }
    }
    /// A moment. With beats of no length only that it is there matters, which was heard before.
    fn write_u64(&mut self, value: u64) {
        if self.form == Form::Text {
            self.fold(u128::from(value));
        }
    }
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
