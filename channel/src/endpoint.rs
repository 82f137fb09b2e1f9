//! The session: one side's state machine for one link (docs/protocol.md §4, rules S0 to S11). It
//! turns a register that is replaced, an event that may be lost and a peer that may die into
//! messages delivered exactly once and in order, between an *up* and a *down*.
//!
//! It has no clock, no input and no output. Its functions are of four kinds:
//! - what happened: `handle_*`;
//! - what the user wants: [`Endpoint::send`], [`Endpoint::restart`];
//! - what to do next: [`Endpoint::poll_event`], [`Endpoint::poll_request`], [`Endpoint::message`],
//!   [`Endpoint::unknown`], [`Endpoint::deadline`];
//! - getters.
//!
//! **The drain rule**: after every `handle_*` and every want, take [`Endpoint::poll_event`] until
//! it gives `None`, before the next. It is asserted. Wishes need not be granted at once: they stand
//! until they are.
//!
//! It is a small value, generic over the sizes of its queues and comparable, so that a model
//! checker can run it as it is shipped. Neighbours: [`crate::register`] below, [`crate::link`]
//! above.

mod canonical;
mod rules;
mod session;
mod timers;
mod words;

#[cfg(test)]
mod tests;

use crate::epoch::{Epoch, jitter};
use crate::instant::{Duration, Instant};
use crate::limits::{HELLO_BEATS_MAX, MESSAGE_BYTES_MAX, MESSAGE_OVERHEAD_MAX, REGISTER_BYTES_MAX};
use crate::queue::Queue;
use crate::register::{Header, Register, Seq, is_printable};
pub use timers::{TIMERS, Timer, TimerTable};
pub use words::{
    Found, HeartbeatPath, Introduction, ReadFailure, Reading, SendError, SessionEvent,
    StoreRequest, Timing, WriteOutcome,
};

/// Whether there is a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Down,
    Up,
}

/// What the outbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Outbox {
    /// Messages of this session, `acked + 1` to `sent`.
    Sending,
    /// Messages of the last session, to be handed back.
    HandingBack,
}

/// What a WRITE has said, but for its beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct WrittenRegister {
    from: Epoch,
    to: Option<Epoch>,
    ack: Seq,
    first: Seq,
    last: Seq,
}

/// One side of one link. `COUNT` messages and `BYTES` bytes of them may be unacknowledged each
/// way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint<const COUNT: usize, const BYTES: usize> {
    pace: Timing,
    my: Epoch,
    peer: Option<Epoch>,
    introduction: Option<Introduction>,
    phase: Phase,
    /// Last message delivered from the peer.
    delivered: Seq,
    /// Last own message that the peer has acknowledged.
    acked: Seq,
    /// Last own message numbered.
    sent: Seq,
    /// Last own message that a WRITE has brought into the peer's mailbox.
    stored: Seq,
    outbox: Queue<COUNT, BYTES>,
    outbox_holds: Outbox,
    /// Messages read and not yet delivered, `delivered + 1` and on.
    inbox: Queue<COUNT, BYTES>,
    /// Messages delivered since the last acknowledgement was written, and their bytes.
    unacked: (u8, u16),
    /// So much of it that the peer may be blocked, and the page is where it is told.
    ack_urgent: bool,
    traffic: HeartbeatPath,
    /// The peer's `sent` in the page that was last acted upon.
    page_hint: Seq,
    /// The register is to be written.
    dirty: bool,
    read_due: bool,
    /// A hello waits for the answer of the READ that goes with it: it can then name the peer's
    /// epoch, which saves the next hello. Only for that one, or events could hold it back for ever.
    look_first: bool,
    permit_due: bool,
    mend_due: bool,
    mends: u8,
    /// The last READ found no mailbox.
    mailbox_absent: bool,
    reading: bool,
    writing: Option<WrittenRegister>,
    /// What is in the peer's mailbox, as far as a WRITE's answer tells.
    written: Option<WrittenRegister>,
    hello_step: u8,
    timers: TimerTable,
    event: Option<SessionEvent>,
}

impl<const COUNT: usize, const BYTES: usize> Endpoint<COUNT, BYTES> {
    /// An endpoint that waits for its introduction (rule S0).
    pub const fn new(epoch: Epoch, pace: Timing) -> Self {
        Self {
            pace,
            my: epoch,
            peer: None,
            introduction: None,
            phase: Phase::Down,
            delivered: Seq::NONE,
            acked: Seq::NONE,
            sent: Seq::NONE,
            stored: Seq::NONE,
            outbox: Queue::EMPTY,
            outbox_holds: Outbox::Sending,
            inbox: Queue::EMPTY,
            unacked: (0, 0),
            ack_urgent: false,
            traffic: HeartbeatPath::Register,
            page_hint: Seq::NONE,
            dirty: false,
            read_due: false,
            look_first: false,
            permit_due: false,
            mend_due: false,
            mends: 0,
            mailbox_absent: false,
            reading: false,
            writing: None,
            written: None,
            hello_step: 0,
            timers: TimerTable::IDLE,
            event: None,
        }
    }

    // What the user wants.

    /// Takes a message to be delivered exactly once in this session.
    ///
    /// # Errors
    /// See [`SendError`]; nothing is sent then.
    pub fn send(&mut self, message: &[u8]) -> Result<Seq, SendError> {
        let seq = self.enqueue(message)?;
        self.dirty = true;
        Ok(seq)
    }

    /// As [`Endpoint::send`], for what the peer knows from the page already: it rides on the next
    /// WRITE, which comes within a beat.
    ///
    /// # Errors
    /// See [`SendError`]; nothing is sent then.
    pub fn send_with_next_write(&mut self, now: Instant, message: &[u8]) -> Result<Seq, SendError> {
        let seq = self.enqueue(message)?;
        if !self.timers.is_set(Timer::Beat) {
            self.timers.set(Timer::Beat, now.after(self.pace.beat));
        }
        Ok(seq)
    }

    fn enqueue(&mut self, message: &[u8]) -> Result<Seq, SendError> {
        self.assert_drained();
        if self.phase == Phase::Down {
            return Err(SendError::NotUp);
        }
        if self.outbox_holds == Outbox::HandingBack {
            return Err(SendError::TakeBackFirst);
        }
        let limit = MESSAGE_BYTES_MAX.min(BYTES.saturating_sub(MESSAGE_OVERHEAD_MAX));
        if message.is_empty() || message.len() > limit {
            return Err(SendError::Length { limit });
        }
        if let Some(at) = message.iter().position(|byte| !is_printable(*byte)) {
            return Err(SendError::NotPrintable { at });
        }
        if self.sent >= Seq::LAST {
            return Err(SendError::NumbersSpent);
        }
        if self.outbox.push(message).is_err() {
            return Err(SendError::Full { try_again: self.timers.next() });
        }
        self.sent = self.sent.next();
        self.assert_consistent();
        Ok(self.sent)
    }

    // What to do next.

    /// What happened to the session, oldest first.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.event.take()
    }

    /// What xenstore is to do next. It stands until [`Endpoint::handle_submitted`] says that it is
    /// under way.
    pub fn poll_request(&self) -> Option<StoreRequest> {
        self.introduction?;
        if self.mend_due {
            return Some(StoreRequest::RecreateMailbox);
        }
        if self.permit_due {
            return Some(StoreRequest::SetPerms);
        }
        if self.timers.is_set(Timer::Retry) {
            return None;
        }
        if self.read_due && !self.reading {
            return Some(StoreRequest::Read);
        }
        if self.dirty && self.writing.is_none() && !self.look_first {
            return Some(StoreRequest::Write);
        }
        None
    }

    /// Writes the register into `out`, with this beat, and gives its length.
    pub fn emit(&self, beat: u32, out: &mut [u8; REGISTER_BYTES_MAX]) -> usize {
        let said = self.said();
        let header =
            Header { from: said.from, to: said.to, ack: said.ack, beat, first: said.first };
        let messages = match self.outbox_holds {
            Outbox::Sending => self.outbox.encoded(),
            Outbox::HandingBack => &[],
        };
        let count = self.sent.after(self.acked);
        assert!(count as usize <= COUNT);
        Register { header, count: count as u8, messages }.emit(out)
    }

    /// The next message to be delivered. It counts as delivered once
    /// [`Endpoint::handle_delivered`] says so.
    pub fn message(&self) -> Option<&[u8]> {
        self.inbox.first()
    }

    /// The oldest message of the ended session whose outcome is unknown. [`Endpoint::take_back`]
    /// takes it.
    pub fn unknown(&self) -> Option<&[u8]> {
        match self.outbox_holds {
            Outbox::HandingBack => self.outbox.first(),
            Outbox::Sending => None,
        }
    }

    /// All of them, oldest first.
    pub fn unknowns(&self) -> impl Iterator<Item = &[u8]> {
        let held = self.outbox_holds == Outbox::HandingBack;
        self.outbox.iter().filter(move |_| held)
    }

    /// The user has taken the message that [`Endpoint::unknown`] shows.
    pub fn take_back(&mut self) {
        assert!(self.outbox_holds == Outbox::HandingBack);
        self.outbox.pop();
        if self.outbox.is_empty() {
            self.outbox_holds = Outbox::Sending;
        }
    }

    /// Whether the page must tell the peer *now* what was delivered, because it may be blocked.
    /// True once.
    pub fn poll_ack_urgent(&mut self) -> bool {
        if self.ack_urgent {
            self.unacked = (0, 0);
        }
        core::mem::take(&mut self.ack_urgent)
    }

    /// When [`Endpoint::handle_timeout`] must be called at the latest.
    pub fn deadline(&self) -> Instant {
        self.timers.next()
    }

    // Getters.

    /// Whether there is a session.
    pub const fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up)
    }

    /// The own epoch.
    pub const fn epoch(&self) -> Epoch {
        self.my
    }

    /// The peer's epoch as last read.
    pub const fn peer_epoch(&self) -> Option<Epoch> {
        self.peer
    }

    /// The introduction as last read.
    pub const fn introduction(&self) -> Option<Introduction> {
        self.introduction
    }

    /// The last message that a WRITE has brought into the peer's mailbox.
    pub const fn stored(&self) -> Seq {
        self.stored
    }

    /// The last message delivered from the peer.
    pub const fn delivered(&self) -> Seq {
        self.delivered
    }

    /// The last own message that the peer has acknowledged.
    pub const fn acked(&self) -> Seq {
        self.acked
    }

    /// The last own message numbered.
    pub const fn sent(&self) -> Seq {
        self.sent
    }

    /// Whether everything sent is acknowledged.
    pub fn all_acked(&self) -> bool {
        self.acked == self.sent
    }

    /// The state of the timers, for a checker that wants to know which of them could fire.
    pub const fn timers(&self) -> &TimerTable {
        &self.timers
    }

    /// The register's content, but for its beat.
    fn said(&self) -> WrittenRegister {
        let first = self.acked.next();
        WrittenRegister {
            from: self.my,
            to: self.peer,
            ack: self.delivered,
            first,
            last: self.sent,
        }
    }

    /// The hello timer's next delay: doubling from one beat to a bound, plus up to a quarter, by
    /// which two ends that started together drift apart.
    fn hello_delay(&self) -> Duration {
        let factor = 1u32.checked_shl(self.hello_step.into()).unwrap_or(HELLO_BEATS_MAX);
        let delay = self.pace.beat.times(factor.min(HELLO_BEATS_MAX));
        let jitter = jitter(self.my, self.hello_step.into(), delay.divided(4).nanoseconds());
        Duration::from_nanoseconds(delay.nanoseconds().saturating_add(jitter))
    }

    fn assert_drained(&self) {
        assert!(self.event.is_none(), "the drain rule: poll_event until None, then go on");
    }

    /// What only this code can break.
    fn assert_consistent(&self) {
        assert!(self.acked <= self.sent);
        assert!(self.stored <= self.sent);
        if self.outbox_holds == Outbox::Sending {
            assert!(self.sent.after(self.acked) as usize == self.outbox.count());
        } else {
            assert!(self.acked == self.sent);
        }
        if self.phase == Phase::Up {
            assert!(!self.look_first);
        } else {
            assert!(self.sent == Seq::NONE && self.delivered == Seq::NONE);
            assert!(self.inbox.is_empty());
        }
    }
}
