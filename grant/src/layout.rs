//! Layout of a connection's pages (docs/protocol.md §9, §10): a 768-byte header of twelve 64-byte
//! lines in the first page, then the data of two byte rings. Only one side writes each line, so the
//! sides never contend for the ownership of a cache line.

/// Bytes of a page (`xen/include/public/arch-x86/xen.h`, a guest frame is 4 KiB).
pub const PAGE_BYTES: usize = 4096;

/// Most pages of one connection. Their references must fit into one CONNECT message, and eight
/// pages already hold two rings of almost 16 KiB.
pub const PAGES_MAX: usize = 8;

/// Bytes of the header at the start of the first page.
pub const HEADER_BYTES: usize = 768;

/// Bytes of a cache line on every x86-64 processor.
pub const LINE_BYTES: usize = 64;

/// Line 0, written by the front before it grants the pages.
pub mod front_line {
    /// u32, see [`crate::header::MAGIC`].
    pub const MAGIC: usize = 0;
    /// u32, see [`crate::header::VERSION`].
    pub const VERSION: usize = 4;
    /// u32: number of the CONNECT.
    pub const NUMBER: usize = 8;
    /// u32: bytes of each ring.
    pub const RING_BYTES: usize = 12;
    /// 16 bytes: the front's epoch.
    pub const EPOCH: usize = 16;
    /// 24 bytes: the link's name, padded with zeros.
    pub const LINK: usize = 32;
    /// u64 as two u32, low word first: the fence.
    pub const FENCE: usize = 56;
}

/// Line 1, written by the front while connected; offsets as in [`WORDS_BEAT`] and so on.
pub const FRONT_WORDS: usize = 64;

/// Line 2, written by the back.
pub mod back_line {
    /// 16 bytes: the back's epoch.
    pub const STAMP_EPOCH: usize = 128;
    /// u32: number of the CONNECT that is stamped, written last.
    pub const STAMP_NUMBER: usize = 144;
}

/// Still line 2: the back's words, offsets as in [`WORDS_BEAT`] and so on.
pub const BACK_WORDS: usize = 148;

/// Within one side's words, u32: the beat.
pub const WORDS_BEAT: usize = 0;
/// Within one side's words, u32: sequence number of the last message sent.
pub const WORDS_SENT: usize = 4;
/// Within one side's words, u32: sequence number of the last message delivered.
pub const WORDS_DELIVERED: usize = 8;
/// Within one side's words, u32: any value but zero requests a disconnect.
pub const WORDS_CLOSING: usize = 12;

/// Lines 4 to 11: of each ring the producer's two lines, then the consumer's. Line 3 is reserved:
/// zero, and not read.
const RING_LINES: usize = 256;

/// Bytes that one side writes of one ring: a line for its index, and one for its event index. On one
/// line, each read of the event index would miss the cache, because the index has just been written.
const RING_END_BYTES: usize = 2 * LINE_BYTES;

/// From the start of one side's lines of a ring, u32: its free-running index.
pub const LINE_INDEX: usize = 0;
/// From there, u32: the event index. That side requests a notification when the *other* index
/// reaches it.
pub const LINE_EVENT: usize = LINE_BYTES;

/// Position of one ring in the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingPlace {
    /// Offset of the producer's two lines.
    pub producer_line: usize,
    /// Offset of the consumer's two lines.
    pub consumer_line: usize,
    /// Offset of the first data byte.
    pub data: usize,
    /// Bytes of data.
    pub size: u32,
}

/// Positions of both rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The ring that the front writes and the back reads.
    pub to_back: RingPlace,
    /// The ring that the back writes and the front reads.
    pub to_front: RingPlace,
}

impl Layout {
    /// The layout of a connection of `pages` pages.
    ///
    /// # Panics
    /// If `pages` is not in `1..=PAGES_MAX`. Check a count from a peer first.
    pub const fn of(pages: usize) -> Self {
        let size = ring_bytes(pages);
        Self {
            to_back: RingPlace {
                producer_line: RING_LINES,
                consumer_line: RING_LINES + RING_END_BYTES,
                data: HEADER_BYTES,
                size,
            },
            to_front: RingPlace {
                producer_line: RING_LINES + 2 * RING_END_BYTES,
                consumer_line: RING_LINES + 3 * RING_END_BYTES,
                data: HEADER_BYTES + size as usize,
                size,
            },
        }
    }
}

/// Bytes of each of the two rings: half of what the header leaves, in whole lines.
///
/// # Panics
/// If `pages` is not in `1..=PAGES_MAX`.
pub const fn ring_bytes(pages: usize) -> u32 {
    assert!(pages >= 1, "a connection has a page");
    assert!(pages <= PAGES_MAX, "too many pages for a connection");
    let half = (pages * PAGE_BYTES - HEADER_BYTES) / 2;
    (half - half % LINE_BYTES) as u32
}

const _: () = assert!(front_line::FENCE + 8 == FRONT_WORDS);
const _: () = assert!(FRONT_WORDS + WORDS_CLOSING + 4 <= back_line::STAMP_EPOCH);
const _: () = assert!(back_line::STAMP_NUMBER + 4 == BACK_WORDS);
const _: () = assert!(BACK_WORDS + WORDS_CLOSING + 4 <= RING_LINES);
const _: () = assert!(RING_LINES + 4 * RING_END_BYTES == HEADER_BYTES);
const _: () = assert!(back_line::STAMP_EPOCH.is_multiple_of(LINE_BYTES));
const _: () = assert!(RING_LINES.is_multiple_of(LINE_BYTES));
const _: () = assert!(ring_bytes(1) == 1664);
const _: () = assert!(ring_bytes(PAGES_MAX) == 16000);
const _: () = {
    let last = Layout::of(PAGES_MAX).to_front;
    assert!(last.data + last.size as usize <= PAGES_MAX * PAGE_BYTES);
};
