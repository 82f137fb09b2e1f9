//! What a session does inside: the parts that several inputs share (docs/protocol.md §4 and §5). A
//! register is taken here, the endpoint goes up and down here, and the timers follow the state
//! here.

use super::{Endpoint, Found, HeartbeatPath, Outbox, Phase, Reading, SessionEvent, Timer};
use crate::epoch::{Epoch, EpochSource};
use crate::event::{Breach, DetectedBy, DownReason};
use crate::instant::Instant;
use crate::limits::{MENDS_BEATS, MENDS_MAX, RETRY_DIVISOR};
use crate::queue::Queue;
use crate::register::{Register, Seq};

impl<const COUNT: usize, const BYTES: usize> Endpoint<COUNT, BYTES> {
    /// S4 to S9.
    pub(super) fn take_register(
        &mut self,
        now: Instant,
        register: &Register<'_>,
        epochs: &mut impl EpochSource,
    ) -> Reading {
        let header = register.header;
        let is_news = self.peer != Some(header.from);
        if self.phase == Phase::Up && is_news {
            // S7. Up again only on another reading: this one is addressed to the old epoch.
            self.go_down(now, DownReason::PeerRestarted, DetectedBy::Register, epochs);
            self.peer = Some(header.from);
            return Reading::Hello;
        }
        if self.phase == Phase::Down && is_news {
            // S4. The own epoch stays: drawing a new one would be news to the peer, and so on.
            self.peer = Some(header.from);
            self.dirty = true;
            self.hello_step = 0;
            self.timers.set(Timer::Hello, now.after(self.hello_delay()));
        }
        if header.to != Some(self.my) {
            // S6 and S9: not addressed to this life. Neither ack nor messages are looked at.
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

    /// S5: the peer has echoed the present epoch.
    pub(super) fn go_up(&mut self, peer: Epoch) {
        assert!(self.event.is_none());
        assert!(self.sent == Seq::NONE && self.delivered == Seq::NONE);
        self.phase = Phase::Up;
        self.event = Some(SessionEvent::Up { my: self.my, peer });
        self.timers.stop(Timer::Hello);
        self.timers.stop(Timer::FirstHello);
        self.permit_due = false;
        // The peer needs a register that names it. One that was written, or is on its way, is not
        // written twice: nothing wipes it.
        let said = Some(self.said());
        self.dirty = self.written != said && self.writing != said;
    }

    /// S8: acknowledgement and messages of the present session.
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
            // A register that takes an endpoint up and breaks the protocol at once must still
            // give both events; the caller drains one at a time.
            self.end_by_breach(now, breach, epochs);
            return;
        }
        self.acknowledge(header.ack);
        let mut inbox = Queue::EMPTY;
        for (seq, message) in register.iter() {
            // What does not fit in a smaller queue than the peer's is read again later: it stays
            // in the register until it is acknowledged.
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
            // Never announced: an up and a down in one breath are nothing to the user.
            self.forget_session(now, epochs);
        } else {
            self.go_down(now, DownReason::Protocol(breach), DetectedBy::Register, epochs);
        }
    }

    /// Own messages up to `seq` have been delivered.
    pub(super) fn acknowledge(&mut self, seq: Seq) {
        assert!(seq <= self.sent);
        while self.acked < seq {
            self.outbox.pop();
            self.acked = self.acked.next();
        }
        self.stored = self.stored.max(self.acked);
    }

    /// The last message that was read, delivered or not.
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

    /// Down: a new epoch, and what is unacknowledged becomes unknown. The peer is kept.
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
        self.traffic = HeartbeatPath::Register;
        self.page_hint = Seq::NONE;
        (self.dirty, self.look_first) = (true, false);
        self.hello_step = 0;
        self.timers.stop(Timer::Beat);
        self.timers.stop(Timer::Poll);
        self.timers.stop(Timer::Page);
        self.timers.set(Timer::Hello, now.after(self.hello_delay()));
    }

    /// A hello, and a look at the mailbox just before it.
    pub(super) fn say_hello(&mut self) {
        (self.read_due, self.look_first) = (true, true);
        self.dirty = true;
    }

    /// Not up, and somebody to say hello to.
    pub(super) fn begin_hello(&mut self, now: Instant, found: Found) {
        assert!(self.phase == Phase::Down);
        if found == Found::AtStart {
            (self.read_due, self.look_first) = (true, true);
        }
        self.hello_step = 0;
        let first = now.after(self.pace.first_hello);
        if first == now {
            self.dirty = true;
        } else {
            self.timers.set(Timer::FirstHello, first);
        }
        self.timers.set(Timer::Hello, first.after(self.hello_delay()));
    }

    /// Nothing more is asked of a daemon that could not, for a while.
    pub(super) fn back_off(&mut self, now: Instant) {
        self.timers.set(Timer::Retry, now.after(self.pace.beat.divided(RETRY_DIVISOR)));
    }

    /// The own mailbox is gone: it is made again, but not for ever.
    pub(super) fn plan_mend(&mut self, now: Instant) {
        self.mailbox_absent = true;
        if u32::from(self.mends) >= MENDS_MAX {
            return;
        }
        if self.mends == 0 {
            self.timers.set(Timer::MendWindow, now.after(self.pace.beat.times(MENDS_BEATS)));
        }
        self.mends += 1;
        self.mend_due = true;
    }

    /// Whether the mailbox keeps vanishing, and is left alone for a while.
    pub fn has_given_up_mending(&self) -> bool {
        u32::from(self.mends) >= MENDS_MAX
    }

    /// Whether a life goes on that needs neither WRITE nor READ (rule Q). A mailbox that was absent
    /// may not have been made again, for want of quota: only a READ tells.
    pub fn is_quiet(&self) -> bool {
        self.phase == Phase::Up
            && self.traffic == HeartbeatPath::Page
            && !self.mailbox_absent
            && self.all_acked()
            && self.page_hint <= self.received()
    }

    /// Sets the beat and poll timers that the state asks for, and takes off the others.
    pub(super) fn settle(&mut self, now: Instant) {
        let is_up = self.phase == Phase::Up;
        let in_register = matches!(self.traffic, HeartbeatPath::Register | HeartbeatPath::Both);
        let beats = is_up && (in_register || !self.all_acked());
        let polls = is_up && !self.reading && !self.is_quiet();
        for (timer, wanted) in [(Timer::Beat, beats), (Timer::Poll, polls)] {
            if !wanted {
                self.timers.stop(timer);
            } else if !self.timers.is_set(timer) {
                self.timers.set(timer, now.after(self.pace.beat));
            }
        }
    }
}
