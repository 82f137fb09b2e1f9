//! Messages of the xenstore protocol (xen/include/public/io/xs_wire.h), and their types' names.
//! Apart from the crate xenbus: this judges the daemons, whatever xenbus believes of them.

/// struct xsd_sockmsg: type, req_id, tx_id, len.
pub const HEADER_BYTES: usize = 16;

/// enum xsd_sockmsg_type, by number.
const NAMES: [(u32, &str); 22] = [
    (0, "CONTROL"),
    (1, "DIRECTORY"),
    (2, "READ"),
    (3, "GET_PERMS"),
    (4, "WATCH"),
    (5, "UNWATCH"),
    (6, "TRANSACTION_START"),
    (7, "TRANSACTION_END"),
    (8, "INTRODUCE"),
    (9, "RELEASE"),
    (10, "GET_DOMAIN_PATH"),
    (11, "WRITE"),
    (12, "MKDIR"),
    (13, "RM"),
    (14, "SET_PERMS"),
    (15, "WATCH_EVENT"),
    (16, "ERROR"),
    (17, "IS_DOMAIN_INTRODUCED"),
    (18, "RESUME"),
    (19, "SET_TARGET"),
    (21, "RESET_WATCHES"),
    (22, "DIRECTORY_PART"),
];

/// The number of DIRECTORY.
pub const DIRECTORY: u32 = 1;
/// The number of READ.
pub const READ: u32 = 2;
/// The number of GET_PERMS.
pub const GET_PERMS: u32 = 3;
/// The number of WATCH.
pub const WATCH: u32 = 4;
/// The number of TRANSACTION_START.
pub const TRANSACTION_START: u32 = 6;
/// The number of MKDIR.
pub const MKDIR: u32 = 12;
/// The number of RM.
pub const RM: u32 = 13;
/// The number of WATCH_EVENT.
pub const WATCH_EVENT: u32 = 15;
/// The number of ERROR.
pub const ERROR: u32 = 16;
/// The number of RESET_WATCHES.
pub const RESET_WATCHES: u32 = 21;
/// The number of DIRECTORY_PART.
pub const DIRECTORY_PART: u32 = 22;

/// The name of a type; `#20` for one that has none.
pub fn name(kind: u32) -> String {
    let known = NAMES.iter().find(|(number, _)| *number == kind);
    known.map_or_else(|| format!("#{kind}"), |(_, name)| (*name).to_string())
}

/// The type of a name.
pub fn number(name: &str) -> Option<u32> {
    if let Some(number) = name.strip_prefix('#') {
        return number.parse().ok();
    }
    NAMES.iter().find(|(_, known)| *known == name).map(|(number, _)| *number)
}

/// A message, either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// enum xsd_sockmsg_type.
    pub kind: u32,
    /// The client's number for the request.
    pub request: u32,
    /// The transaction; 0 for none.
    pub transaction: u32,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Packet {
    /// The bytes on the wire, with a header that announces `length` bytes.
    pub fn announcing(&self, length: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.payload.len());
        for word in [self.kind, self.request, self.transaction, length] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        self.announcing(self.payload.len() as u32)
    }

    /// Takes a whole message off the front of what has come; none if there is not a whole one.
    pub fn take(stream: &mut Vec<u8>) -> Option<Packet> {
        let header: [u8; HEADER_BYTES] = *stream.first_chunk()?;
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let end = HEADER_BYTES + word(12) as usize;
        let payload = stream.get(HEADER_BYTES..end)?.to_vec();
        stream.drain(..end);
        Some(Packet { kind: word(0), request: word(4), transaction: word(8), payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_back_from_a_stream_cut_anywhere() {
        let packet = Packet { kind: 11, request: 7, transaction: 1, payload: b"a\0b".to_vec() };
        let bytes = [packet.bytes(), packet.bytes()].concat();
        let mut stream = Vec::new();
        let mut seen = 0;
        for byte in bytes {
            stream.push(byte);
            while let Some(got) = Packet::take(&mut stream) {
                assert_eq!(got, packet);
                seen += 1;
            }
        }
        assert_eq!((seen, stream.len()), (2, 0));
    }

    #[test]
    fn names_and_numbers_agree() {
        for kind in 0..30 {
            assert_eq!(number(&name(kind)), Some(kind));
        }
        assert_eq!(number("NONSENSE"), None);
    }
}
