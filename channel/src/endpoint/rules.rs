//! What happens to an endpoint: rules S0 to S11 of docs/protocol.md §4, one function for each
//! input. A state that an input cannot meet is asserted, never ignored, except where a peer could
//! bring it about.

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
    /// S0: the user restarts the endpoint in place. Requests under way stay under way; what they
    /// bring is judged by the new epoch.
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
            self.permit_due = true;
        }
        self.settle(now);
    }

    /// S0: the domain was suspended and is back. Nothing local has survived: no request is under
    /// way, and the introduction is another domain's.
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
        (self.dirty, self.read_due, self.look_first) = (false, false, false);
        (self.permit_due, self.mend_due) = (false, false);
        self.mends = 0;
        self.timers = TimerTable::IDLE;
        self.settle(now);
    }

    /// Whatever was under way in xenstore will never be answered: its ring was reset.
    pub fn handle_store_lost(&mut self, now: Instant) {
        self.assert_drained();
        self.reading = false;
        self.writing = None;
        self.written = None;
        self.read_due = self.introduction.is_some();
        self.look_first = false;
        self.dirty = self.introduction.is_some();
        self.settle(now);
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
            // Nothing is known of the new peer, and nothing unacked to the old one.
            self.peer = None;
            self.dirty = false;
        }
        // Introduced before: whatever is in the mailbox may be old.
        let found = if known.is_some() { Found::AtStart } else { found };
        self.introduction = Some(read);
        self.mends = 0;
        // Whatever was written may have been refused, or lost with the peer's home.
        self.written = None;
        if self.phase == Phase::Up {
            self.dirty = true;
        } else {
            self.begin_hello(now, found);
        }
        self.settle(now);
    }

    /// The mailbox may have changed: a watch event, or a word in the page. Only a READ tells.
    pub fn handle_hint(&mut self) {
        if self.introduction.is_some() {
            self.read_due = true;
        }
    }

    /// The wish is under way.
    pub fn handle_submitted(&mut self, now: Instant, wish: StoreRequest) {
        self.assert_drained();
        assert!(self.poll_request() == Some(wish));
        match wish {
            StoreRequest::RecreateMailbox => {
                self.mend_due = false;
                self.permit_due = true;
            }
            StoreRequest::SetPerms => self.permit_due = false,
            StoreRequest::Read => {
                self.read_due = false;
                self.reading = true;
                self.timers.stop(Timer::Poll);
            }
            StoreRequest::Write => {
                self.dirty = false;
                self.unacked = (0, 0);
                self.writing = Some(self.said());
                self.timers.stop(Timer::Beat);
                self.timers.stop(Timer::FirstHello);
            }
        }
        self.settle(now);
    }

    /// A READ of the mailbox gave this value (rules S4 to S10).
    pub fn handle_read(
        &mut self,
        now: Instant,
        value: &[u8],
        epochs: &mut impl EpochSource,
    ) -> Reading {
        self.assert_drained();
        assert!(self.reading, "an answer without a READ");
        (self.reading, self.look_first, self.mailbox_absent) = (false, false, false);
        let reading = if value.is_empty() {
            Reading::Empty
        } else {
            match Register::parse(value) {
                Ok(register) => self.take_register(now, &register, epochs),
                Err(_) => Reading::Garbage,
            }
        };
        self.settle(now);
        self.assert_consistent();
        reading
    }

    /// A READ of the mailbox gave nothing (rule S10).
    pub fn handle_unread(&mut self, now: Instant, failure: ReadFailure) {
        self.assert_drained();
        assert!(self.reading, "an answer without a READ");
        (self.reading, self.look_first) = (false, false);
        match failure {
            ReadFailure::Absent => self.plan_mend(now),
            ReadFailure::Later => {
                self.read_due = true;
                self.back_off(now);
            }
        }
        self.settle(now);
    }

    /// A WRITE of the register was answered. Only the answer to one of the present epoch counts.
    pub fn handle_written(
        &mut self,
        now: Instant,
        outcome: WriteOutcome,
        epochs: &mut impl EpochSource,
    ) {
        self.assert_drained();
        let said = self.writing.take();
        assert!(said.is_some(), "an answer without a WRITE");
        let Some(said) = said.filter(|said| said.from == self.my) else { return };
        self.written = None;
        match outcome {
            WriteOutcome::Done => {
                self.written = Some(said);
                self.stored = self.stored.max(said.last);
            }
            WriteOutcome::Refused if self.phase == Phase::Up => {
                self.go_down(now, DownReason::WriteRefused, DetectedBy::Store, epochs);
            }
            // The peer is not there yet, or its mailbox not open to this domain: the hello timer
            // tries again.
            WriteOutcome::Refused => {}
            WriteOutcome::Later => {
                self.dirty = true;
                self.back_off(now);
            }
        }
        self.settle(now);
        self.assert_consistent();
    }

    /// S11: somebody testifies that the session is over. Without a session it says nothing.
    pub fn handle_verdict(
        &mut self,
        now: Instant,
        reason: DownReason,
        detected_by: DetectedBy,
        epochs: &mut impl EpochSource,
    ) {
        self.assert_drained();
        if self.phase == Phase::Up {
            self.go_down(now, reason, detected_by, epochs);
            self.settle(now);
        }
    }

    /// The message that [`Endpoint::message`] shows was delivered.
    pub fn handle_delivered(&mut self) {
        self.assert_drained();
        let Some(message) = self.inbox.first() else { return };
        let bytes = encoded_length(message.len());
        self.inbox.pop();
        self.delivered = self.delivered.next();
        self.unacked.0 = self.unacked.0.saturating_add(1);
        self.unacked.1 = self.unacked.1.saturating_add(u16::try_from(bytes).unwrap_or(u16::MAX));
        // A lone acknowledgement waits for the next WRITE, which the beat brings within a period.
        // One that a sender may be blocked without does not wait: half the window, or so many bytes
        // that the longest message would not fit beside them. In the page it costs nothing.
        let bytes_kept = BYTES.saturating_sub(MESSAGE_BYTES_MAX + MESSAGE_OVERHEAD_MAX);
        let is_much = usize::from(self.unacked.0) >= COUNT.div_ceil(2)
            || usize::from(self.unacked.1) >= bytes_kept;
        match self.traffic {
            HeartbeatPath::Register => self.dirty |= is_much,
            HeartbeatPath::Both | HeartbeatPath::Page | HeartbeatPath::Suspect => {
                self.ack_urgent |= is_much
            }
        }
    }

    /// The peer's words in the page: the last message that it has sent, and the last one delivered
    /// there (rule Q).
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
            // Once for each value: a peer that leaves a wrong word there is read at the pace of
            // beats, not of steps.
            if sent != self.page_hint {
                self.page_hint = sent;
                if sent > self.received() {
                    // The event of that WRITE is on its way and says the same: to read before it
                    // comes is to read twice.
                    let grace = self.pace.beat.divided(PAGE_GRACE_DIVISOR);
                    self.timers.set(Timer::Page, now.after(grace));
                }
            }
        }
        self.settle(now);
    }

    /// How life and acknowledgements travel from now on.
    pub fn set_heartbeat_path(&mut self, now: Instant, traffic: HeartbeatPath) {
        if self.phase == Phase::Up && self.traffic != traffic {
            self.traffic = traffic;
            if traffic == HeartbeatPath::Register {
                self.page_hint = Seq::NONE;
            }
            self.settle(now);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.assert_drained();
        // Each timer at most once: with a period of zero they would be due again at once.
        let due = core::iter::from_fn(|| self.timers.take_due(now));
        let mut fired = [None; TIMERS.len()];
        for (place, timer) in fired.iter_mut().zip(due) {
            *place = Some(timer);
        }
        for timer in fired.into_iter().flatten() {
            self.fire(now, timer);
        }
        self.settle(now);
    }

    fn fire(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Hello => {
                assert!(self.phase == Phase::Down);
                self.permit_due = true;
                self.say_hello();
                self.hello_step = self.hello_step.saturating_add(1).min(HELLO_BEATS_MAX as u8);
                self.timers.set(Timer::Hello, now.after(self.hello_delay()));
            }
            Timer::FirstHello => self.say_hello(),
            Timer::Beat => self.dirty = true,
            Timer::Poll => self.read_due = true,
            Timer::Page => self.read_due |= self.page_hint > self.received(),
            Timer::Retry => {}
            Timer::MendWindow => self.mends = 0,
        }
    }
}
