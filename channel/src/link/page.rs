//! The page header of a live connection: the words of both sides, and the beats (docs/protocol.md
//! §9, rule Q). The peer may write every word read here at any time. Each word is copied once and
//! can only make this side read its mailbox, continue, or end the session or connection.

use grant::{Closing, Fence, PageWords};

use super::{Link, Machine};
use crate::back::BackState;
use crate::connection::Observation;
use crate::endpoint::HeartbeatPath;
use crate::epoch::EpochSource;
use crate::event::{DetectedBy, DownReason};
use crate::front::FrontState;
use crate::instant::Instant;
use crate::liveness::Lateness;
use crate::register::Seq;

impl<const COUNT: usize, const BYTES: usize> Link<COUNT, BYTES> {
    /// Whether this side may publish words in a page.
    pub const fn has_live_page(&self) -> bool {
        match &self.machine {
            Machine::Front(front) => matches!(
                front.state(),
                FrontState::Connected | FrontState::Leaving | FrontState::Disconnecting
            ),
            Machine::Back(back) => matches!(
                back.state(),
                BackState::Stamped
                    | BackState::Serving
                    | BackState::WantsClose
                    | BackState::Closing
            ),
        }
    }

    /// Whether the peer must have the port bound.
    pub(super) const fn is_bound(&self) -> bool {
        match &self.machine {
            Machine::Front(front) => matches!(front.state(), FrontState::Connected),
            Machine::Back(_) => self.has_live_page(),
        }
    }

    /// Whether acknowledgements and beats may travel in the page. A front that is disconnecting
    /// does not rely on the page: the back may unmap it at any time.
    const fn is_carried_by_page(&self) -> bool {
        self.is_bound()
    }

    /// When the page beat next becomes late or overdue; [`Instant::NEVER`] if no beat is expected.
    pub fn late_at(&self) -> Instant {
        if !self.is_carried_by_page() || !self.liveness.page_moved() {
            return Instant::NEVER;
        }
        match self.lateness {
            Lateness::None => self.liveness.late_at(),
            Lateness::Late => self.liveness.overdue_at(),
            Lateness::Overdue => Instant::NEVER,
        }
    }

    /// Starts or stops the page beat according to the state of the machine.
    fn begin_or_end_page(&mut self, now: Instant) {
        match (self.page_beat_at, self.has_live_page()) {
            (None, true) => {
                self.page_beat_at = Some(now.after(self.settings.beat));
                self.liveness.handle_page_change(now);
            }
            (Some(_), false) => {
                self.page_beat_at = None;
                self.published = PageWords::default();
                self.liveness.handle_page_change(now);
            }
            _ => {}
        }
    }

    /// Updates the page beat, and determines how late the peer's page beat is.
    pub(super) fn follow_page(&mut self, now: Instant) {
        self.begin_or_end_page(now);
        let heartbeat_path = self.heartbeat_path(now);
        let lateness = match heartbeat_path {
            HeartbeatPath::Suspect if self.liveness.overdue_at() <= now => Lateness::Overdue,
            HeartbeatPath::Suspect => Lateness::Late,
            _ => Lateness::None,
        };
        let before = core::mem::replace(&mut self.lateness, lateness);
        self.endpoint.set_heartbeat_path(now, heartbeat_path);
        if lateness > before {
            // Only the mailbox can show whether the peer is alive.
            self.endpoint.handle_hint();
        }
    }

    fn heartbeat_path(&self, now: Instant) -> HeartbeatPath {
        if !self.is_carried_by_page() {
            HeartbeatPath::Register
        } else if !self.liveness.page_moved() {
            HeartbeatPath::Both
        } else if self.liveness.late_at() <= now {
            HeartbeatPath::Suspect
        } else {
            HeartbeatPath::Page
        }
    }

    /// Whether the page may contain words of the peer.
    pub fn is_page_watched(&self) -> bool {
        let is_connecting = match &self.machine {
            Machine::Front(front) => front.state() == FrontState::Connecting,
            Machine::Back(_) => false,
        };
        is_connecting || self.has_live_page()
    }

    pub(super) fn handle_observation(
        &mut self,
        now: Instant,
        seen: &Observation,
        epochs: &mut impl EpochSource,
    ) {
        match &self.machine {
            Machine::Front(_) => self.observe_back(now, seen, epochs),
            Machine::Back(_) => self.observe_front(now, seen, epochs),
        }
    }

    /// C2 and C3: handles the back's stamp, then its words.
    fn observe_back(&mut self, now: Instant, seen: &Observation, epochs: &mut impl EpochSource) {
        let Some(peer) = self.endpoint.peer_epoch() else { return };
        let Machine::Front(front) = &mut self.machine else { return };
        // Words next to another stamp belong to another session.
        if (seen.stamp.epoch, seen.stamp.number) != (peer, front.number()) {
            return;
        }
        front.handle_stamp(seen.stamp, peer);
        // Take it before the closing word, which reports an event too.
        if let Some(event) = front.poll_event() {
            self.handle_machine_event(event);
        }
        self.handle_words(now, seen.words, epochs);
        if seen.closing == Closing::Asked {
            self.front().handle_closing_word();
        }
    }

    /// D5: handles the fence, then the front's words; D7: then its closing word.
    fn observe_front(&mut self, now: Instant, seen: &Observation, epochs: &mut impl EpochSource) {
        if seen.fence == Fence::Closed {
            self.endpoint.handle_peer_failure(now, DownReason::Fenced, DetectedBy::Page, epochs);
            return;
        }
        self.handle_words(now, seen.words, epochs);
        if seen.closing == Closing::Asked
            && self.has_live_page()
            && let Machine::Back(back) = &mut self.machine
        {
            back.handle_closing_word();
        }
    }

    fn handle_words(&mut self, now: Instant, words: PageWords, epochs: &mut impl EpochSource) {
        if !self.has_live_page() {
            return;
        }
        self.begin_or_end_page(now);
        self.liveness.handle_page_beat(now, words.beat);
        self.endpoint.handle_page(now, Seq(words.sent), Seq(words.delivered), epochs);
    }

    /// Sends this side's page beat, and queries Xen once a period: the port always, so that a peer
    /// that dies right after a beat is detected within one period; the domain only if the peer is
    /// silent.
    pub(super) fn beat_in_page(&mut self, now: Instant) {
        let Some(at) = self.page_beat_at.filter(|at| *at <= now) else { return };
        let period = self.settings.beat;
        // Count from the scheduled time, so that beats do not drift; after a long sleep, from now.
        let next = at.after(period);
        self.page_beat_at = Some(if next <= now { now.after(period) } else { next });
        self.liveness.next_beat();
        self.liveness.handle_own_page_beat();
        self.agenda.ask_port = true;
        self.agenda.ask_domain = now.since(self.liveness.alive_at()) >= period;
    }

    /// Whether the page lacks the latest `sent` or `delivered`. A new beat alone is not urgent.
    pub(super) fn has_unpublished(&self) -> bool {
        let words = self.words();
        self.has_live_page()
            && (words.sent, words.delivered) != (self.published.sent, self.published.delivered)
    }

    /// The words that this side publishes in the page.
    pub(super) fn words(&self) -> PageWords {
        PageWords {
            beat: self.liveness.beat(),
            sent: self.endpoint.stored().0,
            delivered: self.endpoint.delivered().0,
        }
    }
}
