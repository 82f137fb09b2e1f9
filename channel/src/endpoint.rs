//! The session: the state machine of one side of a link (docs/protocol.md §4, rules S0 to S11).
//! Between an *up* and a *down* it delivers messages exactly once and in order, although registers
//! are overwritten, events can be lost and the peer can die.
//!
//! It performs no I/O and reads no clock. Its functions are of four kinds:
//! - inputs: `handle_*`;
//! - user requests: [`Endpoint::send`], [`Endpoint::restart`];
//! - outputs: [`Endpoint::poll_event`], [`Endpoint::poll_request`], [`Endpoint::message`],
//!   [`Endpoint::unknown`], [`Endpoint::deadline`];
//! - getters.
//!
//! **The drain rule**: after every input and every user request, call [`Endpoint::poll_event`]
//! until it returns `None`, before the next one. This is asserted. Store requests may be submitted
//! later: [`Endpoint::poll_request`] keeps returning them until then.
//!
//! An endpoint is a small, comparable value, generic over the sizes of its queues, so that a model
//! checker can run the shipped code. It uses [`crate::register`], and [`crate::link`] uses it.

mod canonical;
mod rules;
mod session;
mod timers;
mod types;

#[cfg(test)]
mod tests;

use crate::epoch::{Epoch, jitter};
use crate::instant::{Duration, Instant};
use crate::limits::{HELLO_BEATS_MAX, MESSAGE_BYTES_MAX, MESSAGE_OVERHEAD_MAX, REGISTER_BYTES_MAX};
use crate::queue::Queue;
use crate::register::{Header, Register, Seq, is_printable};
pub use timers::{TIMERS, Timer, TimerTable};
pub use types::{
    Found, HeartbeatPath, Introduction, ReadFailure, Reading, SendError, SessionEvent,
    StoreRequest, Timing, WriteOutcome,
};

/// Whether there is a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Down,
    Up,
}

/// The contents of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Outbox {
    /// Messages of this session, `acked + 1` to `sent`.
    Sending,
    /// Messages of the last session, to hand back to the user.
    HandingBack,
}

/// The header fields of a written register, without its beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct WrittenRegister {
    from: Epoch,
    to: Option<Epoch>,
    ack: Seq,
    first: Seq,
    last: Seq,
}

/// One side of a link. In each direction, at most `COUNT` messages with at most `BYTES` encoded
/// bytes may be unacknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint<const COUNT: usize, const BYTES: usize> {
    timing: Timing,
    my: Epoch,
    peer: Option<Epoch>,
    introduction: Option<Introduction>,
    phase: Phase,
    /// The last message delivered from the peer.
    delivered: Seq,
    /// The last own message that the peer has acknowledged.
    acked: Seq,
    /// The last own message that has a number.
    sent: Seq,
    /// The last own message that a completed WRITE stored in the peer's mailbox.
    stored: Seq,
    outbox: Queue<COUNT, BYTES>,
    outbox_holds: Outbox,
    /// Messages read and not yet delivered, from `delivered + 1`.
    inbox: Queue<COUNT, BYTES>,
    /// The number and encoded bytes of messages delivered since the last acknowledgement.
    unacked: (u8, u16),
    /// Enough is unacknowledged to block the peer, and the page carries acknowledgements.
    ack_urgent: bool,
    heartbeat_path: HeartbeatPath,
    /// The peer's `sent` word in the page that was last handled.
    page_hint: Seq,
    /// The register must be written.
    dirty: bool,
    read_due: bool,
    /// The hello waits for the READ issued with it, so that it can name the peer's epoch, which
    /// saves another hello. It waits for that READ only; otherwise events could delay it
    /// indefinitely.
    read_first: bool,
    perms_due: bool,
    recreate_due: bool,
    recreated: u8,
    /// The last READ found no mailbox.
    mailbox_absent: bool,
    reading: bool,
    writing: Option<WrittenRegister>,
    /// The content of the peer's mailbox according to the last answered WRITE.
    written: Option<WrittenRegister>,
    hello_step: u8,
    timers: TimerTable,
    event: Option<SessionEvent>,
}

impl<const COUNT: usize, const BYTES: usize> Endpoint<COUNT, BYTES> {
    /// Creates an endpoint that waits for its introduction (rule S0).
    pub const fn new(epoch: Epoch, timing: Timing) -> Self {
        Self {
            timing,
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
            heartbeat_path: HeartbeatPath::Register,
            page_hint: Seq::NONE,
            dirty: false,
            read_due: false,
            read_first: false,
            perms_due: false,
            recreate_due: false,
            recreated: 0,
            mailbox_absent: false,
            reading: false,
            writing: None,
            written: None,
            hello_step: 0,
            timers: TimerTable::IDLE,
            event: None,
        }
    }

    // Requests of the user.

    /// Queues a message for delivery exactly once within this session, and returns its number.
    ///
    /// # Errors
    /// See [`SendError`]. The message was not queued.
    pub fn send(&mut self, message: &[u8]) -> Result<Seq, SendError> {
        let seq = self.enqueue(message)?;
        self.dirty = true;
        Ok(seq)
    }

    /// Like [`Endpoint::send`], for a message whose content the peer already knows from the page.
    /// It is sent with the next WRITE, at most one beat period later.
    ///
    /// # Errors
    /// See [`SendError`]. The message was not queued.
    pub fn send_with_next_write(&mut self, now: Instant, message: &[u8]) -> Result<Seq, SendError> {
        let seq = self.enqueue(message)?;
        if !self.timers.is_set(Timer::Beat) {
            self.timers.set(Timer::Beat, now.after(self.timing.beat));
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

    /// Returns the next session event.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.event.take()
    }

    /// Returns the next xenstore request. The same request is returned until
    /// [`Endpoint::handle_submitted`] reports its submission.
    pub fn poll_request(&self) -> Option<StoreRequest> {
        self.introduction?;
        if self.recreate_due {
            return Some(StoreRequest::RecreateMailbox);
        }
        if self.perms_due {
            return Some(StoreRequest::SetPerms);
        }
        if self.timers.is_set(Timer::Retry) {
            return None;
        }
        if self.read_due && !self.reading {
            return Some(StoreRequest::Read);
        }
        if self.dirty && self.writing.is_none() && !self.read_first {
            return Some(StoreRequest::Write);
        }
        None
    }

    /// Writes the register with this beat into `out`, and returns its length.
    pub fn emit(&self, beat: u32, out: &mut [u8; REGISTER_BYTES_MAX]) -> usize {
        let register = self.current_register();
        let header = Header {
            from: register.from,
            to: register.to,
            ack: register.ack,
            beat,
            first: register.first,
        };
        let messages = match self.outbox_holds {
            Outbox::Sending => self.outbox.encoded(),
            Outbox::HandingBack => &[],
        };
        let count = self.sent.after(self.acked);
        assert!(count as usize <= COUNT);
        Register { header, count: count as u8, messages }.emit(out)
    }

    /// The next message to deliver. [`Endpoint::handle_delivered`] marks it as delivered.
    pub fn message(&self) -> Option<&[u8]> {
        self.inbox.first()
    }

    /// The oldest message of the ended session whose outcome is unknown. [`Endpoint::take_back`]
    /// removes it.
    pub fn unknown(&self) -> Option<&[u8]> {
        match self.outbox_holds {
            Outbox::HandingBack => self.outbox.first(),
            Outbox::Sending => None,
        }
    }

    /// All messages whose outcome is unknown, oldest first.
    pub fn unknowns(&self) -> impl Iterator<Item = &[u8]> {
        let held = self.outbox_holds == Outbox::HandingBack;
        self.outbox.iter().filter(move |_| held)
    }

    /// Removes the message that [`Endpoint::unknown`] returns.
    pub fn take_back(&mut self) {
        assert!(self.outbox_holds == Outbox::HandingBack);
        self.outbox.pop();
        if self.outbox.is_empty() {
            self.outbox_holds = Outbox::Sending;
        }
    }

    /// Whether the page must acknowledge messages immediately because the peer may be blocked.
    /// Returns true once per occasion.
    pub fn poll_ack_urgent(&mut self) -> bool {
        if self.ack_urgent {
            self.unacked = (0, 0);
        }
        core::mem::take(&mut self.ack_urgent)
    }

    /// The latest time at which [`Endpoint::handle_timeout`] must be called.
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

    /// The last own message that a completed WRITE stored in the peer's mailbox.
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

    /// The last own message that has a number.
    pub const fn sent(&self) -> Seq {
        self.sent
    }

    /// Whether everything sent is acknowledged.
    pub fn all_acked(&self) -> bool {
        self.acked == self.sent
    }

    /// The timers, for a checker.
    pub const fn timers(&self) -> &TimerTable {
        &self.timers
    }

    /// The header fields of the current register, without its beat.
    fn current_register(&self) -> WrittenRegister {
        let first = self.acked.next();
        WrittenRegister {
            from: self.my,
            to: self.peer,
            ack: self.delivered,
            first,
            last: self.sent,
        }
    }

    /// The next delay of the hello timer: it doubles from one beat period up to a limit. A jitter
    /// of up to a quarter separates two sides that started together.
    fn hello_delay(&self) -> Duration {
        let factor = 1u32.checked_shl(self.hello_step.into()).unwrap_or(HELLO_BEATS_MAX);
        let delay = self.timing.beat.times(factor.min(HELLO_BEATS_MAX));
        let jitter = jitter(self.my, self.hello_step.into(), delay.divided(4).nanoseconds());
        Duration::from_nanoseconds(delay.nanoseconds().saturating_add(jitter))
    }

    fn assert_drained(&self) {
        assert!(self.event.is_none(), "drain rule: poll_event must have returned None");
    }

    /// Checks invariants that do not depend on input.
    fn assert_consistent(&self) {
        assert!(self.acked <= self.sent);
        assert!(self.stored <= self.sent);
        if self.outbox_holds == Outbox::Sending {
            assert!(self.sent.after(self.acked) as usize == self.outbox.count());
        } else {
            assert!(self.acked == self.sent);
        }
        if self.phase == Phase::Up {
            assert!(!self.read_first);
        } else {
            assert!(self.sent == Seq::NONE && self.delivered == Seq::NONE);
            assert!(self.inbox.is_empty());
        }
    }
}
