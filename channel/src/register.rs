//! The register: the xenstore value that carries all state of one side to the other
//! (docs/protocol.md §3). Bytes are parsed into a [`Register`] exactly once, so other code may rely
//! on its form. Parsing never panics and accepts exactly the values that [`Register::emit`]
//! produces.

use core::fmt;

use crate::epoch::{EPOCH_DIGITS, Epoch};
use crate::limits::{MESSAGE_BYTES_MAX, REGISTER_BYTES_MAX, WINDOW};
use crate::queue::split_first;
use crate::text::{append, append_decimal, parse_decimal};

/// The magic of a register, which includes the version of its grammar.
const MARK: &[u8] = b"T1";

/// The sequence number of a message: 1 for the first of a session, 0 for none. It never wraps: the
/// session ends first (docs/protocol.md §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u32);

impl Seq {
    /// No message.
    pub const NONE: Self = Self(0);

    /// The largest number of a message. Its successor must exist too, because a register may
    /// contain it as `first`.
    pub const LAST: Self = Self(u32::MAX - 1);

    /// The next number; saturates at the end, which [`Seq::LAST`] makes unreachable.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The distance from `earlier` to this number; 0 if `earlier` is not smaller.
    pub const fn after(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The header of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// The writer's epoch.
    pub from: Epoch,
    /// The reader's epoch, as far as the writer knows it.
    pub to: Option<Epoch>,
    /// The last message that the writer has delivered.
    pub ack: Seq,
    /// The writer's beat counter. It may wrap: only a change matters.
    pub beat: u32,
    /// The number of the first message in the register, or of the next one to be sent if it has
    /// none.
    pub first: Seq,
}

/// A register: a header, and the unacknowledged messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register<'a> {
    /// The header.
    pub header: Header,
    /// The number of messages.
    pub count: u8,
    /// The encoded messages.
    pub messages: &'a [u8],
}

/// The value read is not a valid register; it is ignored (rule S10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotARegister;

impl fmt::Display for NotARegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value is not a valid register")
    }
}

impl core::error::Error for NotARegister {}

impl<'a> Register<'a> {
    /// Parses a register.
    ///
    /// # Errors
    /// [`NotARegister`] if [`Register::emit`] could not have produced the value.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NotARegister> {
        if bytes.len() > REGISTER_BYTES_MAX || !bytes.iter().all(|byte| is_printable(*byte)) {
            return Err(NotARegister);
        }
        let (header, count, messages) = parse_header(bytes).ok_or(NotARegister)?;
        let register = Self { header, count, messages };
        if register.is_well_formed() { Ok(register) } else { Err(NotARegister) }
    }

    /// Encodes the register into `out`, and returns its length.
    ///
    /// # Panics
    /// If the register does not fit, which the bounds of the message queue exclude.
    pub fn emit(&self, out: &mut [u8; REGISTER_BYTES_MAX]) -> usize {
        assert!(self.is_well_formed());
        let mut length = 0;
        append(out, &mut length, MARK);
        append(out, &mut length, b" ");
        append(out, &mut length, &self.header.from.digits());
        append(out, &mut length, b" ");
        match self.header.to {
            Some(to) => append(out, &mut length, &to.digits()),
            None => append(out, &mut length, b"-"),
        }
        for number in
            [self.header.ack.0, self.header.beat, self.header.first.0, u32::from(self.count)]
        {
            append(out, &mut length, b" ");
            append_decimal(out, &mut length, number);
        }
        append(out, &mut length, self.messages);
        length
    }

    /// The messages with their numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Seq, &'a [u8])> + use<'a> {
        let mut rest = self.messages;
        let mut next = self.header.first;
        core::iter::from_fn(move || {
            let (message, after) = split_first(rest)?;
            let seq = next;
            rest = after;
            next = next.next();
            Some((seq, message))
        })
    }

    /// Whether there are exactly `count` messages of valid length and every message has a number.
    fn is_well_formed(&self) -> bool {
        if usize::from(self.count) > WINDOW || self.header.first == Seq::NONE {
            return false;
        }
        if self.header.first.0.checked_add(u32::from(self.count)).is_none() {
            return false;
        }
        let mut rest = self.messages;
        for _ in 0..self.count {
            match split_first(rest) {
                Some((message, after)) if (1..=MESSAGE_BYTES_MAX).contains(&message.len()) => {
                    rest = after;
                }
                _ => return false,
            }
        }
        rest.is_empty()
    }
}

/// Whether a byte may appear in a register. `xenstore-ls` shows these bytes unescaped.
pub const fn is_printable(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e)
}

/// Parses the header and the count, and returns the rest.
fn parse_header(bytes: &[u8]) -> Option<(Header, u8, &[u8])> {
    let rest = bytes.strip_prefix(MARK)?.strip_prefix(b" ")?;
    let (from, rest) = rest.split_at_checked(EPOCH_DIGITS)?;
    let from = Epoch::parse(from)?;
    let rest = rest.strip_prefix(b" ")?;
    let (to, rest) = match rest.strip_prefix(b"-") {
        Some(rest) => (None, rest),
        None => {
            let (to, rest) = rest.split_at_checked(EPOCH_DIGITS)?;
            (Some(Epoch::parse(to)?), rest)
        }
    };
    let (ack, rest) = parse_number(rest)?;
    let (beat, rest) = parse_number(rest)?;
    let (first, rest) = parse_number(rest)?;
    let (count, rest) = parse_number(rest)?;
    let header = Header { from, to, ack: Seq(ack), beat, first: Seq(first) };
    Some((header, u8::try_from(count).ok()?, rest))
}

/// Parses a blank and a number, and returns the rest.
fn parse_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let rest = bytes.strip_prefix(b" ")?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at_checked(end)?;
    Some((parse_decimal(digits)?, rest))
}

#[cfg(test)]
#[path = "register_tests.rs"]
mod tests;
