//! The page header: who made these pages, for which connection, whether it is still open, and a few
//! words by which each side shows life (docs/protocol.md §9, §11).
//!
//! The front writes line 0 before it grants the pages. The back copies the line out, checks the
//! copy, and only then writes anything at all: its mapping may show a page that has long been given
//! to another purpose. Its stamp comes last, when nothing can fail any more.

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

/// What a connection is: both sides must agree on every part.
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
    /// What the fence holds while this connection is open; anything else is closed.
    pub fn fence_token(&self) -> FenceToken {
        let token = self.fence_word();
        FenceToken { low: token as u32, high: (token >> 32) as u32 }
    }

    /// The token as one u64.
    ///
    /// Both halves are odd, so a zeroed page is closed, and clearing either half closes. It need
    /// not resist an attacker: the front, who alone it guards, writes it.
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

/// The words by which one side shows life and progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PageWords {
    /// Changes at each beat.
    pub beat: u32,
    /// Sequence number of the last message sent.
    pub sent: u32,
    /// Sequence number of the last message delivered.
    pub delivered: u32,
}

/// Whether a side has asked, in the page, for a disconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closing {
    /// It has not.
    NotAsked,
    /// It has.
    Asked,
}

/// What the fence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fence {
    /// Open for exactly this connection.
    Open,
    /// Closed, or open for something else.
    Closed,
}

/// What the back has stamped, as found; zero everywhere before it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The back's epoch.
    pub epoch: Epoch,
    /// Number of the CONNECT that it serves.
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
    /// Not a page of ours at all.
    Magic {
        /// What stands there.
        found: u32,
    },
    /// The front speaks another version.
    Version {
        /// Its version.
        found: u32,
    },
    /// Another link's page.
    Link,
    /// Another incarnation's page.
    Epoch,
    /// Another connection's page.
    Number {
        /// What stands there.
        found: ConnectionId,
    },
    /// The front thinks of rings of another size than its pages give.
    RingBytes {
        /// What stands there.
        found: u32,
    },
    /// The front has given the connection up already.
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

/// Front: closes the fence for good.
pub(crate) fn close_fence(pages: &impl SharedPages) {
    pages.store_u32(front_line::FENCE, 0);
    pages.store_u32(front_line::FENCE + 4, 0);
}

/// Back: looks at the fence. Two loads, in one line that the front writes only to close it.
pub(crate) fn fence(pages: &impl SharedPages, token: FenceToken) -> Fence {
    let open = pages.load_u32(front_line::FENCE) == token.low
        && pages.load_u32(front_line::FENCE + 4) == token.high;
    if open { Fence::Open } else { Fence::Closed }
}

/// Back: says that it serves this connection. The number is stored last: who sees it sees the
/// epoch, and everything that was done before.
pub(crate) fn write_stamp(pages: &impl SharedPages, stamp: Stamp) {
    pages.copy_to(back_line::STAMP_EPOCH, &stamp.epoch.bytes());
    pages.store_u32(back_line::STAMP_NUMBER, stamp.number.0);
}

/// Front: what the back has stamped.
pub(crate) fn read_stamp(pages: &impl SharedPages) -> Stamp {
    let number = ConnectionId(pages.load_u32(back_line::STAMP_NUMBER));
    let mut epoch = [0; 16];
    pages.copy_from(back_line::STAMP_EPOCH, &mut epoch);
    Stamp { epoch: Epoch::from_bytes(epoch), number }
}

/// Writes the own words.
pub(crate) fn publish(pages: &impl SharedPages, own: Side, words: PageWords) {
    let line = own.words();
    // The beat goes last: a peer that sees it move sees the counts that went with it.
    pages.store_u32(line + WORDS_SENT, words.sent);
    pages.store_u32(line + WORDS_DELIVERED, words.delivered);
    pages.store_u32(line + WORDS_BEAT, words.beat);
}

/// Asks for a disconnect.
pub(crate) fn say_closing(pages: &impl SharedPages, own: Side) {
    pages.store_u32(own.words() + WORDS_CLOSING, 1);
}

/// Copies the other side's words. They are hints, whatever they are: the mailbox holds the truth.
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
