//! Assembles packets from a byte stream that may be split anywhere. The [`Decoder`] returns the
//! buffer for the next bytes, so that bytes are copied once, from the ring into the packet.

use crate::error::Ended;
use crate::wire::{HEADER_BYTES, Header, PAYLOAD_BYTES_MAX};

/// Whether a packet is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// More bytes are needed.
    Partial,
    /// The packet is complete: see [`Decoder::header`] and [`Decoder::payload`].
    Complete,
}

/// One packet that is being received.
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
    /// Bytes received, including the header.
    filled: usize,
}

impl Decoder {
    /// An empty decoder; all zeros.
    pub const fn new() -> Decoder {
        Decoder { header: [0; HEADER_BYTES], payload: [0; PAYLOAD_BYTES_MAX], filled: 0 }
    }

    /// Discards the packet. The next byte is the first of a header.
    pub fn reset(&mut self) {
        self.filled = 0;
    }

    /// Whether no byte of a packet was received.
    pub const fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// The buffer for the next bytes of the packet; empty if it is complete.
    pub fn room(&mut self) -> &mut [u8] {
        if self.filled < HEADER_BYTES {
            return self.header.get_mut(self.filled..).unwrap_or(&mut []);
        }
        let length = self.payload_length();
        let there = self.filled - HEADER_BYTES;
        assert!(there <= length);
        self.payload.get_mut(there..length).unwrap_or(&mut [])
    }

    /// Records that `bytes` bytes were written to the front of [`Decoder::room`].
    ///
    /// # Errors
    /// [`Ended::PacketTooLong`] if the header is now complete and announces too long a payload.
    ///
    /// # Panics
    /// If `bytes` exceeds the length of [`Decoder::room`].
    pub fn filled(&mut self, bytes: usize) -> Result<Progress, Ended> {
        assert!(bytes <= self.room().len());
        let had_header = self.filled >= HEADER_BYTES;
        self.filled += bytes;
        if self.filled < HEADER_BYTES {
            return Ok(Progress::Partial);
        }
        let announced = self.header().length;
        if announced as usize > PAYLOAD_BYTES_MAX {
            // An earlier call has checked a header that was complete before.
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

    /// Consumes the bytes of this packet from the front of `bytes` and returns their number.
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

    /// The header. Valid once all of its bytes were received.
    pub const fn header(&self) -> Header {
        Header::parse(&self.header)
    }

    /// The payload. Valid once the packet is complete.
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
