//! Link names, and the xenstore paths of a link (docs/protocol.md §2). A link has two nodes in the
//! home of each side: `data/tether/<digit>/<link>` (the introduction) and `box` below it (the
//! mailbox). The digit spreads links over 16 directories, because one directory can only hold a few
//! hundred children.

use core::fmt;

use crate::limits::LINK_NAME_BYTES_MAX;
use crate::text::{append, append_decimal};
use grant::LinkTag;
use xen_types::DomId;

/// The directory of all links, relative to a domain's home. It is the path of the watch.
pub const ROOT: &str = "data/tether";

/// The token of the watch on [`ROOT`].
pub const WATCH_TOKEN: &str = "t";

/// The last component of a mailbox's path.
const BOX: &[u8] = b"/box";

/// The longest path that this module builds: `/local/domain/65535/data/tether/f/`, a name and
/// `/box`.
pub const PATH_BYTES_MAX: usize = 34 + LINK_NAME_BYTES_MAX + 4;

/// The name of a link: 1 to 24 bytes of letters, digits, `-` and `_`. Unused bytes are zero, as in
/// the page header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkName {
    bytes: [u8; LINK_NAME_BYTES_MAX],
    length: u8,
}

/// Why bytes are not a valid link name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkNameError {
    /// The name is empty.
    Empty,
    /// The name has more than 24 bytes.
    TooLong,
    /// The name has a byte other than a letter, a digit, `-` or `_`.
    BadByte(u8),
}

impl fmt::Display for LinkNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the link name is empty"),
            Self::TooLong => write!(f, "the link name has more than {LINK_NAME_BYTES_MAX} bytes"),
            Self::BadByte(byte) => write!(f, "the link name contains the byte {byte:#04x}"),
        }
    }
}

impl core::error::Error for LinkNameError {}

impl LinkName {
    /// Creates a name from its bytes.
    ///
    /// # Errors
    /// [`LinkNameError`] if they are not a valid name.
    pub fn new(name: &[u8]) -> Result<Self, LinkNameError> {
        if name.is_empty() {
            return Err(LinkNameError::Empty);
        }
        let mut bytes = [0; LINK_NAME_BYTES_MAX];
        let place = bytes.get_mut(..name.len()).ok_or(LinkNameError::TooLong)?;
        for &byte in name {
            if !(byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
                return Err(LinkNameError::BadByte(byte));
            }
        }
        place.copy_from_slice(name);
        // `get_mut` has checked that the length fits.
        Ok(Self { bytes, length: name.len() as u8 })
    }

    /// The name's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        // The constructor only accepts ASCII.
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// The name as the page header holds it: padded with zero bytes.
    pub const fn tag(&self) -> LinkTag {
        LinkTag::from_bytes(self.bytes)
    }

    /// The directory of the link: the POSIX `cksum` CRC of its name, modulo 16, as a lower-case
    /// hexadecimal digit. In a shell: `printf %s "$link" | cksum`.
    pub fn digit(&self) -> u8 {
        // Below 16: the digit table has 16 entries.
        b"0123456789abcdef"[(cksum(self.as_bytes()) % 16) as usize]
    }

    /// The path of this side's introduction: `data/tether/<digit>/<link>`.
    pub fn introduction(&self) -> Path {
        let mut path = Path::EMPTY;
        self.put_introduction(&mut path);
        path
    }

    /// The path of this side's mailbox: `data/tether/<digit>/<link>/box`.
    pub fn mailbox(&self) -> Path {
        let mut path = self.introduction();
        path.put(BOX);
        path
    }

    /// The absolute path of the mailbox in `peer`'s home.
    pub fn mailbox_of(&self, peer: DomId) -> Path {
        let mut path = Path::EMPTY;
        path.put(b"/local/domain/");
        append_decimal(&mut path.bytes, &mut path.length, peer.0.into());
        path.put(b"/");
        self.put_introduction(&mut path);
        path.put(BOX);
        path
    }

    fn put_introduction(&self, path: &mut Path) {
        path.put(ROOT.as_bytes());
        path.put(b"/");
        path.put(&[self.digit()]);
        path.put(b"/");
        path.put(self.as_bytes());
    }
}

/// An ASCII path of bounded length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    bytes: [u8; PATH_BYTES_MAX],
    length: usize,
}

impl Path {
    const EMPTY: Self = Self { bytes: [0; PATH_BYTES_MAX], length: 0 };

    /// The path as text.
    pub fn as_str(&self) -> &str {
        // Built from ASCII only: literals, digits and a checked link name.
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }

    fn put(&mut self, part: &[u8]) {
        append(&mut self.bytes, &mut self.length, part);
    }
}

/// The meaning of a watch event's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// The watched root or one of its directories: any node below may have changed.
    Above,
    /// The introduction of the link with this name.
    Introduction(&'a [u8]),
    /// The mailbox of the link with this name.
    Mailbox(&'a [u8]),
    /// A stray node below or beside the mailbox of the link with this name.
    Stray(&'a [u8]),
    /// Outside [`ROOT`].
    Elsewhere,
}

/// Classifies a watch event's path, which is relative to this domain's home.
pub fn place(path: &[u8]) -> Place<'_> {
    let Some(rest) = path.strip_prefix(ROOT.as_bytes()) else { return Place::Elsewhere };
    if rest.is_empty() {
        return Place::Above;
    }
    let Some(rest) = rest.strip_prefix(b"/") else { return Place::Elsewhere };
    let mut parts = rest.split(|&byte| byte == b'/');
    // The digit is not compared: it is determined by the name.
    let _digit = parts.next();
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => Place::Above,
        (Some(link), None, _) => Place::Introduction(link),
        (Some(link), Some(b"box"), None) => Place::Mailbox(link),
        (Some(link), Some(_), _) => Place::Stray(link),
    }
}

/// The CRC of POSIX `cksum` (IEEE Std 1003.1, utility cksum): polynomial 0x04c11db7, most
/// significant bit first, the length appended.
fn cksum(bytes: &[u8]) -> u32 {
    let mut crc: u32 = 0;
    for &byte in bytes {
        crc = cksum_step(crc, byte);
    }
    let mut length = bytes.len();
    while length > 0 {
        crc = cksum_step(crc, (length & 0xff) as u8);
        length >>= 8;
    }
    !crc
}

fn cksum_step(crc: u32, byte: u8) -> u32 {
    let mut crc = crc ^ (u32::from(byte) << 24);
    for _ in 0..8 {
        let carry = crc & 0x8000_0000 != 0;
        crc <<= 1;
        if carry {
            crc ^= 0x04c1_1db7;
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::{LinkName, LinkNameError, Place, cksum, place};
    use grant::LinkTag;
    use xen_types::DomId;

    #[test]
    fn a_padded_name_is_the_name_and_zeroes() {
        let name = LinkName::new(b"net-0").unwrap();
        assert_eq!(name.tag(), LinkTag::new("net-0").unwrap());
        let longest = LinkName::new(&[b'x'; 24]).unwrap();
        assert_eq!(longest.tag(), LinkTag::from_bytes([b'x'; 24]));
    }

    #[test]
    fn the_digit_is_what_a_shell_computes() {
        // printf %s a | cksum; printf %s b | cksum; printf %s 123456789 | cksum
        assert_eq!(cksum(b"a"), 1_220_704_766);
        assert_eq!(cksum(b"123456789"), 930_766_865);
        assert_eq!(LinkName::new(b"a").unwrap().digit(), b'e');
    }

    #[test]
    fn nodes_of_a_link_have_the_documented_paths() {
        let link = LinkName::new(b"a").unwrap();
        assert_eq!(link.introduction().as_str(), "data/tether/e/a");
        assert_eq!(link.mailbox().as_str(), "data/tether/e/a/box");
        assert_eq!(link.mailbox_of(DomId(7)).as_str(), "/local/domain/7/data/tether/e/a/box");
        let longest = LinkName::new(&[b'x'; 24]).unwrap();
        assert!(longest.mailbox_of(DomId(u16::MAX)).as_str().ends_with("/box"));
    }

    #[test]
    fn only_short_plain_names_are_link_names() {
        assert_eq!(LinkName::new(b""), Err(LinkNameError::Empty));
        assert_eq!(LinkName::new(&[b'x'; 25]), Err(LinkNameError::TooLong));
        assert_eq!(LinkName::new(b"a/b"), Err(LinkNameError::BadByte(b'/')));
        assert_eq!(LinkName::new(b"disk-1_A").unwrap().as_str(), "disk-1_A");
    }

    #[test]
    fn event_paths_are_sorted_by_what_they_name() {
        assert_eq!(place(b"data/tether"), Place::Above);
        assert_eq!(place(b"data/tether/e"), Place::Above);
        assert_eq!(place(b"data/tether/e/a"), Place::Introduction(b"a"));
        assert_eq!(place(b"data/tether/e/a/box"), Place::Mailbox(b"a"));
        assert_eq!(place(b"data/tether/e/a/box/x/y"), Place::Stray(b"a"));
        assert_eq!(place(b"data/tether/e/a/other"), Place::Stray(b"a"));
        assert_eq!(place(b"data/tetherx"), Place::Elsewhere);
        assert_eq!(place(b"control/shutdown"), Place::Elsewhere);
    }
}
