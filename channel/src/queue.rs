//! A bounded queue of messages in their register form: ` <length>:<bytes>` one after the other in
//! one buffer. This is the encoding of the register (docs/protocol.md §3), so encoding a register
//! only copies the buffer. The outbox (unacknowledged messages) and the inbox (undelivered
//! messages) use it.

use crate::limits::MESSAGE_OVERHEAD_MAX;
use crate::text::{append, append_decimal, parse_decimal};

/// A queue of at most `COUNT` messages in at most `BYTES` bytes, including overhead. Unused bytes
/// are zero, so that equal queues compare equal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Queue<const COUNT: usize, const BYTES: usize> {
    bytes: [u8; BYTES],
    used: u16,
    count: u8,
}

/// There is no room for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Splits `encoded` into the bytes of the first message and the rest.
pub fn split_first(encoded: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = encoded.strip_prefix(b" ")?;
    // A few bytes suffice: a longer length field is out of range.
    let colon = rest.iter().take(MESSAGE_OVERHEAD_MAX).position(|&byte| byte == b':')?;
    let length = parse_decimal(rest.get(..colon)?)? as usize;
    rest.get(colon + 1..)?.split_at_checked(length)
}

impl<const COUNT: usize, const BYTES: usize> Queue<COUNT, BYTES> {
    const LIMITS: () =
        assert!(COUNT >= 1 && COUNT <= u8::MAX as usize && BYTES <= u16::MAX as usize);

    /// The empty queue.
    pub const EMPTY: Self = Self { bytes: [0; BYTES], used: 0, count: 0 };

    /// The number of messages in the queue.
    pub const fn count(&self) -> usize {
        self.count as usize
    }

    /// Whether the queue is empty.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The number of bytes in use, including overhead.
    pub const fn used(&self) -> usize {
        self.used as usize
    }

    /// All messages in encoded form.
    pub fn encoded(&self) -> &[u8] {
        assert!(self.used() <= BYTES);
        &self.bytes[..self.used()]
    }

    /// The oldest message.
    pub fn first(&self) -> Option<&[u8]> {
        split_first(self.encoded()).map(|(message, _)| message)
    }

    /// The messages, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.encoded();
        core::iter::from_fn(move || {
            let (message, after) = split_first(rest)?;
            rest = after;
            Some(message)
        })
    }

    /// Whether a message of `length` bytes would fit.
    pub fn has_room_for(&self, length: usize) -> bool {
        self.count() < COUNT && self.used() + encoded_length(length) <= BYTES
    }

    /// Appends a message.
    ///
    /// # Errors
    /// [`Full`] if there is no room. The queue is not changed.
    pub fn push(&mut self, message: &[u8]) -> Result<(), Full> {
        const { Self::LIMITS };
        if !self.has_room_for(message.len()) {
            return Err(Full);
        }
        let mut length = self.used();
        append(&mut self.bytes, &mut length, b" ");
        // Shorter than the buffer, whose length fits in a u16.
        append_decimal(&mut self.bytes, &mut length, message.len() as u32);
        append(&mut self.bytes, &mut length, b":");
        append(&mut self.bytes, &mut length, message);
        self.used = length as u16;
        self.count += 1;
        Ok(())
    }

    /// Removes the oldest message, if there is one.
    pub fn pop(&mut self) {
        let Some((_, rest)) = split_first(self.encoded()) else { return };
        let (kept, gone) = (rest.len(), self.used() - rest.len());
        assert!(self.count > 0);
        self.bytes.copy_within(gone..gone + kept, 0);
        self.bytes[kept..gone + kept].fill(0);
        self.used = kept as u16;
        self.count -= 1;
    }

    /// Removes all messages.
    pub fn clear(&mut self) {
        *self = Self::EMPTY;
    }
}

/// The encoded length of a message of `length` bytes: a blank, the decimal length, a colon, the
/// message.
pub const fn encoded_length(length: usize) -> usize {
    let mut digits = 1;
    let mut rest = length / 10;
    while rest > 0 {
        digits += 1;
        rest /= 10;
    }
    length.saturating_add(digits + 2)
}

impl<const COUNT: usize, const BYTES: usize> core::fmt::Debug for Queue<COUNT, BYTES> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(core::str::from_utf8(self.encoded()).unwrap_or("?"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, Queue, encoded_length};
    use std::vec::Vec;

    #[test]
    fn messages_leave_in_the_order_in_which_they_came() {
        let mut queue = Queue::<3, 32>::EMPTY;
        for message in [&b"a"[..], b" 1:b", b"cc"] {
            queue.push(message).unwrap();
        }
        assert_eq!(queue.push(b"d"), Err(Full), "three are its limit");
        assert_eq!(queue.encoded(), b" 1:a 4: 1:b 2:cc");
        assert_eq!(queue.iter().collect::<Vec<_>>(), [&b"a"[..], b" 1:b", b"cc"]);
        for message in [&b"a"[..], b" 1:b", b"cc"] {
            assert_eq!(queue.first(), Some(message));
            queue.pop();
        }
        assert_eq!(queue, Queue::EMPTY, "nothing is left behind, not even in unused bytes");
    }

    #[test]
    fn the_byte_limit_counts_the_overhead() {
        let mut queue = Queue::<8, 13>::EMPTY;
        assert!(queue.has_room_for(9));
        assert!(!queue.has_room_for(10), "ten bytes need fourteen");
        queue.push(b"123456789").unwrap();
        assert_eq!(queue.push(b""), Err(Full));
        for length in [0, 1, 9, 10, 99, 100, 999, 1000, 1024] {
            let text = std::format!(" {length}:");
            assert_eq!(encoded_length(length), text.len() + length);
        }
    }
}
