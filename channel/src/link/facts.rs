//! What happens to a link: answers of xenstore, time, and what they make of a silent peer
//! (docs/protocol.md §4, §5). Each fact goes to the endpoint first, and what follows is settled
//! before the next.

use super::Link;
use super::events::ROOM_FOR_READING;
use crate::endpoint::{Found, Introduction, ReadFailure, Reading, Timer, WriteOutcome};
use crate::event::{DownReason, Event, Notice, Witness};
use crate::instant::Instant;
use crate::liveness::Verdict;
use crate::platform::{PeerState, Platform, PortState};
use crate::store::Desk;

impl Link {
    pub(crate) fn handle_resumed(&mut self, now: Instant, platform: &mut impl Platform) {
        let was_up = self.endpoint.is_up();
        self.endpoint.handle_resumed(now, platform);
        if !was_up {
            self.machine_down();
        }
        self.desk = Desk::NEW;
        self.noticed = 0;
        self.settle(now, platform);
    }

    pub(crate) fn handle_introduction(
        &mut self,
        now: Instant,
        read: Introduction,
        platform: &mut impl Platform,
    ) {
        if self.events.room() < ROOM_FOR_READING {
            self.desk.look_again();
            return;
        }
        let known = self.endpoint.introduction();
        let found = if self.desk.has_waited() { Found::Later } else { Found::AtStart };
        self.endpoint.handle_introduction(now, read, found, platform);
        self.settle(now, platform);
        if known != Some(read) {
            self.noticed = 0;
            self.events.push(Event::Introduced { peer: read.peer, number: read.number });
        }
    }

    /// There is no introduction, or none that can be read.
    pub(crate) fn handle_no_introduction(&mut self) {
        if self.endpoint.introduction().is_none()
            && !self.desk.has_waited()
            && self.events.room() > ROOM_FOR_READING
        {
            self.events.push(Event::Waiting);
        }
    }

    pub(crate) fn handle_read_issued(&mut self, now: Instant) {
        self.read_issued = now;
    }

    pub(crate) fn handle_read(&mut self, now: Instant, value: &[u8], platform: &mut impl Platform) {
        if self.events.room() < ROOM_FOR_READING {
            // The user is slow: the register stays where it is, and is read again.
            self.endpoint.handle_unread(now, ReadFailure::Later);
            return;
        }
        let reading = self.endpoint.handle_read(now, value, platform);
        self.settle(now, platform);
        match reading {
            Reading::Garbage => self.notice(Notice::GarbageMailbox),
            Reading::Session { beat } if self.endpoint.is_up() => {
                self.liveness.handle_register_beat(now, beat);
            }
            Reading::Empty | Reading::Hello | Reading::Session { .. } => {}
        }
        self.judge(now, platform);
        self.publish(platform);
    }

    pub(crate) fn handle_unread(
        &mut self,
        now: Instant,
        failure: ReadFailure,
        platform: &mut impl Platform,
    ) {
        self.endpoint.handle_unread(now, failure);
        match failure {
            ReadFailure::Absent => {
                let given_up = self.endpoint.has_given_up_mending();
                self.notice(if given_up {
                    Notice::MailboxKeepsVanishing
                } else {
                    Notice::MailboxAbsent
                });
                self.judge(now, platform);
            }
            ReadFailure::Later => {}
        }
    }

    pub(crate) fn handle_written(
        &mut self,
        now: Instant,
        outcome: WriteOutcome,
        platform: &mut impl Platform,
    ) {
        if outcome == WriteOutcome::Refused && !self.endpoint.is_up() {
            self.notice(Notice::PeerNotReady);
        }
        self.endpoint.handle_written(now, outcome, platform);
        self.settle(now, platform);
        self.publish(platform);
    }

    /// Xenstore will not answer what is under way. The session may go on.
    pub(crate) fn handle_store_lost(&mut self, now: Instant) {
        self.endpoint.handle_store_lost(now);
        self.desk.handle_store_lost();
    }

    /// Time has passed, or the page has changed.
    pub(crate) fn handle_step(&mut self, now: Instant, platform: &mut impl Platform) {
        // First: what is in the page decides whether anything is late.
        self.look_at_page(now, platform);
        if self.endpoint.deadline() <= now {
            let ticks = self.endpoint.timers().is_set(Timer::Hello);
            self.endpoint.handle_timeout(now);
            // The hello timer looks for a lost introduction too: the peer may have another domid.
            if ticks && !self.endpoint.is_up() {
                self.desk.look_again();
            }
        }
        self.desk.handle_time(now);
        self.settle(now, platform);
        self.beat_in_page(now, platform);
        self.publish(platform);
    }

    /// Says something odd, once.
    pub(crate) fn notice(&mut self, notice: Notice) {
        let bit = 1u16 << notice as u16;
        if self.noticed & bit == 0 && self.events.room() > ROOM_FOR_READING {
            self.noticed |= bit;
            self.events.push(Event::Notice(notice));
        }
    }

    /// A READ was answered, and what it showed was told: is the peer dead (docs/protocol.md §5)?
    fn judge(&mut self, now: Instant, platform: &mut impl Platform) {
        if !self.endpoint.is_up() {
            return;
        }
        self.look_at_page(now, platform);
        let (reason, witness) = match self.liveness.handle_answer(self.read_issued, now) {
            Verdict::Alive => return,
            Verdict::Dead(witness) => (DownReason::BeatsMissed, witness),
            Verdict::Missed => match self.ask_xen(platform) {
                Some(found) => found,
                None => return,
            },
        };
        self.endpoint.handle_verdict(now, reason, witness, platform);
        self.settle(now, platform);
    }

    /// Asks Xen for a peer that is silent: it may know at once.
    pub(super) fn ask_xen(
        &mut self,
        platform: &mut impl Platform,
    ) -> Option<(DownReason, Witness)> {
        let found = self.ask_port(platform);
        if found.is_some() {
            return found;
        }
        let peer = self.endpoint.introduction()?.peer;
        if platform.peer_exists(peer) == PeerState::Gone {
            return Some((DownReason::PeerGone, Witness::Hypervisor));
        }
        None
    }

    /// Asks Xen for the own port while connected: it has lost its other end if the peer died.
    pub(super) fn ask_port(
        &mut self,
        platform: &mut impl Platform,
    ) -> Option<(DownReason, Witness)> {
        let is_lost = self.is_bound() && platform.port_state(self.id) == PortState::Unbound;
        is_lost.then_some((DownReason::PortUnbound, Witness::Port))
    }
}
