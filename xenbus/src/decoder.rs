//! Packets out of a stream of bytes that may be cut anywhere. The [`Decoder`] says where the next
//! bytes belong, so that they are copied once, from the ring to their place.

use crate::error::Ended;
use crate::wire::{HEADER_BYTES, Header, PAYLOAD_BYTES_MAX};

/// How far a packet has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// More bytes are needed.
    Partial,
    /// The packet is whole: see [`Decoder::header`] and [`Decoder::payload`].
    Complete,
}

/// One packet in the making.
///
/// ```
/// use xenbus::decoder::{Decoder, Progress};
/// let mut decoder = Decoder::new();
/// let packet = xenbus::wire::Header { op: 2, request: 7, transaction: 0, length: 0 }.emit();
/// assert_eq!(decoder.feed(&packet[..9]), (9, Ok(Progress::Partial)));
/// assert_eq!(decoder.feed(&packet[9..]), (7, Ok(Progress::Complete)));
/// assert_eq!(decoder.header().request, 7);
/// ```
#[derive(Clone, Debug)]
pub struct Decoder {
    header: [u8; HEADER_BYTES],
    payload: [u8; PAYLOAD_BYTES_MAX],
    /// Bytes of the packet that are there, header included.
    filled: usize,
}

impl Decoder {
    /// A decoder before the first byte of a packet; all zero.
    pub const fn new() -> Decoder {
        Decoder { header: [0; HEADER_BYTES], payload: [0; PAYLOAD_BYTES_MAX], filled: 0 }
    }

    /// Forgets the packet; the next byte is the first of a header.
    pub fn reset(&mut self) {
        self.filled = 0;
    }

    /// Whether nothing of a packet is there.
    pub const fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Where the next bytes of the packet belong; empty if it is complete.
    pub fn room(&mut self) -> &mut [u8] {
        if self.filled < HEADER_BYTES {
            return self.header.get_mut(self.filled..).unwrap_or(&mut []);
        }
        let length = self.payload_length();
        let there = self.filled - HEADER_BYTES;
        assert!(there <= length);
        self.payload.get_mut(there..length).unwrap_or(&mut [])
    }

    /// Says that `bytes` more bytes are in [`Decoder::room`].
    ///
    /// # Errors
    /// [`Ended::PacketTooLong`] if the header, now complete, announces too much.
    pub fn filled(&mut self, bytes: usize) -> Result<Progress, Ended> {
        assert!(bytes <= self.room().len());
        let had_header = self.filled >= HEADER_BYTES;
        self.filled += bytes;
        if self.filled < HEADER_BYTES {
            return Ok(Progress::Partial);
        }
        let announced = self.header().length;
        if announced as usize > PAYLOAD_BYTES_MAX {
            // Only a header that has just been completed can do that.
            assert!(!had_header);
            self.filled = 0;
            return Err(Ended::PacketTooLong { bytes: announced });
        }
        if self.filled == HEADER_BYTES + self.payload_length() {
            Ok(Progress::Complete)
        } else {
            Ok(Progress::Partial)
        }
    }

    /// Takes from the front of `bytes` what belongs to this packet; returns how many that were.
    /// A complete packet stays until [`Decoder::reset`].
    pub fn feed(&mut self, bytes: &[u8]) -> (usize, Result<Progress, Ended>) {
        let mut taken = 0;
        loop {
            let rest = bytes.get(taken..).unwrap_or(&[]);
            let room = self.room();
            let length = room.len().min(rest.len());
            for (place, byte) in room.iter_mut().zip(rest) {
                *place = *byte;
            }
            taken += length;
            match self.filled(length) {
                Ok(Progress::Partial) if length > 0 => {}
                other => return (taken, other),
            }
        }
    }

    /// The header; meaningful once it is complete.
    pub const fn header(&self) -> Header {
        Header::parse(&self.header)
    }

    /// The payload; all of it once the packet is complete.
    pub fn payload(&self) -> &[u8] {
        self.payload.get(..self.payload_length()).unwrap_or(&[])
    }

    fn payload_length(&self) -> usize {
        (self.header().length as usize).min(PAYLOAD_BYTES_MAX)
    }
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new()
    }
}
