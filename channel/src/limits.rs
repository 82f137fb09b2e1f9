//! Every bound of the channel, with its reason. docs/protocol.md §12 lists the same values for
//! readers. Relations between limits are asserted where they are defined, so that changing one
//! cannot silently break another.

use crate::epoch::EPOCH_DIGITS;
use crate::instant::Duration;

/// Longest register. The smallest node that a daemon lets a domU write is 2007 bytes (C xenstored,
/// two permission entries); a hundred are left for whatever else a daemon counts.
pub const REGISTER_BYTES_MAX: usize = 1900;

/// Longest message: a quarter of a page, and less than the register leaves.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// Messages that may be unacknowledged each way. Connections alone need three (docs/protocol.md
/// §6); the rest is for applications.
pub const WINDOW: usize = 8;

/// Digits of the largest u32.
const U32_DIGITS: usize = 10;

/// Longest register without messages: `T1 `, two epochs, ack, beat, first and a one-digit count,
/// each followed by a blank but the last.
pub const HEADER_BYTES_MAX: usize = 3 + 2 * (EPOCH_DIGITS + 1) + 3 * (U32_DIGITS + 1) + 1;

/// What goes before a message's bytes at most: a blank, four digits and a colon.
pub const MESSAGE_OVERHEAD_MAX: usize = 6;

/// Bytes that the messages of a register may take together, overhead included.
pub const MESSAGES_BYTES: usize = REGISTER_BYTES_MAX - HEADER_BYTES_MAX;

const _: () = assert!(WINDOW >= 3 && WINDOW <= 9, "the count is one digit");
const _: () = assert!(MESSAGES_BYTES >= MESSAGE_BYTES_MAX + MESSAGE_OVERHEAD_MAX);

/// Longest link name: 24 bytes is the field in the page header.
pub const LINK_NAME_BYTES_MAX: usize = 24;

/// Most pages of one connection: two rings of almost 16 KiB each. The page header's layout knows no
/// more (docs/protocol.md §9), so a CONNECT that names more is no message.
pub const PAGES_MAX: usize = 8;

/// Default beat period.
pub const BEAT: Duration = Duration::from_milliseconds(1000);

/// Default number of counted misses that mean death. Three may be a busy host or a xenstored that
/// updates itself; the fourth means it.
pub const BEATS_MISSED_MAX: u32 = 4;

/// The smallest number of counted misses that may mean death. One is missed whenever the peer's
/// WRITE is later than the READ by a hair, and one more when xenstored then stands still, however
/// long, before it does that WRITE: with two, its silence would be taken for the peer's death.
pub const BEATS_MISSED_LEAST: u32 = 3;

/// The hello timer backs off to this many beat periods. Guarantee 4's bound contains it, so it
/// stays small.
pub const HELLO_BEATS_MAX: u32 = 8;

/// The back holds its first hello for a beat period divided by this, because the front's hello is
/// on its way and answering it costs two requests less than crossing it.
pub const FIRST_HELLO_DIVISOR: u32 = 4;

/// A page beat is late when this many half periods passed without one. Both sides look once a
/// period, so two periods may pass between two looks that see one, where their phases touch; the
/// half is for a busy host.
pub const PAGE_LATE_HALVES: u32 = 5;

/// Without an introduction, or news of one, it is looked for this many beat periods after the last
/// look: its event is lost only when this domain slept for long (xenstored drops an event after 20
/// s).
pub const INTRODUCTION_BEATS: u32 = 30;

/// When the page tells of a message, its event has a beat period divided by this to come before the
/// mailbox is read without it: long for an event, short for who waits for a lost one.
pub const PAGE_GRACE_DIVISOR: u32 = 8;

/// A WRITE that the daemon could not do (EAGAIN, ENOMEM, quota) is tried again after a beat period
/// divided by this.
pub const RETRY_DIVISOR: u32 = 4;

/// How often within [`MENDS_BEATS`] an owner makes a lost mailbox again before the link is failed
/// by name: a peer that keeps removing it is hostile or broken.
pub const MENDS_MAX: u32 = 8;

/// The window of [`MENDS_MAX`] in beat periods.
pub const MENDS_BEATS: u32 = 60;

/// Nodes found below a mailbox that are removed in one beat period. They are the peer's; cleaning
/// must not become its way to keep us busy.
pub const STRAYS_PER_BEAT: u32 = 4;

/// Xenstored is named silent when a request has waited this many beat periods for its answer. A
/// live update may take that long, and then nobody is dead: it is only said.
pub const STORE_SILENT_BEATS: u32 = 4;

/// Requests that the driver keeps in flight, all links together. C xenstored stops reading at 20
/// (docs/protocol.md §12).
pub const REQUESTS_MAX: usize = 16;
