//! The actions of a link in its domain, one externally visible action at a time, and their results.
//! [`Link::poll_action`] returns the next action; the caller performs it and passes the result to
//! [`Link::handle_done`]. The driver performs them in a row; a model checker may let another domain
//! act between any two.
//!
//! The protocol defines the order (docs/protocol.md §4, §7, §8). Session events come first, so the
//! end of a session is handled before anything is sent and before any message is taken. The actions
//! of the connection follow, then its messages, then the entries of the [`Agenda`].

use grant::{Epoch, MapError, PageWords, Terms, VerifyError};
use xen_types::{DomId, Port};

use super::agenda::{Agenda, Progress};
use super::events::ROOM_FOR_MESSAGE;
use super::{Link, Machine, Unknown};
use crate::back::{Back, BackAction, BackState};
use crate::connection::{BindError, Observation, PeerState, PortState, PrepareError, Released};
use crate::endpoint::{Introduction, SendError, SessionEvent};
use crate::epoch::EpochSource;
use crate::event::{Breach, DetectedBy, DownReason, Event, Notice};
use crate::front::{Front, FrontAction};
use crate::ids::ConnectionId;
use crate::instant::Instant;
use crate::message::{APPLICATION, Control};
use crate::offer::Offer;
use crate::step::Step;

/// An action of a link. [`Connections`](crate::Connections) has a method for each variant except
/// [`Action::Reached`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Front, rule C1: prepare pages and port.
    Prepare {
        /// The domain to grant to.
        peer: DomId,
        /// How many pages, 1 to [`PAGES_MAX`](crate::limits::PAGES_MAX).
        pages: u16,
        /// The contents of the page header.
        terms: Terms,
    },
    /// Front, rules C4 and C5: close the fence.
    Fence,
    /// Front, rules C4 and C5: close the port, revoke the grants.
    Release,
    /// Back, rule D2: map the offered pages.
    Map {
        /// The domain that granted the pages.
        peer: DomId,
        /// The offered pages and port.
        offer: Offer,
    },
    /// Back, rule D3: compare the header.
    Verify(Terms),
    /// Back, rule D4: bind the front's port.
    Bind {
        /// The domain that allocated the port.
        peer: DomId,
        /// The port.
        port: Port,
    },
    /// Back, rule D4: write the stamp with this epoch.
    Stamp(Epoch),
    /// Back, rules D7 and D8: unmap, then close the port.
    Unmap,
    /// Either role: publish these words in the page.
    Publish(PageWords),
    /// Either role: set the closing word.
    SetClosing,
    /// Either role: send an event through the connection's port.
    Notify,
    /// Either role: copy the peer's words from the page.
    Observe,
    /// Either role: query the state of the connection's port.
    AskPort,
    /// Either role: query whether the peer's domain exists.
    AskDomain(DomId),
    /// Nothing to perform: the link has completed this step.
    Reached(Step),
}

/// The result of an [`Action`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The action has no result.
    Done,
    /// Of [`Action::Prepare`].
    Prepared(Result<Offer, PrepareError>),
    /// Of [`Action::Release`] and [`Action::Unmap`].
    Released(Released),
    /// Of [`Action::Map`].
    Mapped(Result<(), MapError>),
    /// Of [`Action::Verify`].
    Verified(Result<(), VerifyError>),
    /// Of [`Action::Bind`].
    Bound(Result<(), BindError>),
    /// Of [`Action::Observe`]; `None` without a page.
    Observed(Option<Observation>),
    /// Of [`Action::AskPort`].
    Port(PortState),
    /// Of [`Action::AskDomain`].
    Domain(PeerState),
}

/// When a message is written to xenstore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Urgency {
    /// Immediately.
    Now,
    /// With the next WRITE: the page has already informed the peer.
    WithNextWrite,
}

/// The next step of the machine.
enum Next {
    /// An action.
    Do(Action),
    /// Send a control message.
    Send(Control, Urgency),
}

impl<const COUNT: usize, const BYTES: usize> Link<COUNT, BYTES> {
    /// Returns the next action. Complete it with [`Self::handle_done`] before polling again. Poll
    /// until `None` before the next input.
    ///
    /// The loop terminates: each iteration takes an event, returns an action, consumes one of at
    /// most `COUNT` messages, or clears an entry of the agenda.
    pub fn poll_action(&mut self, now: Instant, epochs: &mut impl EpochSource) -> Option<Action> {
        loop {
            if let Some(step) = self.reached {
                return Some(Action::Reached(step));
            }
            if let Some(event) = self.machine_event() {
                self.handle_machine_event(event);
                continue;
            }
            if let Some(event) = self.endpoint.poll_event() {
                self.handle_session(now, event);
                continue;
            }
            match self.next_of_machine() {
                Some(Next::Do(action)) => return Some(action),
                Some(Next::Send(control, urgency))
                    if self.queue_control(now, control, urgency, epochs) =>
                {
                    continue;
                }
                Some(Next::Send(..)) | None => {}
            }
            if self.take_message(now, epochs) {
                continue;
            }
            // The page determines whether the peer is late, so read it first.
            if !self.agenda.observe {
                self.follow_page(now);
            }
            if self.agenda == Agenda::default() {
                return None;
            }
            if let Some(action) = self.next_on_agenda(now, epochs) {
                return Some(action);
            }
        }
    }

    /// Reports the completion of `action`, the last one that [`Self::poll_action`] returned.
    ///
    /// # Panics
    /// If `completion` does not match `action`.
    pub fn handle_done(
        &mut self,
        now: Instant,
        action: &Action,
        completion: Completion,
        epochs: &mut impl EpochSource,
    ) {
        match (*action, completion) {
            (Action::Reached(_), Completion::Done) => self.reached = None,
            (Action::Prepare { .. }, Completion::Prepared(prepared)) => {
                self.front().handle_prepared(prepared);
                match prepared {
                    Ok(_) => self.reached = Some(Step::Prepared),
                    Err(_) => self.needs_sweep = true,
                }
            }
            (Action::Fence, Completion::Done) => self.progress = Progress::Fenced,
            (Action::Release, Completion::Released(released)) => {
                self.progress = Progress::NotBegun;
                self.note_quarantined(released);
                self.front().handle_released(released);
                self.reached = Some(Step::Released);
            }
            (Action::Map { .. }, Completion::Mapped(mapped)) => {
                self.back().handle_mapped(mapped);
                match mapped {
                    Ok(()) => self.reached = Some(Step::Mapped),
                    Err(_) => self.needs_sweep = true,
                }
            }
            (Action::Verify(_), Completion::Verified(verified)) => {
                self.back().handle_verified(verified);
                if verified.is_ok() {
                    self.reached = Some(Step::Verified);
                }
            }
            (Action::Bind { .. }, Completion::Bound(bound)) => self.back().handle_bound(bound),
            (Action::Stamp(_), Completion::Done) => self.progress = Progress::Stamped,
            (Action::Unmap, Completion::Released(released)) => {
                self.progress = Progress::NotBegun;
                self.note_quarantined(released);
                if released != Released::Freed {
                    self.notice(Notice::UnmapRefused);
                }
                if self.back().state() == BackState::Unmapping {
                    self.reached = Some(Step::Unmapped);
                }
                self.back().handle_unmapped();
            }
            (Action::Publish(words), Completion::Done) => {
                self.published = words;
                if self.is_stamping() {
                    self.progress = Progress::Published;
                }
            }
            (Action::SetClosing, Completion::Done) => self.progress = Progress::WordSet,
            (Action::Notify, Completion::Done) => match self.progress {
                Progress::WordSet => self.progress = Progress::WordNotified,
                Progress::Stamped => {
                    self.progress = Progress::NotBegun;
                    self.back().handle_stamped();
                    self.reached = Some(Step::Stamped);
                }
                _ => self.agenda.notify = false,
            },
            (Action::Observe, Completion::Observed(seen)) => {
                self.agenda.observe = false;
                if let Some(seen) = seen {
                    self.handle_observation(now, &seen, epochs);
                }
            }
            (Action::AskPort, Completion::Port(state)) => {
                self.agenda.ask_port = false;
                if state == PortState::Unbound {
                    self.agenda.ask_domain = false;
                    let reason = DownReason::PortUnbound;
                    self.endpoint.handle_peer_failure(now, reason, DetectedBy::Port, epochs);
                }
            }
            (Action::AskDomain(_), Completion::Domain(state)) => {
                self.agenda.ask_domain = false;
                if state == PeerState::Gone {
                    let reason = DownReason::PeerGone;
                    self.endpoint.handle_peer_failure(now, reason, DetectedBy::Hypervisor, epochs);
                }
            }
            (action, completion) => panic!("{completion:?} is not a result of {action:?}"),
        }
    }

    /// Resets the machine when there was no session whose end could do it.
    pub(super) fn machine_down(&mut self) {
        match &mut self.machine {
            Machine::Front(front) => front.handle_down(),
            Machine::Back(back) => back.handle_down(),
        }
    }

    fn machine_event(&mut self) -> Option<Event<'static>> {
        match &mut self.machine {
            Machine::Front(front) => front.poll_event(),
            Machine::Back(back) => back.poll_event(),
        }
    }

    pub(super) fn handle_machine_event(&mut self, event: Event<'static>) {
        if let (Event::Connected { .. }, Machine::Front(_)) = (event, &self.machine) {
            self.reached = Some(Step::Connected);
        }
        self.events.push(event);
    }

    pub(super) fn handle_session(&mut self, now: Instant, event: SessionEvent) {
        match event {
            SessionEvent::Up { my, peer } => {
                self.liveness.handle_up(now);
                self.noticed = 0;
                match &mut self.machine {
                    Machine::Front(front) => front.handle_up(),
                    Machine::Back(back) => back.handle_up(),
                }
                self.events.push(Event::Up { epoch: my, peer_epoch: peer });
                self.reached = Some(Step::Up);
            }
            SessionEvent::Down { reason, detected_by } => {
                self.machine_down();
                let unknown = self.count_unknown();
                self.events.push(Event::Down { reason, detected_by, unknown });
            }
        }
    }

    /// Counts the application messages to hand back. The machine accounts for control messages.
    fn count_unknown(&mut self) -> u16 {
        if self.unknown != Unknown::None {
            // They belong to an earlier down; nothing could be sent since.
            return 0;
        }
        let is_application = |message: &&[u8]| message.starts_with(APPLICATION);
        let count = self.endpoint.unknowns().filter(is_application).count();
        if count > 0 {
            self.unknown = Unknown::Promised;
        } else {
            while self.endpoint.unknown().is_some() {
                self.endpoint.take_back();
            }
        }
        // At most the window size.
        count as u16
    }

    /// Takes the next message if it is a control message. Application messages wait for the user.
    fn take_message(&mut self, now: Instant, epochs: &mut impl EpochSource) -> bool {
        if self.events.room() < ROOM_FOR_MESSAGE {
            return false;
        }
        let Some(message) = self.endpoint.message() else { return false };
        if message.starts_with(APPLICATION) {
            return false;
        }
        let control = Control::parse(message);
        self.endpoint.handle_delivered();
        let taken = match (&control, &mut self.machine) {
            (Some(control), Machine::Front(front)) => front.handle_message(control),
            (Some(control), Machine::Back(back)) => back.handle_message(control),
            (None, _) => Err(Breach::BadMessage),
        };
        match (taken, control) {
            (Err(breach), _) => {
                let reason = DownReason::Protocol(breach);
                self.endpoint.handle_peer_failure(now, reason, DetectedBy::Register, epochs);
            }
            (Ok(()), Some(Control::Connect(..))) => self.reached = Some(Step::Got),
            (Ok(()), _) => {}
        }
        true
    }

    /// The next step of the machine.
    fn next_of_machine(&self) -> Option<Next> {
        match &self.machine {
            Machine::Front(front) => front.poll_action().map(|action| self.next_of_front(action)),
            Machine::Back(back) => back.poll_action().map(|action| self.next_of_back(action)),
        }
    }

    fn next_of_front(&self, action: FrontAction) -> Next {
        match action {
            FrontAction::Prepare { number, pages } => {
                Next::Do(Action::Prepare { peer: self.peer(), pages, terms: self.terms(number) })
            }
            FrontAction::Send(control) => Next::Send(control, Urgency::Now),
            FrontAction::SendClosing(control) => {
                self.next_of_closing(control, Urgency::WithNextWrite)
            }
            FrontAction::Release => Next::Do(match self.progress {
                Progress::Fenced => Action::Release,
                _ => Action::Fence,
            }),
        }
    }

    fn next_of_back(&self, action: BackAction) -> Next {
        match action {
            BackAction::Map(offer) => Next::Do(Action::Map { peer: self.peer(), offer }),
            BackAction::Verify(number) => Next::Do(Action::Verify(self.terms(number))),
            BackAction::Bind(port) => Next::Do(Action::Bind { peer: self.peer(), port }),
            // Publish the first words, then write the stamp, then notify the front.
            BackAction::Stamp => Next::Do(match self.progress {
                Progress::Published => Action::Stamp(self.endpoint.epoch()),
                Progress::Stamped => Action::Notify,
                _ => Action::Publish(self.words()),
            }),
            // The stamp already informs a front that waits for CONNECTED.
            BackAction::Send(control @ Control::Connected(_)) => {
                Next::Send(control, Urgency::WithNextWrite)
            }
            BackAction::Send(control) => Next::Send(control, Urgency::Now),
            BackAction::SendClosing(control) => self.next_of_closing(control, Urgency::Now),
            BackAction::Unmap => Next::Do(Action::Unmap),
        }
    }

    /// Sets the word in the page first: it reaches the peer even if the event is lost.
    fn next_of_closing(&self, control: Control, urgency: Urgency) -> Next {
        match self.progress {
            Progress::WordSet => Next::Do(Action::Notify),
            Progress::WordNotified => Next::Send(control, urgency),
            _ => Next::Do(Action::SetClosing),
        }
    }

    fn is_stamping(&self) -> bool {
        matches!(&self.machine, Machine::Back(back) if back.state() == BackState::Bound)
    }

    /// Queues a control message. Returns `false` if the queue is full.
    fn queue_control(
        &mut self,
        now: Instant,
        control: Control,
        urgency: Urgency,
        epochs: &mut impl EpochSource,
    ) -> bool {
        let text = control.emit();
        let sent = match urgency {
            Urgency::Now => self.endpoint.send(text.as_bytes()),
            Urgency::WithNextWrite => self.endpoint.send_with_next_write(now, text.as_bytes()),
        };
        match sent {
            Ok(_) => {}
            Err(SendError::NumbersSpent) => {
                let reason = DownReason::Protocol(Breach::NumbersSpent);
                self.endpoint.handle_peer_failure(now, reason, DetectedBy::Own, epochs);
                return true;
            }
            Err(SendError::Full { .. } | SendError::TakeBackFirst) => return false,
            Err(SendError::NotUp | SendError::Length { .. } | SendError::NotPrintable { .. }) => {
                panic!("a control message was rejected within a session")
            }
        }
        self.progress = Progress::NotBegun;
        match &mut self.machine {
            Machine::Front(front) => front.handle_sent(),
            Machine::Back(back) => back.handle_sent(),
        }
        self.reached = match control {
            Control::Connect(..) => Some(Step::ConnectSent),
            Control::Disconnect(_) => Some(Step::DisconnectSent),
            Control::Connected(_) => Some(Step::Serving),
            Control::Disconnected(_) => Some(Step::DisconnectedSent),
            Control::Refused(..) | Control::Closing(_) => None,
        };
        true
    }

    /// Processes the first entry of the agenda, or returns the action for it.
    fn next_on_agenda(&mut self, now: Instant, epochs: &mut impl EpochSource) -> Option<Action> {
        let agenda = &mut self.agenda;
        if agenda.observe {
            if self.is_page_watched() {
                return Some(Action::Observe);
            }
            self.agenda.observe = false;
        } else if core::mem::take(&mut agenda.time) {
            self.handle_time(now);
        } else if core::mem::take(&mut agenda.check_liveness) {
            self.check_liveness(now, epochs);
        } else if core::mem::take(&mut agenda.page_beat) {
            self.beat_in_page(now);
        } else if agenda.ask_port {
            if self.is_bound() {
                return Some(Action::AskPort);
            }
            self.agenda.ask_port = false;
        } else if agenda.ask_domain {
            if let Some(introduction) = self.endpoint.introduction() {
                return Some(Action::AskDomain(introduction.peer));
            }
            self.agenda.ask_domain = false;
        } else if let Some(Introduction { peer, number }) = agenda.announce.take() {
            self.noticed = 0;
            self.events.push(Event::Introduced { peer, number });
        } else if agenda.publish {
            let words = self.words();
            if self.has_live_page() && words != self.published {
                return Some(Action::Publish(words));
            }
            self.agenda.publish = false;
            self.agenda.notify = self.has_live_page() && self.endpoint.poll_ack_urgent();
        } else if agenda.notify {
            return Some(Action::Notify);
        }
        None
    }

    fn terms(&self, number: ConnectionId) -> Terms {
        // Both sides use the front's epoch: for the back, the peer's epoch.
        let epoch = match self.machine {
            Machine::Front(_) => Some(self.endpoint.epoch()),
            Machine::Back(_) => self.endpoint.peer_epoch(),
        };
        let epoch = epoch.expect("a session has a peer epoch");
        Terms { epoch, number, link: self.name.tag() }
    }

    fn peer(&self) -> DomId {
        self.endpoint.introduction().expect("a session begins with an introduction").peer
    }

    pub(super) fn front(&mut self) -> &mut Front {
        match &mut self.machine {
            Machine::Front(front) => front,
            Machine::Back(_) => panic!("front action on a back link"),
        }
    }

    fn back(&mut self) -> &mut Back {
        match &mut self.machine {
            Machine::Back(back) => back,
            Machine::Front(_) => panic!("back action on a front link"),
        }
    }
}
