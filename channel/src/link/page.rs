//! The page header of a live connection: what the peer says there, what this side says, and beats
//! (docs/protocol.md §9, rule Q). The peer may write every word read here at any time: it is copied
//! once and can only make this side look, go on or give up, never go wrong.

use grant::{Closing, Fence, PageWords};

use super::{Link, Machine};
use crate::back::BackState;
use crate::connection::Observation;
use crate::endpoint::HeartbeatPath;
use crate::epoch::EpochSource;
use crate::event::{DetectedBy, DownReason};
use crate::front::FrontState;
use crate::instant::Instant;
use crate::register::Seq;

/// How late a beat in the page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Lateness {
    /// Not, or there is no page to beat in.
    None,
    /// Late enough to ask the mailbox.
    Late,
    /// By as many beats as mean death: the mailbox is asked once more.
    Overdue,
}

impl<const COUNT: usize, const BYTES: usize> Link<COUNT, BYTES> {
    /// Whether there is a page to say something in: from the connection's beginning to its end.
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

    /// Whether the port's other end must be there.
    pub(super) const fn is_bound(&self) -> bool {
        match &self.machine {
            Machine::Front(front) => matches!(front.state(), FrontState::Connected),
            Machine::Back(_) => self.has_live_page(),
        }
    }

    /// Whether acknowledgements and beats may travel in the page. A front that is leaving does not
    /// rely on it: the back may unmap at any moment.
    const fn is_carried_by_page(&self) -> bool {
        self.is_bound()
    }

    /// When a beat in the page is late, or later than that; [`Instant::NEVER`] if it is not waited for.
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

    /// Begins and ends the page's part in the link's life, as the machine says.
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

    /// Follows the machine, and decides how late the peer's beat in the page is.
    pub(super) fn follow_page(&mut self, now: Instant) {
        self.begin_or_end_page(now);
        let traffic = self.traffic(now);
        let lateness = match traffic {
            HeartbeatPath::Suspect if self.liveness.overdue_at() <= now => Lateness::Overdue,
            HeartbeatPath::Suspect => Lateness::Late,
            _ => Lateness::None,
        };
        let before = core::mem::replace(&mut self.lateness, lateness);
        self.endpoint.set_heartbeat_path(now, traffic);
        if lateness > before {
            // Only the mailbox tells whether the peer lives.
            self.endpoint.handle_hint();
        }
    }

    fn traffic(&self, now: Instant) -> HeartbeatPath {
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

    /// Whether a look at the page could show anything.
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
            Machine::Front(_) => self.see_back(now, seen, epochs),
            Machine::Back(_) => self.see_front(now, seen, epochs),
        }
    }

    /// C2 and C3: the back's stamp, then what it says.
    fn see_back(&mut self, now: Instant, seen: &Observation, epochs: &mut impl EpochSource) {
        let Some(peer) = self.endpoint.peer_epoch() else { return };
        let Machine::Front(front) = &mut self.machine else { return };
        // Words beside another stamp are not this session's.
        if (seen.stamp.epoch, seen.stamp.number) != (peer, front.number()) {
            return;
        }
        front.handle_stamp(seen.stamp, peer);
        // Before the closing word, which brings an event of its own.
        if let Some(event) = front.poll_event() {
            self.handle_machine_event(event);
        }
        self.take_words(now, seen.words, epochs);
        if seen.closing == Closing::Asked {
            self.front().handle_closing_word();
        }
    }

    /// D5: the fence first, then what the front says; D7: that it leaves.
    fn see_front(&mut self, now: Instant, seen: &Observation, epochs: &mut impl EpochSource) {
        if seen.fence == Fence::Closed {
            self.endpoint.handle_verdict(now, DownReason::Fenced, DetectedBy::Page, epochs);
            return;
        }
        self.take_words(now, seen.words, epochs);
        if seen.closing == Closing::Asked
            && self.has_live_page()
            && let Machine::Back(back) = &mut self.machine
        {
            back.handle_closing_word();
        }
    }

    fn take_words(&mut self, now: Instant, words: PageWords, epochs: &mut impl EpochSource) {
        if !self.has_live_page() {
            return;
        }
        self.begin_or_end_page(now);
        self.liveness.handle_page_beat(now, words.beat);
        self.endpoint.handle_page(now, Seq(words.sent), Seq(words.delivered), epochs);
    }

    /// The own beat, and once a period a look at what Xen knows of the peer: of its port in any case,
    /// so that its end is noticed within a beat although its last beat was just seen; of the domain
    /// where it is silent.
    pub(super) fn beat_in_page(&mut self, now: Instant) {
        let Some(at) = self.page_beat_at.filter(|at| *at <= now) else { return };
        let period = self.settings.beat;
        // From the intended moment, so that beats do not drift; after a long sleep from now on.
        let next = at.after(period);
        self.page_beat_at = Some(if next <= now { now.after(period) } else { next });
        self.liveness.next_beat();
        self.liveness.handle_tick();
        self.agenda.ask_port = true;
        self.agenda.ask_domain = now.since(self.liveness.alive_at()) >= period;
    }

    /// Whether the page does not yet say what was sent or delivered. A beat alone is no hurry.
    pub(super) fn has_unpublished(&self) -> bool {
        let words = self.words();
        self.has_live_page()
            && (words.sent, words.delivered) != (self.published.sent, self.published.delivered)
    }

    /// What this side has to say in the page.
    pub(super) fn words(&self) -> PageWords {
        PageWords {
            beat: self.liveness.beat(),
            sent: self.endpoint.stored().0,
            delivered: self.endpoint.delivered().0,
        }
    }
}
