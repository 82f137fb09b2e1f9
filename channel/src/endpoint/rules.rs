//! The inputs of an endpoint: rules S0 to S11 of docs/protocol.md §4, one function per input. A
//! combination of state and input that the peer cannot cause is an assertion failure, never
//! ignored.

use super::{
    Endpoint, Found, HeartbeatPath, Introduction, Phase, ReadFailure, Reading, StoreRequest,
    TIMERS, Timer, TimerTable, WriteOutcome,
};
use crate::epoch::EpochSource;
use crate::event::{Breach, DetectedBy, DownReason};
use crate::instant::Instant;
use crate::limits::{HELLO_BEATS_MAX, MESSAGE_BYTES_MAX, MESSAGE_OVERHEAD_MAX, PAGE_GRACE_DIVISOR};
use crate::queue::encoded_length;
use crate::register::{Register, Seq};

impl<const COUNT: usize, const BYTES: usize> Endpoint<COUNT, BYTES> {
    /// S0: the user restarts the endpoint in place. Outstanding requests stay outstanding; their
    /// answers are judged by the new epoch.
    pub fn restart(&mut self, now: Instant, epochs: &mut impl EpochSource) {
        self.assert_drained();
        if self.phase == Phase::Up {
            self.go_down(now, DownReason::Restarted, DetectedBy::Own, epochs);
        } else {
            self.my = epochs.fresh_epoch();
        }
        self.peer = None;
        self.written = None;
        if self.introduction.is_some() {
            self.begin_hello(now, Found::AtStart);
            self.perms_due = true;
        }
        self.update_timers(now);
    }

    /// S0: the domain was suspended and resumed. No local state is valid any more: no request is
    /// outstanding, and the introduction belongs to the former domain.
    pub fn handle_resumed(&mut self, now: Instant, epochs: &mut impl EpochSource) {
        self.assert_drained();
        if self.phase == Phase::Up {
            self.go_down(now, DownReason::Resumed, DetectedBy::Own, epochs);
        } else {
            self.my = epochs.fresh_epoch();
        }
        self.peer = None;
        self.introduction = None;
        self.reading = false;
        self.writing = None;
        self.written = None;
        (self.dirty, self.read_due, self.read_first) = (false, false, false);
        (self.perms_due, self.recreate_due) = (false, false);
        self.recreated = 0;
        self.timers = TimerTable::IDLE;
        self.update_timers(now);
    }

    /// Outstanding requests will never be answered: the xenstore ring was reset.
    pub fn handle_store_lost(&mut self, now: Instant) {
        self.assert_drained();
        self.reading = false;
        self.writing = None;
        self.written = None;
        self.read_due = self.introduction.is_some();
        self.read_first = false;
        self.dirty = self.introduction.is_some();
        self.update_timers(now);
    }

    /// S1, S1': the introduction was read.
    pub fn handle_introduction(
        &mut self,
        now: Instant,
        read: Introduction,
        found: Found,
        epochs: &mut impl EpochSource,
    ) {
        self.assert_drained();
        let known = self.introduction;
        if known == Some(read) {
            return;
        }
        let same_peer = known.is_some_and(|known| known.peer == read.peer);
        if self.phase == Phase::Up && !same_peer {
            self.go_down(now, DownReason::Reintroduced, DetectedBy::Introduction, epochs);
        }
        if !same_peer {
            // Forget the old peer's epoch, and write nothing meant for it to the new peer.
            self.peer = None;
            self.dirty = false;
        }
        // After an earlier introduction, the mailbox may already contain a register.
        let found = if known.is_some() { Found::AtStart } else { found };
        self.introduction = Some(read);
        self.recreated = 0;
        // The last WRITE may have been refused, or its value removed with the peer's home.
        self.written = None;
        if self.phase == Phase::Up {
            self.dirty = true;
        } else {
            self.begin_hello(now, found);
        }
        self.update_timers(now);
    }

    /// The mailbox may have changed, according to a watch event or a word in the page: read it.
    pub fn handle_hint(&mut self) {
        if self.introduction.is_some() {
            self.read_due = true;
        }
    }

    /// The request that [`Endpoint::poll_request`] returned was submitted.
    pub fn handle_submitted(&mut self, now: Instant, request: StoreRequest) {
        self.assert_drained();
        assert!(self.poll_request() == Some(request));
        match request {
            StoreRequest::RecreateMailbox => {
                self.recreate_due = false;
                self.perms_due = true;
            }
            StoreRequest::SetPerms => self.perms_due = false,
            StoreRequest::Read => {
                self.read_due = false;
                self.reading = true;
                self.timers.stop(Timer::Poll);
            }
            StoreRequest::Write => {
                self.dirty = false;
                self.unacked = (0, 0);
                self.writing = Some(self.current_register());
                self.timers.stop(Timer::Beat);
                self.timers.stop(Timer::FirstHello);
            }
        }
        self.update_timers(now);
    }

    /// A READ of the mailbox returned `value` (rules S4 to S10).
    pub fn handle_read(
        &mut self,
        now: Instant,
        value: &[u8],
        epochs: &mut impl EpochSource,
    ) -> Reading {
        self.assert_drained();
        assert!(self.reading, "answer to a READ that was not submitted");
        (self.reading, self.read_first, self.mailbox_absent) = (false, false, false);
        let reading = if value.is_empty() {
            Reading::Empty
        } else {
            match Register::parse(value) {
                Ok(register) => self.take_register(now, &register, epochs),
                Err(_) => Reading::Garbage,
            }
        };
        self.update_timers(now);
        self.assert_consistent();
        reading
    }

    /// A READ of the mailbox returned no value (rule S10).
    pub fn handle_unread(&mut self, now: Instant, failure: ReadFailure) {
        self.assert_drained();
        assert!(self.reading, "answer to a READ that was not submitted");
        (self.reading, self.read_first) = (false, false);
        match failure {
            ReadFailure::Absent => self.plan_recreation(now),
            ReadFailure::Later => {
                self.read_due = true;
                self.back_off(now);
            }
        }
        self.update_timers(now);
    }

    /// A WRITE of the register was answered. Only the answer to one of the present epoch counts.
    pub fn handle_written(
        &mut self,
        now: Instant,
        outcome: WriteOutcome,
        epochs: &mut impl EpochSource,
    ) {
        self.assert_drained();
        let written = self.writing.take();
        assert!(written.is_some(), "answer to a WRITE that was not submitted");
        let Some(written) = written.filter(|written| written.from == self.my) else { return };
        self.written = None;
        match outcome {
            WriteOutcome::Done => {
                self.written = Some(written);
                self.stored = self.stored.max(written.last);
            }
            WriteOutcome::Refused if self.phase == Phase::Up => {
                self.go_down(now, DownReason::WriteRefused, DetectedBy::Store, epochs);
            }
            // The peer's mailbox does not exist or is not writable yet: the hello timer retries.
            WriteOutcome::Refused => {}
            WriteOutcome::Later => {
                self.dirty = true;
                self.back_off(now);
            }
        }
        self.update_timers(now);
        self.assert_consistent();
    }

    /// S11: the peer was found dead or misbehaving, so the session ends. Ignored without a session.
    pub fn handle_peer_failure(
        &mut self,
        now: Instant,
        reason: DownReason,
        detected_by: DetectedBy,
        epochs: &mut impl EpochSource,
    ) {
        self.assert_drained();
        if self.phase == Phase::Up {
            self.go_down(now, reason, detected_by, epochs);
            self.update_timers(now);
        }
    }

    /// The message that [`Endpoint::message`] returns was delivered.
    pub fn handle_delivered(&mut self) {
        self.assert_drained();
        let Some(message) = self.inbox.first() else { return };
        let bytes = encoded_length(message.len());
        self.inbox.pop();
        self.delivered = self.delivered.next();
        self.unacked.0 = self.unacked.0.saturating_add(1);
        self.unacked.1 = self.unacked.1.saturating_add(u16::try_from(bytes).unwrap_or(u16::MAX));
        // A single acknowledgement waits for the next WRITE, at most one beat period. It does not
        // wait if the sender may be blocked: after half the window, or when the longest message
        // would no longer fit beside the unacknowledged bytes. An acknowledgement in the page is
        // free.
        let bytes_kept = BYTES.saturating_sub(MESSAGE_BYTES_MAX + MESSAGE_OVERHEAD_MAX);
        let is_much = usize::from(self.unacked.0) >= COUNT.div_ceil(2)
            || usize::from(self.unacked.1) >= bytes_kept;
        match self.heartbeat_path {
            HeartbeatPath::Register => self.dirty |= is_much,
            HeartbeatPath::Both | HeartbeatPath::Page | HeartbeatPath::Suspect => {
                self.ack_urgent |= is_much
            }
        }
    }

    /// Handles the peer's words in the page: the last message it sent and the last one it delivered
    /// (rule Q).
    pub fn handle_page(
        &mut self,
        now: Instant,
        sent: Seq,
        delivered: Seq,
        epochs: &mut impl EpochSource,
    ) {
        self.assert_drained();
        if self.phase == Phase::Down {
            return;
        }
        if delivered > self.sent {
            let reason = DownReason::Protocol(Breach::AckBeyondSent);
            self.go_down(now, reason, DetectedBy::Page, epochs);
        } else {
            self.acknowledge(delivered);
            // Handle each value once, so that a wrong word causes at most one READ per beat, not
            // one per step.
            if sent != self.page_hint {
                self.page_hint = sent;
                if sent > self.received() {
                    // The watch event of that WRITE is probably in transit. Reading before it
                    // arrives would mean reading twice.
                    let grace = self.timing.beat.divided(PAGE_GRACE_DIVISOR);
                    self.timers.set(Timer::Page, now.after(grace));
                }
            }
        }
        self.update_timers(now);
    }

    /// Sets where beats and acknowledgements are sent from now on.
    pub fn set_heartbeat_path(&mut self, now: Instant, heartbeat_path: HeartbeatPath) {
        if self.phase == Phase::Up && self.heartbeat_path != heartbeat_path {
            self.heartbeat_path = heartbeat_path;
            if heartbeat_path == HeartbeatPath::Register {
                self.page_hint = Seq::NONE;
            }
            self.update_timers(now);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.assert_drained();
        // Fire each timer at most once: with a period of zero it would be due again immediately.
        let due = core::iter::from_fn(|| self.timers.take_due(now));
        let mut fired = [None; TIMERS.len()];
        for (place, timer) in fired.iter_mut().zip(due) {
            *place = Some(timer);
        }
        for timer in fired.into_iter().flatten() {
            self.fire(now, timer);
        }
        self.update_timers(now);
    }

    fn fire(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Hello => {
                assert!(self.phase == Phase::Down);
                self.perms_due = true;
                self.say_hello();
                self.hello_step = self.hello_step.saturating_add(1).min(HELLO_BEATS_MAX as u8);
                self.timers.set(Timer::Hello, now.after(self.hello_delay()));
            }
            Timer::FirstHello => self.say_hello(),
            Timer::Beat => self.dirty = true,
            Timer::Poll => self.read_due = true,
            Timer::Page => self.read_due |= self.page_hint > self.received(),
            Timer::Retry => {}
            Timer::MendWindow => self.recreated = 0,
        }
    }
}
