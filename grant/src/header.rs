//! The page header: the front's epoch, the connection, the fence, and each side's heartbeat and
//! progress (docs/protocol.md §9, §11).
//!
//! The front writes line 0 before it grants the pages. The back copies the line and checks the copy
//! before it writes anything, because the mapped page may already serve another purpose. The back
//! writes its stamp last, when nothing can fail any more.

use core::fmt;

use crate::epoch::Epoch;
use crate::layout::{
    BACK_WORDS, FRONT_WORDS, LINE_BYTES, WORDS_BEAT, WORDS_CLOSING, WORDS_DELIVERED, WORDS_SENT,
    back_line, front_line, ring_bytes,
};
use crate::shared_pages::SharedPages;

/// The first word of a connection's pages.
pub const MAGIC: u32 = u32::from_le_bytes(*b"TETH");

/// Version of header and rings. A back refuses any other.
pub const VERSION: u32 = 2;

/// Longest link name in bytes.
pub const LINK_BYTES_MAX: usize = 24;

/// The number of a connection within its session: 1 for the first CONNECT, never used twice
/// (docs/protocol.md §7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u32);

/// A link's name as it stands in the header, padded with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkTag([u8; LINK_BYTES_MAX]);

impl LinkTag {
    /// The tag with these bytes: a name padded with zeros.
    pub const fn from_bytes(bytes: [u8; LINK_BYTES_MAX]) -> Self {
        Self(bytes)
    }

    /// `None` if the name is empty or longer than [`LINK_BYTES_MAX`].
    pub fn new(name: &str) -> Option<Self> {
        let mut tag = [0; LINK_BYTES_MAX];
        let place = tag.get_mut(..name.len()).filter(|place| !place.is_empty())?;
        place.copy_from_slice(name.as_bytes());
        Some(Self(tag))
    }
}

/// The identity of a connection. Both sides must agree on every field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The front's epoch.
    pub epoch: Epoch,
    /// Number of the CONNECT within the session.
    pub number: ConnectionId,
    /// The link.
    pub link: LinkTag,
}

impl Terms {
    /// Value of the fence while this connection is open. Any other value means closed.
    pub fn fence_token(&self) -> FenceToken {
        let token = self.fence_word();
        FenceToken { low: token as u32, high: (token >> 32) as u32 }
    }

    /// The token as one u64.
    ///
    /// Both halves are odd, so a zeroed page is closed, and clearing either half closes the fence.
    /// It need not resist an attacker: it protects only the front, which writes it.
    pub fn fence_word(&self) -> u64 {
        const HALVES_ODD: u64 = 0x1_0000_0001;
        /// 2^64 divided by the golden ratio, odd: spreads small numbers over all bits.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let epoch = self.epoch.bits();
        let [low, high] = [epoch as u64, (epoch >> 64) as u64];
        let folded = low ^ high.wrapping_mul(SPREAD).rotate_left(32);
        folded.wrapping_add(u64::from(self.number.0).wrapping_mul(SPREAD)) | HALVES_ODD
    }
}

/// The two halves of the word that opens a fence, as they stand in the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FenceToken {
    low: u32,
    high: u32,
}

/// One side's heartbeat and progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PageWords {
    /// Changes at each heartbeat.
    pub beat: u32,
    /// Sequence number of the last message sent.
    pub sent: u32,
    /// Sequence number of the last message delivered.
    pub delivered: u32,
}

/// Whether a side has requested a disconnect in the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closing {
    /// Not requested.
    NotAsked,
    /// Requested.
    Asked,
}

/// State of the fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fence {
    /// Open for this connection.
    Open,
    /// Closed, or open for another connection.
    Closed,
}

/// The back's stamp, unchecked. All fields are zero before the back has written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The back's epoch.
    pub epoch: Epoch,
    /// Number of the CONNECT that the back serves.
    pub number: ConnectionId,
}

impl Stamp {
    /// Nothing is stamped.
    pub const NONE: Self = Self { epoch: Epoch::from_bits(0), number: ConnectionId(0) };
}

/// Which side's words are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The domain that grants.
    Front,
    /// The domain that maps.
    Back,
}

impl Side {
    const fn words(self) -> usize {
        match self {
            Self::Front => FRONT_WORDS,
            Self::Back => BACK_WORDS,
        }
    }
}

/// The page does not belong to the connection that the peer announced. It was not written to.
///
/// Exhaustive on purpose: the channel maps each one to its own reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerifyError {
    /// The magic number is wrong.
    Magic {
        /// The value in the page.
        found: u32,
    },
    /// The front speaks another version.
    Version {
        /// Its version.
        found: u32,
    },
    /// The page belongs to another link.
    Link,
    /// The page belongs to another epoch.
    Epoch,
    /// The page belongs to another connection.
    Number {
        /// The value in the page.
        found: ConnectionId,
    },
    /// The ring size does not follow from the number of pages.
    RingBytes {
        /// The value in the page.
        found: u32,
    },
    /// The front has already given up the connection.
    Fenced,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic { found } => write!(f, "wrong magic {found:#010x}"),
            Self::Version { found } => write!(f, "wrong version {found}, ours is {VERSION}"),
            Self::Link => write!(f, "the page belongs to another link"),
            Self::Epoch => write!(f, "the page belongs to another epoch"),
            Self::Number { found } => write!(f, "the page belongs to connection {}", found.0),
            Self::RingBytes { found } => write!(f, "wrong ring size {found}"),
            Self::Fenced => write!(f, "the page is fenced"),
        }
    }
}

impl core::error::Error for VerifyError {}

/// Front: writes line 0 into zeroed pages, the open fence last.
pub(crate) fn write(pages: &impl SharedPages, terms: &Terms) {
    pages.store_u32(front_line::MAGIC, MAGIC);
    pages.store_u32(front_line::VERSION, VERSION);
    pages.store_u32(front_line::NUMBER, terms.number.0);
    pages.store_u32(front_line::RING_BYTES, ring_bytes(pages.pages()));
    pages.copy_to(front_line::EPOCH, &terms.epoch.bytes());
    pages.copy_to(front_line::LINK, &terms.link.0);
    let token = terms.fence_token();
    pages.store_u32(front_line::FENCE, token.low);
    pages.store_u32(front_line::FENCE + 4, token.high);
}

/// Back: copies line 0 out once and checks the copy.
pub(crate) fn verify(pages: &impl SharedPages, terms: &Terms) -> Result<(), VerifyError> {
    let mut line = [0; LINE_BYTES];
    pages.copy_from(0, &mut line);
    let magic = word(&line, front_line::MAGIC);
    let version = word(&line, front_line::VERSION);
    let number = ConnectionId(word(&line, front_line::NUMBER));
    let bytes = word(&line, front_line::RING_BYTES);
    let low = word(&line, front_line::FENCE);
    let high = word(&line, front_line::FENCE + 4);
    if magic != MAGIC {
        Err(VerifyError::Magic { found: magic })
    } else if version != VERSION {
        Err(VerifyError::Version { found: version })
    } else if field::<LINK_BYTES_MAX>(&line, front_line::LINK) != terms.link.0 {
        Err(VerifyError::Link)
    } else if field::<16>(&line, front_line::EPOCH) != terms.epoch.bytes() {
        Err(VerifyError::Epoch)
    } else if number != terms.number {
        Err(VerifyError::Number { found: number })
    } else if bytes != ring_bytes(pages.pages()) {
        Err(VerifyError::RingBytes { found: bytes })
    } else if terms.fence_token() != (FenceToken { low, high }) {
        Err(VerifyError::Fenced)
    } else {
        Ok(())
    }
}

/// Front: closes the fence permanently.
pub(crate) fn close_fence(pages: &impl SharedPages) {
    pages.store_u32(front_line::FENCE, 0);
    pages.store_u32(front_line::FENCE + 4, 0);
}

/// Back: reads the fence. Two loads suffice, because the front writes this line again only to close
/// it.
pub(crate) fn fence(pages: &impl SharedPages, token: FenceToken) -> Fence {
    let open = pages.load_u32(front_line::FENCE) == token.low
        && pages.load_u32(front_line::FENCE + 4) == token.high;
    if open { Fence::Open } else { Fence::Closed }
}

/// Back: writes the stamp. The number is stored last, so that a front that reads it also sees the
/// epoch and all earlier stores.
pub(crate) fn write_stamp(pages: &impl SharedPages, stamp: Stamp) {
    pages.copy_to(back_line::STAMP_EPOCH, &stamp.epoch.bytes());
    pages.store_u32(back_line::STAMP_NUMBER, stamp.number.0);
}

/// Front: reads the back's stamp.
pub(crate) fn read_stamp(pages: &impl SharedPages) -> Stamp {
    let number = ConnectionId(pages.load_u32(back_line::STAMP_NUMBER));
    let mut epoch = [0; 16];
    pages.copy_from(back_line::STAMP_EPOCH, &mut epoch);
    Stamp { epoch: Epoch::from_bytes(epoch), number }
}

/// Writes one side's words.
pub(crate) fn publish(pages: &impl SharedPages, own: Side, words: PageWords) {
    let line = own.words();
    // The beat is stored last, so that a peer that sees it change also sees its counts.
    pages.store_u32(line + WORDS_SENT, words.sent);
    pages.store_u32(line + WORDS_DELIVERED, words.delivered);
    pages.store_u32(line + WORDS_BEAT, words.beat);
}

/// Requests a disconnect.
pub(crate) fn say_closing(pages: &impl SharedPages, own: Side) {
    pages.store_u32(own.words() + WORDS_CLOSING, 1);
}

/// Copies the other side's words. They are only hints: the mailbox is authoritative.
pub(crate) fn observe(pages: &impl SharedPages, peer: Side) -> (PageWords, Closing) {
    let line = peer.words();
    let words = PageWords {
        beat: pages.load_u32(line + WORDS_BEAT),
        sent: pages.load_u32(line + WORDS_SENT),
        delivered: pages.load_u32(line + WORDS_DELIVERED),
    };
    let closing = match pages.load_u32(line + WORDS_CLOSING) {
        0 => Closing::NotAsked,
        _ => Closing::Asked,
    };
    (words, closing)
}

fn field<const BYTES: usize>(line: &[u8; LINE_BYTES], at: usize) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes.copy_from_slice(&line[at..at + BYTES]);
    bytes
}

fn word(line: &[u8; LINE_BYTES], at: usize) -> u32 {
    u32::from_le_bytes(field(line, at))
}
