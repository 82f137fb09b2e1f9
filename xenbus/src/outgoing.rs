//! Queue of the bytes that wait for space in the request ring. A request is queued as a whole or
//! not at all; the ring takes the bytes in pieces of any size.

use crate::ring::{PAGE_BYTES, RING_BYTES, RequestRing, RingPage};
use crate::wire::{HEADER_BYTES, Header, PACKET_BYTES_MAX, PAYLOAD_BYTES_MAX};

/// Capacity in bytes: one packet of maximum length and fifteen of ordinary length (path and value
/// together 250 bytes), rounded to a power of two.
const CAPACITY: usize = 8192;

// A packet of any permitted length must fit the empty buffer, or it could never be sent.
const _: () = assert!(CAPACITY >= PACKET_BYTES_MAX);
const _: () = assert!(CAPACITY.is_power_of_two());
// `send` hands out pieces that the ring can hold whole.
const _: () = assert!(RING_BYTES as usize <= PAGE_BYTES);

/// Why a request was not queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotKept {
    /// Its payload exceeds the protocol's limit.
    TooLong { bytes: usize },
    /// It does not fit while other bytes wait.
    NoRoom,
}

/// A queue of bytes: `head..tail` wait to be sent, `tail..draft` is the request being written.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    bytes: [u8; CAPACITY],
    /// Free-running positions; the index into `bytes` is the position modulo [`CAPACITY`].
    head: usize,
    tail: usize,
    /// Bytes of the request behind `tail`, including those that did not fit.
    draft: usize,
}

impl Outgoing {
    pub(crate) const fn new() -> Outgoing {
        Outgoing { bytes: [0; CAPACITY], head: 0, tail: 0, draft: 0 }
    }

    /// Discards all bytes.
    pub(crate) fn clear(&mut self) {
        self.head = 0;
        self.tail = 0;
        self.draft = 0;
    }

    /// Number of bytes that wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        let waiting = self.tail.wrapping_sub(self.head);
        assert!(waiting <= CAPACITY);
        waiting
    }

    /// Starts a request and leaves space for its header.
    pub(crate) fn begin(&mut self) {
        self.draft = HEADER_BYTES;
    }

    /// Appends bytes to the request. Bytes that do not fit are only counted, for
    /// [`Outgoing::finish`].
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        assert!(self.draft >= HEADER_BYTES);
        if self.draft.saturating_add(bytes.len()) <= CAPACITY - self.waiting() {
            self.write_at(self.tail.wrapping_add(self.draft), bytes);
        }
        self.draft = self.draft.saturating_add(bytes.len());
    }

    /// Appends a string and its NUL.
    pub(crate) fn put_string(&mut self, bytes: &[u8]) {
        self.put(bytes);
        self.put(&[0]);
    }

    /// Completes the request with its header and queues it, or discards it.
    pub(crate) fn finish(&mut self, mut header: Header) -> Result<(), NotKept> {
        let bytes = self.draft;
        self.draft = 0;
        let payload = bytes - HEADER_BYTES;
        if payload > PAYLOAD_BYTES_MAX {
            return Err(NotKept::TooLong { bytes: payload });
        }
        if bytes > CAPACITY - self.waiting() {
            return Err(NotKept::NoRoom);
        }
        header.length = payload as u32;
        self.write_at(self.tail, &header.emit());
        self.tail = self.tail.wrapping_add(bytes);
        Ok(())
    }

    /// Moves up to `room` bytes into the ring.
    pub(crate) fn send(&mut self, ring: &mut RequestRing, page: &mut impl RingPage, room: u32) {
        let mut left = self.waiting().min(room as usize);
        while left > 0 {
            let place = self.head % CAPACITY;
            let length = left.min(CAPACITY - place);
            let piece = self.bytes.get(place..place + length).unwrap_or(&[]);
            assert!(piece.len() == length);
            ring.put(page, piece);
            self.head = self.head.wrapping_add(length);
            left -= length;
        }
    }

    fn write_at(&mut self, position: usize, bytes: &[u8]) {
        let place = position % CAPACITY;
        let (before_wrap, after_wrap) = bytes.split_at(bytes.len().min(CAPACITY - place));
        let ranges = [(place, before_wrap), (0, after_wrap)];
        for (start, piece) in ranges {
            if let Some(room) = self.bytes.get_mut(start..start + piece.len()) {
                room.copy_from_slice(piece);
            }
        }
    }
}
