//! The packet header, the operation numbers, and decimal numbers. All words are little-endian: the
//! protocol uses the host's byte order, and supported hosts are x86. Source:
//! xen/include/public/io/xs_wire.h.

/// Bytes of a header (struct xsd_sockmsg: four u32).
pub const HEADER_BYTES: usize = 16;

/// The longest payload in either direction (XENSTORE_PAYLOAD_MAX). The daemon ends the connection
/// of a domain that sends more.
pub const PAYLOAD_BYTES_MAX: usize = 4096;

/// The longest packet. It is longer than the ring and streams through it.
pub const PACKET_BYTES_MAX: usize = HEADER_BYTES + PAYLOAD_BYTES_MAX;

/// The numbers of the operations (enum xsd_sockmsg_type).
pub mod op {
    /// XS_CONTROL
    pub const CONTROL: u32 = 0;
    /// XS_DIRECTORY
    pub const DIRECTORY: u32 = 1;
    /// XS_READ
    pub const READ: u32 = 2;
    /// XS_GET_PERMS
    pub const GET_PERMS: u32 = 3;
    /// XS_WATCH
    pub const WATCH: u32 = 4;
    /// XS_UNWATCH
    pub const UNWATCH: u32 = 5;
    /// XS_TRANSACTION_START
    pub const TRANSACTION_START: u32 = 6;
    /// XS_TRANSACTION_END
    pub const TRANSACTION_END: u32 = 7;
    /// XS_GET_DOMAIN_PATH
    pub const GET_DOMAIN_PATH: u32 = 10;
    /// XS_WRITE
    pub const WRITE: u32 = 11;
    /// XS_MKDIR
    pub const MKDIR: u32 = 12;
    /// XS_RM
    pub const RM: u32 = 13;
    /// XS_SET_PERMS
    pub const SET_PERMS: u32 = 14;
    /// XS_WATCH_EVENT: sent only by the daemon.
    pub const WATCH_EVENT: u32 = 15;
    /// XS_ERROR: sent only by the daemon.
    pub const ERROR: u32 = 16;
    /// XS_IS_DOMAIN_INTRODUCED
    pub const IS_DOMAIN_INTRODUCED: u32 = 17;
    /// XS_RESET_WATCHES
    pub const RESET_WATCHES: u32 = 21;
    /// XS_DIRECTORY_PART
    pub const DIRECTORY_PART: u32 = 22;
}

/// The header of every packet (struct xsd_sockmsg).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The operation, see [`op`].
    pub op: u32,
    /// Chosen by the client and repeated in the reply; 0 in an event.
    pub request: u32,
    /// The transaction, 0 for none.
    pub transaction: u32,
    /// Length of the payload in bytes. Not checked against [`PAYLOAD_BYTES_MAX`].
    pub length: u32,
}

impl Header {
    /// Parses a header. Any sixteen bytes are valid.
    pub const fn parse(bytes: &[u8; HEADER_BYTES]) -> Header {
        let [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3] = *bytes;
        Header {
            op: u32::from_le_bytes([a0, a1, a2, a3]),
            request: u32::from_le_bytes([b0, b1, b2, b3]),
            transaction: u32::from_le_bytes([c0, c1, c2, c3]),
            length: u32::from_le_bytes([d0, d1, d2, d3]),
        }
    }

    /// The header in wire format.
    pub const fn emit(&self) -> [u8; HEADER_BYTES] {
        let [a0, a1, a2, a3] = self.op.to_le_bytes();
        let [b0, b1, b2, b3] = self.request.to_le_bytes();
        let [c0, c1, c2, c3] = self.transaction.to_le_bytes();
        let [d0, d1, d2, d3] = self.length.to_le_bytes();
        [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3]
    }
}

/// Most digits of a `u32`.
const DIGITS_MAX: usize = 10;

/// A number in decimal digits. It avoids `core::fmt`, which would cost a small image more than the
/// whole client.
#[derive(Clone, Copy)]
pub(crate) struct Decimal {
    digits: [u8; DIGITS_MAX],
    first: usize,
}

impl Decimal {
    pub(crate) fn new(value: u32) -> Decimal {
        let mut digits = [b'0'; DIGITS_MAX];
        let mut first = DIGITS_MAX;
        let mut rest = value;
        for (place, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            first = place;
            if rest == 0 {
                break;
            }
        }
        assert!(rest == 0);
        Decimal { digits, first }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.digits.get(self.first..).unwrap_or(&[])
    }
}

/// Parses a decimal number: digits only, at least one, below 2^32.
pub(crate) fn parse_decimal(text: &[u8]) -> Option<u32> {
    u32::try_from(parse_decimal_u64(text)?).ok()
}

/// Parses a decimal number: digits only, at least one, below 2^64.
pub(crate) fn parse_decimal_u64(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
