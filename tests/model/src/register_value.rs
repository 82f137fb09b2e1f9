//! A register on its way or in a mailbox: the bytes as the endpoint wrote them, and its header read
//! once, by which a world is named (see [`super::key`]). Also the messages' form, which says who
//! sent them in which session: that is how every delivery is judged without keeping a history.

use std::rc::Rc;

use channel::Epoch;
use channel::limits::REGISTER_BYTES_MAX;
use channel::queue::split_first;
use channel::register::{Header, Register, Seq};

/// Bytes of a message: the sender's epoch, the receiver's, and the number, one character each.
pub const MESSAGE_BYTES: usize = 3;

/// Bytes of a message in a register: a blank, its length and a colon go before it.
pub const ENCODED_BYTES: usize = MESSAGE_BYTES + 3;

/// The first character that may stand for a number: printable, and no digit, blank or colon.
const ZERO: u8 = b'A';

/// What a mailbox holds, if the peer has written. Cheap to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterValue(Rc<Content>);

#[derive(Debug, PartialEq, Eq)]
struct Content {
    bytes: Vec<u8>,
    header: Header,
    messages: Vec<u8>,
}

impl RegisterValue {
    /// The register with these bytes, which an endpoint has written.
    ///
    /// # Panics
    /// If they are no register.
    pub fn new(bytes: &[u8]) -> Self {
        let register = Register::parse(bytes).expect("an endpoint writes only registers");
        let messages = register.messages.to_vec();
        Self(Rc::new(Content { bytes: bytes.to_vec(), header: register.header, messages }))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// What goes before the messages.
    pub fn header(&self) -> Header {
        self.0.header
    }

    /// The messages in register form.
    pub fn messages(&self) -> &[u8] {
        &self.0.messages
    }

    /// A register that says from whom it is, and nothing else.
    ///
    /// # Panics
    /// Never: it is a register.
    pub fn signature(from: Epoch) -> Self {
        let header = Header { from, to: None, ack: Seq::NONE, beat: 0, first: Seq(1) };
        Self::emit(&Register { header, count: 0, messages: &[] })
    }

    /// Whether it is such a register.
    pub fn is_signature(&self) -> bool {
        let Header { to, ack, first, .. } = self.header();
        (to, ack, first) == (None, Seq::NONE, Seq(1)) && self.messages().is_empty()
    }

    /// The same register without its first `count` messages, under the same header.
    #[must_use]
    pub fn without(&self, count: u32) -> Self {
        let mut messages = self.messages();
        let gone = (0..count).map_while(|_| {
            messages = split_first(messages)?.1;
            Some(())
        });
        if gone.count() == 0 {
            return self.clone();
        }
        let count = iter(messages).count() as u8;
        Self::emit(&Register { header: self.header(), count, messages })
    }

    /// The same register with another header.
    #[must_use]
    pub fn with(&self, header: Header) -> Self {
        let register = Register::parse(self.bytes()).expect("parsed before");
        Self::emit(&Register { header, ..register })
    }

    fn emit(register: &Register<'_>) -> Self {
        let mut out = [0; REGISTER_BYTES_MAX];
        let length = register.emit(&mut out);
        Self::new(&out[..length])
    }
}

/// The messages in register form, oldest first.
fn iter(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (message, after) = split_first(rest)?;
        rest = after;
        Some(message)
    })
}

/// The message with this number of the session `from` → `to`.
pub fn message(from: Epoch, to: Epoch, number: u32) -> [u8; MESSAGE_BYTES] {
    [character(from.bits()), character(to.bits()), character(u128::from(number))]
}

/// The epoch that a message's character stands for.
pub fn epoch_of(character: u8) -> u128 {
    u128::from(character.wrapping_sub(ZERO))
}

/// The number that a message's character stands for.
pub fn number_of(character: u8) -> u32 {
    u32::from(character.wrapping_sub(ZERO))
}

fn character(number: u128) -> u8 {
    let number = u8::try_from(number).expect("epochs are named by use, and few are in use");
    let character = ZERO + number;
    assert!(character <= b'~');
    character
}
