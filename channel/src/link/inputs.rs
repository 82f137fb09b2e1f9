//! The inputs of a link: xenstore replies and the passing of time (docs/protocol.md §4, §5). Each
//! input goes to the endpoint first; [`Link::poll_action`] then carries out the consequences. It
//! must have returned `None` before the next input.

use super::Link;
use super::agenda::Agenda;
use super::events::ROOM_FOR_READING;
use super::requests::StoreOp;
use super::store_state::StoreState;
use crate::endpoint::{Found, Introduction, ReadFailure, Reading, Timer, WriteOutcome};
use crate::epoch::EpochSource;
use crate::event::{DownReason, Event, Notice};
use crate::instant::Instant;
use crate::limits::INTRODUCTION_BEATS;
use crate::liveness::SilentRead;

impl<const COUNT: usize, const BYTES: usize> Link<COUNT, BYTES> {
    /// The domain was restored, possibly with another domid. Its xenstore state, its mappings and
    /// its ports are gone.
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

    /// This side's introduction was read. `None` means that it is absent or cannot be parsed.
    pub fn handle_introduction(
        &mut self,
        now: Instant,
        found: Option<Introduction>,
        epochs: &mut impl EpochSource,
    ) {
        self.assert_drained();
        self.store.reading_introduction = false;
        match found {
            Some(read) => self.handle_introduced(now, read, epochs),
            None => {
                self.handle_no_introduction();
                self.store.waited = true;
            }
        }
        // The watch event of an introduction may be lost, so poll for it.
        let is_known = self.endpoint.introduction().is_some();
        let rest = self.settings.beat.times(INTRODUCTION_BEATS);
        self.store.introduction_at = (!is_known).then(|| now.after(rest));
    }

    fn handle_introduced(
        &mut self,
        now: Instant,
        read: Introduction,
        epochs: &mut impl EpochSource,
    ) {
        if self.events.room() < ROOM_FOR_READING {
            self.store.reread_introduction();
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

    /// A [`StoreOp::MakeMailbox`] or [`StoreOp::SetPerms`] was answered.
    pub fn handle_mailbox_prepared(&mut self, op: StoreOp) {
        match op {
            StoreOp::MakeMailbox => self.store.making = false,
            StoreOp::SetPerms => self.store.setting_perms = false,
            _ => {}
        }
    }

    /// A watch event named this side's mailbox: it may have changed, so it must be read.
    pub fn handle_hint(&mut self) {
        self.endpoint.handle_hint();
    }

    /// This side's mailbox was read and contains `value`.
    pub fn handle_read(&mut self, now: Instant, value: &[u8], epochs: &mut impl EpochSource) {
        self.assert_drained();
        if self.events.room() < ROOM_FOR_READING {
            // The user has not taken its events: leave the register in the mailbox and read it
            // again.
            self.endpoint.handle_unread(now, ReadFailure::Later);
            return;
        }
        let reading = self.endpoint.handle_read(now, value, epochs);
        // Handle these first: a new session resets the beats of the last one.
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
        self.agenda = Agenda { observe: true, check_liveness: true, publish: true, ..self.agenda };
    }

    /// This side's mailbox could not be read.
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
                self.agenda = Agenda { observe: true, check_liveness: true, ..self.agenda };
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

    /// Xenstore will not answer the outstanding requests. The session may continue.
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
            let is_hello_due = self.endpoint.timers().is_set(Timer::Hello);
            self.endpoint.handle_timeout(now);
            // Read the introduction too: the peer may have another domid, and the event may be
            // lost.
            if is_hello_due && !self.endpoint.is_up() {
                self.store.reread_introduction();
            }
        }
        self.store.handle_time(now);
    }

    /// Reports a notice once.
    pub(super) fn notice(&mut self, notice: Notice) {
        let bit = 1u16 << notice as u16;
        if self.noticed & bit == 0 && self.events.room() > ROOM_FOR_READING {
            self.noticed |= bit;
            self.events.push(Event::Notice(notice));
        }
    }

    /// Checks whether the peer is dead, after the answer to a READ was processed (docs/protocol.md
    /// §5).
    pub(super) fn check_liveness(&mut self, now: Instant, epochs: &mut impl EpochSource) {
        if !self.endpoint.is_up() {
            return;
        }
        match self.liveness.handle_answer(self.read_issued, now) {
            SilentRead::Alive => {}
            SilentRead::Dead(detected_by) => {
                self.endpoint.handle_peer_failure(
                    now,
                    DownReason::BeatsMissed,
                    detected_by,
                    epochs,
                );
            }
            // Xen may already know that the peer is gone.
            SilentRead::Missed => (self.agenda.ask_port, self.agenda.ask_domain) = (true, true),
        }
    }

    /// All actions of the last input must be complete.
    fn assert_drained(&self) {
        assert!(
            self.agenda == Agenda::default() && self.reached.is_none(),
            "poll_action until None, then the next input"
        );
    }
}
