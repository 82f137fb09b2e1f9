//! The control messages of the connection, in the form used in the register (docs/protocol.md §6).
//! A message that begins with `M ` is an application message. Any other message must be a valid
//! control message; otherwise the peer has broken the protocol.

use core::fmt;

use xenbus::words::position;

use crate::connection::BindError;
use crate::ids::{ConnectionId, GrantRef, Port};
use crate::limits::{MESSAGE_BYTES_MAX, PAGES_MAX};
use crate::offer::{GrantRefs, Offer};
use crate::text::{append, append_decimal, parse_decimal};
use grant::{MapError, VerifyError};

/// The prefix of an application message.
pub const APPLICATION: &[u8] = b"M ";

/// The most bytes of an application message, without the prefix.
pub const APPLICATION_BYTES_MAX: usize = MESSAGE_BYTES_MAX - APPLICATION.len();

/// The most bytes of a control message: a CONNECT with [`PAGES_MAX`] references of ten digits.
pub const CONTROL_BYTES_MAX: usize = 8 + 4 * 11 + PAGES_MAX * 11;

const _: () = assert!(CONTROL_BYTES_MAX <= MESSAGE_BYTES_MAX);

/// A control message. Each variant contains the connection's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Control {
    /// Front: offers pages and a port.
    Connect(ConnectionId, Offer),
    /// Back: the connection is established: mapped, bound, stamped.
    Connected(ConnectionId),
    /// Back: the connection is refused. A terminal answer.
    Refused(ConnectionId, RefuseReason),
    /// Front: requests that the back stops, unmaps and answers.
    Disconnect(ConnectionId),
    /// Back: asks the front to disconnect.
    Closing(ConnectionId),
    /// Back: the pages are unmapped and the port is closed. A terminal answer.
    Disconnected(ConnectionId),
}

/// The type of a control message.
#[derive(Clone, Copy)]
enum Kind {
    Connect,
    Connected,
    Refused,
    Disconnect,
    Closing,
    Disconnected,
}

xenbus::words! {
    Kind,
    /// The first word of the message.
    fn word {
        Connect => "CONNECT",
        Connected => "CONNECTED",
        Refused => "REFUSED",
        Disconnect => "DISCONNECT",
        Closing => "CLOSING",
        Disconnected => "DISCONNECTED",
    }
}

/// Why a back refuses a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefuseReason {
    /// The back's window of foreign frames is full, or the offer has too many pages.
    NoRoom,
    /// The ring size does not match the number of pages.
    RingSize,
    /// A grant reference could not be mapped.
    BadGrant,
    /// The page header has a different magic or version.
    MagicOrVersion,
    /// The page header belongs to another connection.
    Header,
    /// The fence was already closed.
    Fenced,
    /// The port could not be bound.
    BadPort,
    /// The back has no free port.
    NoPorts,
    /// Xen's security module (XSM, SILO) forbids the connection.
    Denied,
}

xenbus::words! {
    RefuseReason,
    /// The word used in REFUSED.
    fn word {
        NoRoom => "no-room",
        RingSize => "ring-size",
        BadGrant => "bad-grant",
        MagicOrVersion => "magic-or-version",
        Header => "header",
        Fenced => "fenced",
        BadPort => "bad-port",
        NoPorts => "no-ports",
        Denied => "denied-by-xen",
    }
}

impl fmt::Display for RefuseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl RefuseReason {
    fn from_word(word: &[u8]) -> Option<Self> {
        Self::ALL.get(position(Self::WORDS, word)?).copied()
    }
}

impl From<MapError> for RefuseReason {
    fn from(error: MapError) -> Self {
        match error {
            MapError::PageCount { .. } | MapError::WindowFull { .. } => Self::NoRoom,
            MapError::RingBytes { .. } => Self::RingSize,
            MapError::Refused { why, .. } if why.is_denied() => Self::Denied,
            MapError::RepeatedRef(_) | MapError::Refused { .. } => Self::BadGrant,
        }
    }
}

impl From<VerifyError> for RefuseReason {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Magic { .. } | VerifyError::Version { .. } => Self::MagicOrVersion,
            VerifyError::Link
            | VerifyError::Epoch
            | VerifyError::Number { .. }
            | VerifyError::RingBytes { .. } => Self::Header,
            VerifyError::Fenced => Self::Fenced,
        }
    }
}

impl From<BindError> for RefuseReason {
    fn from(error: BindError) -> Self {
        match error {
            BindError::NoPorts => Self::NoPorts,
            BindError::BadPort => Self::BadPort,
            BindError::Denied => Self::Denied,
        }
    }
}

/// An encoded control message.
#[derive(Clone, Copy, Debug)]
pub struct ControlBytes {
    bytes: [u8; CONTROL_BYTES_MAX],
    length: usize,
}

impl ControlBytes {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn put(&mut self, part: &[u8]) {
        append(&mut self.bytes, &mut self.length, part);
    }

    fn put_number(&mut self, before: &[u8], value: u32) {
        self.put(before);
        append_decimal(&mut self.bytes, &mut self.length, value);
    }
}

impl Control {
    /// The number of the connection.
    pub const fn number(&self) -> ConnectionId {
        match self {
            Self::Connect(number, _)
            | Self::Connected(number)
            | Self::Refused(number, _)
            | Self::Disconnect(number)
            | Self::Closing(number)
            | Self::Disconnected(number) => *number,
        }
    }

    const fn kind(&self) -> Kind {
        match self {
            Self::Connect(..) => Kind::Connect,
            Self::Connected(_) => Kind::Connected,
            Self::Refused(..) => Kind::Refused,
            Self::Disconnect(_) => Kind::Disconnect,
            Self::Closing(_) => Kind::Closing,
            Self::Disconnected(_) => Kind::Disconnected,
        }
    }

    /// Encodes the message.
    pub fn emit(&self) -> ControlBytes {
        let mut out = ControlBytes { bytes: [0; CONTROL_BYTES_MAX], length: 0 };
        out.put(self.kind().word().as_bytes());
        out.put_number(b" ", self.number().0);
        match self {
            Self::Connect(_, offer) => {
                out.put_number(b" ", offer.port.0);
                out.put_number(b" ", offer.ring_bytes);
                out.put_number(b" ", offer.features);
                let mut before: &[u8] = b" ";
                for reference in offer.refs.as_slice() {
                    out.put_number(before, reference.0);
                    before = b",";
                }
            }
            Self::Refused(_, reason) => {
                out.put(b" ");
                out.put(reason.word().as_bytes());
            }
            _ => {}
        }
        out
    }

    /// Parses a control message. Returns `None` if the form is not exact.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut words = bytes.split(|&byte| byte == b' ');
        let kind = *Kind::ALL.get(position(Kind::WORDS, words.next()?)?)?;
        let number = ConnectionId(parse_decimal(words.next()?)?);
        let control = match kind {
            Kind::Connect => Self::Connect(number, parse_offer(&mut words)?),
            Kind::Connected => Self::Connected(number),
            Kind::Refused => Self::Refused(number, RefuseReason::from_word(words.next()?)?),
            Kind::Disconnect => Self::Disconnect(number),
            Kind::Closing => Self::Closing(number),
            Kind::Disconnected => Self::Disconnected(number),
        };
        // Numbers start at 1, and no further words may follow.
        (number.0 > 0 && words.next().is_none()).then_some(control)
    }
}

fn parse_offer<'a>(words: &mut impl Iterator<Item = &'a [u8]>) -> Option<Offer> {
    let port = Port(parse_decimal(words.next()?)?);
    let ring_bytes = parse_decimal(words.next()?)?;
    let features = parse_decimal(words.next()?)?;
    let mut refs = GrantRefs::EMPTY;
    for reference in words.next()?.split(|&byte| byte == b',') {
        refs.push(GrantRef(parse_decimal(reference)?)).ok()?;
    }
    Some(Offer { port, ring_bytes, features, refs })
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::{CONTROL_BYTES_MAX, Control, RefuseReason};
    use crate::ids::{ConnectionId, GrantRef, Port};
    use crate::limits::PAGES_MAX;
    use crate::offer::{GrantRefs, Offer};

    fn offer(pages: usize, value: u32) -> Offer {
        let mut refs = GrantRefs::EMPTY;
        for _ in 0..pages {
            refs.push(GrantRef(value)).unwrap();
        }
        Offer { port: Port(value), ring_bytes: value, features: value, refs }
    }

    #[test]
    fn every_control_message_comes_back_as_it_went() {
        let largest = Control::Connect(ConnectionId(u32::MAX), offer(PAGES_MAX, u32::MAX));
        assert!(largest.emit().as_bytes().len() <= CONTROL_BYTES_MAX);
        let number = ConnectionId(3);
        let mut all = vec![
            largest,
            Control::Connect(ConnectionId(1), offer(1, 9)),
            Control::Connected(number),
            Control::Disconnect(number),
            Control::Closing(number),
            Control::Disconnected(number),
        ];
        all.extend(RefuseReason::ALL.map(|reason| Control::Refused(number, reason)));
        for control in all {
            assert_eq!(Control::parse(control.emit().as_bytes()), Some(control));
        }
    }

    #[test]
    fn a_connect_reads_as_documented() {
        let bytes = Control::Connect(ConnectionId(1), offer(2, 9)).emit();
        assert_eq!(bytes.as_bytes(), b"CONNECT 1 9 9 9 9,9");
    }

    #[test]
    fn an_inexact_form_is_not_a_control_message() {
        for bad in [
            &b""[..],
            b"CONNECT",
            b"CONNECT 0 1 1664 0 8",
            b"CONNECT 1 1 1664 0",
            b"CONNECT 1 1 1664 0 ",
            b"CONNECT 1 1 1664 0 8,",
            b"CONNECT 1 1 1664 0 8 9",
            b"CONNECT 1 1 1664 0 1,2,3,4,5,6,7,8,9",
            b"CONNECTED 01",
            b"CONNECTED 1 ",
            b"REFUSED 1",
            b"REFUSED 1 because",
            b"DISCONNECT -1",
            b"disconnect 1",
            b"CLOSING 4294967296",
        ] {
            assert_eq!(Control::parse(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }
}
