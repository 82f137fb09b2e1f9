//! All limits of the channel, with their reasons. docs/protocol.md §12 lists the same values.
//! Assertions next to the definitions check the relations between limits.

use crate::epoch::EPOCH_DIGITS;
use crate::instant::Duration;

/// The most bytes of a register. The smallest limit of a daemon for a domU's node is 2007 bytes (C
/// xenstored, with two permission entries); about a hundred bytes are left as a margin.
pub const REGISTER_BYTES_MAX: usize = 1900;

/// The most bytes of a message: a quarter of a page, and less than a register can hold.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// The most unacknowledged messages in each direction. The connection needs three (docs/protocol.md
/// §6); the rest are for applications.
pub const WINDOW: usize = 8;

/// Digits of the largest u32.
const U32_DIGITS: usize = 10;

/// The most bytes of a register without messages: `T1 `, two epochs, ack, beat, first and a
/// one-digit count, separated by blanks.
pub const HEADER_BYTES_MAX: usize = 3 + 2 * (EPOCH_DIGITS + 1) + 3 * (U32_DIGITS + 1) + 1;

/// The most bytes of overhead per message: a blank, four digits and a colon.
pub const MESSAGE_OVERHEAD_MAX: usize = 6;

/// The most bytes of all messages in a register, including overhead.
pub const MESSAGES_BYTES: usize = REGISTER_BYTES_MAX - HEADER_BYTES_MAX;

const _: () = assert!(WINDOW >= 3 && WINDOW <= 9, "the count is one digit");
const _: () = assert!(MESSAGES_BYTES >= MESSAGE_BYTES_MAX + MESSAGE_OVERHEAD_MAX);

/// The most bytes of a link name: the size of its field in the page header.
pub const LINK_NAME_BYTES_MAX: usize = 24;

/// The most pages of one connection, which give two rings of almost 16 KiB each. The layout of the
/// page header allows no more (docs/protocol.md §9), so a CONNECT with more references is not a
/// valid message.
pub const PAGES_MAX: usize = 8;

/// The default beat period.
pub const BEAT: Duration = Duration::from_milliseconds(1000);

/// The default number of counted misses after which a peer is considered dead. A busy host or a
/// live update of xenstored may cause three.
pub const BEATS_MISSED_MAX: u32 = 4;

/// The smallest permitted limit of counted misses. A WRITE of the peer that arrives just after the
/// READ causes one miss, and a stall of xenstored of any length before that WRITE causes another.
/// With a limit of two, such a stall would look like the death of the peer.
pub const BEATS_MISSED_LEAST: u32 = 3;

/// The longest delay of the hello timer in beat periods. It is part of the bound of guarantee 4, so
/// it must be small.
pub const HELLO_BEATS_MAX: u32 = 8;

/// The back delays its first hello by a beat period divided by this. Answering the front's hello
/// takes two requests less than crossing it.
pub const FIRST_HELLO_DIVISOR: u32 = 4;

/// A page beat is late after this many half periods. Both sides beat and check once a period, so up
/// to two periods may pass between two checks that see a new beat; the other half period is a
/// margin for a busy host.
pub const PAGE_LATE_HALVES: u32 = 5;

/// A missing introduction is read again after this many beat periods. Its event is lost only if
/// this domain pauses for a long time (xenstored drops an event after 20 s).
pub const INTRODUCTION_BEATS: u32 = 30;

/// After the page announces a message, the mailbox is read without a watch event after a beat
/// period divided by this. It is long compared with the latency of an event, and short enough if
/// the event is lost.
pub const PAGE_GRACE_DIVISOR: u32 = 8;

/// A request that failed temporarily (EAGAIN, ENOMEM, quota) is retried after a beat period divided
/// by this.
pub const RETRY_DIVISOR: u32 = 4;

/// How often a lost mailbox is recreated within [`MENDS_BEATS`]. A peer that removes it more often
/// is hostile or broken.
pub const MENDS_MAX: u32 = 8;

/// The window of [`MENDS_MAX`] in beat periods.
pub const MENDS_BEATS: u32 = 60;

/// The most stray nodes that a link removes per beat period. The peer creates them, and it must not
/// control this side's workload.
pub const STRAYS_PER_BEAT: u32 = 4;

/// Xenstored is reported as silent when a request has waited for this many beat periods. A live
/// update may take that long, so this does not mean that a peer died.
pub const STORE_SILENT_BEATS: u32 = 4;

/// The most requests of all links in flight. C xenstored stops reading at 20 (docs/protocol.md
/// §12).
pub const REQUESTS_MAX: usize = 16;
