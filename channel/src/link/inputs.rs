//! What happens to a link: answers of xenstore, time, what its page shows, and what a silent peer
//! means (docs/protocol.md §4, §5). Each input goes to the endpoint first; what follows from it is
//! done by [`Link::poll_action`], which must have nothing left to do before the next input.

use super::events::ROOM_FOR_READING;
use super::requests::StoreOp;
use super::store_state::StoreState;
use super::{Agenda, Link};
use crate::endpoint::{Found, Introduction, ReadFailure, Reading, Timer, WriteOutcome};
use crate::epoch::EpochSource;
use crate::event::{DownReason, Event, Notice};
use crate::instant::Instant;
use crate::limits::INTRODUCTION_BEATS;
use crate::liveness::SilentRead;

impl<const COUNT: usize, const BYTES: usize> Link<COUNT, BYTES> {
    /// The domain was restored, perhaps with another domid. Everything that xenstore, the own page
    /// and the own ports knew is gone.
    pub fn handle_resumed(&mut self, now: Instant, epochs: &mut impl EpochSource) {
        self.assert_drained();
        let was_up = self.endpoint.is_up();
        self.endpoint.handle_resumed(now, epochs);
        if !was_up {
            self.machine_down();
        }
        self.store = StoreState::NEW;
        self.noticed = 0;
    }

    /// The own introduction was read. `None`: there is none, or none that can be parsed.
    pub fn handle_introduction(
        &mut self,
        now: Instant,
        found: Option<Introduction>,
        epochs: &mut impl EpochSource,
    ) {
        self.assert_drained();
        self.store.looking = false;
        match found {
            Some(read) => self.handle_introduced(now, read, epochs),
            None => {
                self.handle_no_introduction();
                self.store.waited = true;
            }
        }
        // Known to nobody but dom0, and its event may be lost.
        let is_known = self.endpoint.introduction().is_some();
        let rest = self.settings.beat.times(INTRODUCTION_BEATS);
        self.store.look_at = (!is_known).then(|| now.after(rest));
    }

    fn handle_introduced(
        &mut self,
        now: Instant,
        read: Introduction,
        epochs: &mut impl EpochSource,
    ) {
        if self.events.room() < ROOM_FOR_READING {
            self.store.look_again();
            return;
        }
        let known = self.endpoint.introduction();
        let found = if self.store.has_waited() { Found::Later } else { Found::AtStart };
        self.endpoint.handle_introduction(now, read, found, epochs);
        if known != Some(read) {
            self.agenda.announce = Some(read);
        }
    }

    fn handle_no_introduction(&mut self) {
        if self.endpoint.introduction().is_none()
            && !self.store.has_waited()
            && self.events.room() > ROOM_FOR_READING
        {
            self.events.push(Event::Waiting);
        }
    }

    /// A [`StoreOp::Make`] or [`StoreOp::SetPerms`] was answered.
    pub fn handle_mailbox_prepared(&mut self, op: StoreOp) {
        match op {
            StoreOp::Make => self.store.making = false,
            StoreOp::SetPerms => self.store.permitting = false,
            _ => {}
        }
    }

    /// A watch event named the own mailbox: it may have changed. Only a READ tells.
    pub fn handle_hint(&mut self) {
        self.endpoint.handle_hint();
    }

    /// The own mailbox was read, and holds this.
    pub fn handle_read(&mut self, now: Instant, value: &[u8], epochs: &mut impl EpochSource) {
        self.assert_drained();
        if self.events.room() < ROOM_FOR_READING {
            // The user is slow: the register stays where it is, and is read again.
            self.endpoint.handle_unread(now, ReadFailure::Later);
            return;
        }
        let reading = self.endpoint.handle_read(now, value, epochs);
        // A session that begins forgets the last one's beats.
        while let Some(event) = self.endpoint.poll_event() {
            self.handle_session(now, event);
        }
        match reading {
            Reading::Garbage => self.notice(Notice::GarbageMailbox),
            Reading::Session { beat } if self.endpoint.is_up() => {
                self.liveness.handle_register_beat(now, beat);
            }
            Reading::Empty | Reading::Hello | Reading::Session { .. } => {}
        }
        self.agenda = Agenda { observe: true, judge: true, publish: true, ..self.agenda };
    }

    /// The own mailbox could not be read.
    pub fn handle_unread(&mut self, now: Instant, failure: ReadFailure) {
        self.assert_drained();
        self.endpoint.handle_unread(now, failure);
        match failure {
            ReadFailure::Absent => {
                let given_up = self.endpoint.has_given_up_mending();
                self.notice(if given_up {
                    Notice::MailboxKeepsVanishing
                } else {
                    Notice::MailboxAbsent
                });
                self.agenda = Agenda { observe: true, judge: true, ..self.agenda };
            }
            ReadFailure::Later => {}
        }
    }

    /// A WRITE to the peer's mailbox was answered.
    pub fn handle_written(
        &mut self,
        now: Instant,
        outcome: WriteOutcome,
        epochs: &mut impl EpochSource,
    ) {
        self.assert_drained();
        if outcome == WriteOutcome::Refused && !self.endpoint.is_up() {
            self.notice(Notice::PeerNotReady);
        }
        self.endpoint.handle_written(now, outcome, epochs);
        self.agenda.publish = true;
    }

    /// Xenstore will not answer what is under way. The session may go on.
    pub(crate) fn handle_store_lost(&mut self, now: Instant) {
        self.endpoint.handle_store_lost(now);
        self.store.handle_store_lost();
    }

    /// Time has passed, or the page has changed.
    pub fn handle_step(&mut self) {
        self.assert_drained();
        self.agenda =
            Agenda { observe: true, time: true, page_beat: true, publish: true, ..self.agenda };
    }

    pub(super) fn handle_time(&mut self, now: Instant) {
        if self.endpoint.deadline() <= now {
            let ticks = self.endpoint.timers().is_set(Timer::Hello);
            self.endpoint.handle_timeout(now);
            // The hello timer looks for a lost introduction too: the peer may have another domid.
            if ticks && !self.endpoint.is_up() {
                self.store.look_again();
            }
        }
        self.store.handle_time(now);
    }

    /// Reports something odd, once.
    pub(super) fn notice(&mut self, notice: Notice) {
        let bit = 1u16 << notice as u16;
        if self.noticed & bit == 0 && self.events.room() > ROOM_FOR_READING {
            self.noticed |= bit;
            self.events.push(Event::Notice(notice));
        }
    }

    /// A READ was answered, and what it showed was taken in: is the peer dead (docs/protocol.md §5)?
    pub(super) fn judge(&mut self, now: Instant, epochs: &mut impl EpochSource) {
        if !self.endpoint.is_up() {
            return;
        }
        match self.liveness.handle_answer(self.read_issued, now) {
            SilentRead::Alive => {}
            SilentRead::Dead(detected_by) => {
                self.endpoint.handle_verdict(now, DownReason::BeatsMissed, detected_by, epochs);
            }
            // Xen may know at once.
            SilentRead::Missed => (self.agenda.ask_port, self.agenda.ask_domain) = (true, true),
        }
    }

    /// Inputs come one at a time.
    fn assert_drained(&self) {
        assert!(
            self.agenda == Agenda::default() && self.reached.is_none(),
            "poll_action until None, then the next input"
        );
    }
}
