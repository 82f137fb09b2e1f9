//! The parts of a session that several inputs share (docs/protocol.md §4 and §5): processing a
//! register, going up and down, and updating the timers.

use super::{Endpoint, Found, HeartbeatPath, Outbox, Phase, Reading, SessionEvent, Timer};
use crate::epoch::{Epoch, EpochSource};
use crate::event::{Breach, DetectedBy, DownReason};
use crate::instant::Instant;
use crate::limits::{MENDS_BEATS, MENDS_MAX, RETRY_DIVISOR};
use crate::queue::Queue;
use crate::register::{Register, Seq};

impl<const COUNT: usize, const BYTES: usize> Endpoint<COUNT, BYTES> {
    /// S4 to S9: processes a valid register.
    pub(super) fn take_register(
        &mut self,
        now: Instant,
        register: &Register<'_>,
        epochs: &mut impl EpochSource,
    ) -> Reading {
        let header = register.header;
        let is_news = self.peer != Some(header.from);
        if self.phase == Phase::Up && is_news {
            // S7. This register is addressed to the old epoch, so only a later one can bring the
            // endpoint up.
            self.go_down(now, DownReason::PeerRestarted, DetectedBy::Register, epochs);
            self.peer = Some(header.from);
            return Reading::Hello;
        }
        if self.phase == Phase::Down && is_news {
            // S4. Keep the own epoch: a new one would make the peer answer with another, endlessly.
            self.peer = Some(header.from);
            self.dirty = true;
            self.hello_step = 0;
            self.timers.set(Timer::Hello, now.after(self.hello_delay()));
        }
        if header.to != Some(self.my) {
            // S6 and S9: addressed to another epoch. Its acknowledgement and messages are ignored.
            return Reading::Hello;
        }
        if self.phase == Phase::Down {
            self.go_up(header.from);
        }
        self.take_session(now, register, epochs);
        match self.phase {
            Phase::Up => Reading::Session { beat: header.beat },
            Phase::Down => Reading::Hello,
        }
    }

    /// S5: the peer has echoed the current epoch.
    pub(super) fn go_up(&mut self, peer: Epoch) {
        assert!(self.event.is_none());
        assert!(self.sent == Seq::NONE && self.delivered == Seq::NONE);
        self.phase = Phase::Up;
        self.event = Some(SessionEvent::Up { my: self.my, peer });
        self.timers.stop(Timer::Hello);
        self.timers.stop(Timer::FirstHello);
        self.perms_due = false;
        // The peer needs a register that names it. If one was written or is outstanding, do not
        // write it again: nothing erases it.
        let current = Some(self.current_register());
        self.dirty = self.written != current && self.writing != current;
    }

    /// S8: processes the acknowledgement and messages of the current session.
    pub(super) fn take_session(
        &mut self,
        now: Instant,
        register: &Register<'_>,
        epochs: &mut impl EpochSource,
    ) {
        let header = register.header;
        let breach = if header.ack > self.sent {
            Some(Breach::AckBeyondSent)
        } else if header.first > self.delivered.next() {
            Some(Breach::Gap)
        } else {
            None
        };
        if let Some(breach) = breach {
            // The session may have come up by this same register, and its `Up` event may not be
            // taken yet.
            self.end_by_breach(now, breach, epochs);
            return;
        }
        self.acknowledge(header.ack);
        let mut inbox = Queue::EMPTY;
        for (seq, message) in register.iter() {
            // If this queue is smaller than the peer's, the remaining messages are read again
            // later: they stay in the register until they are acknowledged.
            if seq > self.delivered && inbox.push(message).is_err() {
                break;
            }
        }
        self.inbox = inbox;
    }

    pub(super) fn end_by_breach(
        &mut self,
        now: Instant,
        breach: Breach,
        epochs: &mut impl EpochSource,
    ) {
        if let Some(SessionEvent::Up { .. }) = self.event.take() {
            // The user has not seen the `Up`: report neither event.
            self.forget_session(now, epochs);
        } else {
            self.go_down(now, DownReason::Protocol(breach), DetectedBy::Register, epochs);
        }
    }

    /// The peer has acknowledged own messages up to `seq`.
    pub(super) fn acknowledge(&mut self, seq: Seq) {
        assert!(seq <= self.sent);
        while self.acked < seq {
            self.outbox.pop();
            self.acked = self.acked.next();
        }
        self.stored = self.stored.max(self.acked);
    }

    /// The last message that was read, whether or not it was delivered.
    pub(super) fn received(&self) -> Seq {
        // At most COUNT more than delivered.
        Seq(self.delivered.0.saturating_add(self.inbox.count() as u32))
    }

    pub(super) fn go_down(
        &mut self,
        now: Instant,
        reason: DownReason,
        detected_by: DetectedBy,
        epochs: &mut impl EpochSource,
    ) {
        assert!(self.phase == Phase::Up);
        assert!(self.event.is_none());
        self.forget_session(now, epochs);
        self.event = Some(SessionEvent::Down { reason, detected_by });
    }

    /// Goes down: draws a new epoch, and keeps unacknowledged messages to hand back. The peer's
    /// epoch is kept.
    pub(super) fn forget_session(&mut self, now: Instant, epochs: &mut impl EpochSource) {
        self.phase = Phase::Down;
        if !self.outbox.is_empty() {
            self.outbox_holds = Outbox::HandingBack;
        }
        self.my = epochs.fresh_epoch();
        (self.delivered, self.acked) = (Seq::NONE, Seq::NONE);
        (self.sent, self.stored) = (Seq::NONE, Seq::NONE);
        self.inbox.clear();
        self.unacked = (0, 0);
        self.ack_urgent = false;
        self.heartbeat_path = HeartbeatPath::Register;
        self.page_hint = Seq::NONE;
        (self.dirty, self.read_first) = (true, false);
        self.hello_step = 0;
        self.timers.stop(Timer::Beat);
        self.timers.stop(Timer::Poll);
        self.timers.stop(Timer::Page);
        self.timers.set(Timer::Hello, now.after(self.hello_delay()));
    }

    /// Schedules a hello, and a READ of the mailbox before it.
    pub(super) fn say_hello(&mut self) {
        (self.read_due, self.read_first) = (true, true);
        self.dirty = true;
    }

    /// Starts sending hellos to a newly introduced peer.
    pub(super) fn begin_hello(&mut self, now: Instant, found: Found) {
        assert!(self.phase == Phase::Down);
        if found == Found::AtStart {
            (self.read_due, self.read_first) = (true, true);
        }
        self.hello_step = 0;
        let first = now.after(self.timing.first_hello);
        if first == now {
            self.dirty = true;
        } else {
            self.timers.set(Timer::FirstHello, first);
        }
        self.timers.set(Timer::Hello, first.after(self.hello_delay()));
    }

    /// Delays further requests after a temporary failure of the daemon.
    pub(super) fn back_off(&mut self, now: Instant) {
        self.timers.set(Timer::Retry, now.after(self.timing.beat.divided(RETRY_DIVISOR)));
    }

    /// This side's mailbox is gone. It is recreated a limited number of times.
    pub(super) fn plan_recreation(&mut self, now: Instant) {
        self.mailbox_absent = true;
        if u32::from(self.recreated) >= MENDS_MAX {
            return;
        }
        if self.recreated == 0 {
            self.timers.set(Timer::MendWindow, now.after(self.timing.beat.times(MENDS_BEATS)));
        }
        self.recreated += 1;
        self.recreate_due = true;
    }

    /// Whether the mailbox was lost so often that recreating it is suspended.
    pub fn has_given_up_mending(&self) -> bool {
        u32::from(self.recreated) >= MENDS_MAX
    }

    /// Whether the session needs neither WRITE nor READ at present (rule Q). After a READ that found
    /// no mailbox it still polls: a missing quota may have prevented the mailbox's recreation.
    pub fn is_quiet(&self) -> bool {
        self.phase == Phase::Up
            && self.heartbeat_path == HeartbeatPath::Page
            && !self.mailbox_absent
            && self.all_acked()
            && self.page_hint <= self.received()
    }

    /// Sets the beat and poll timers that the state requires, and cancels them otherwise.
    pub(super) fn update_timers(&mut self, now: Instant) {
        let is_up = self.phase == Phase::Up;
        let in_register =
            matches!(self.heartbeat_path, HeartbeatPath::Register | HeartbeatPath::Both);
        let beats = is_up && (in_register || !self.all_acked());
        let polls = is_up && !self.reading && !self.is_quiet();
        for (timer, wanted) in [(Timer::Beat, beats), (Timer::Poll, polls)] {
            if !wanted {
                self.timers.stop(timer);
            } else if !self.timers.is_set(timer) {
                self.timers.set(timer, now.after(self.timing.beat));
            }
        }
    }
}
