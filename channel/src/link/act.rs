//! A link does what its machine says, and tells each part what the other brought about. One thing
//! at a time, the session's events first: nothing is said to a peer, and no message is taken,
//! before the end of the session it belongs to has been dealt with.

use super::events::ROOM_FOR_MESSAGE;
use super::{Link, Machine, Unknown};
use crate::back::{BackAction, BackState};
use crate::endpoint::{SendError, SessionEvent};
use crate::event::{Breach, DownReason, Event, Witness};
use crate::front::FrontAction;
use crate::ids::{DomId, Number, Role};
use crate::instant::Instant;
use crate::message::{APPLICATION, Control};
use crate::platform::{Platform, Terms, plays};
use crate::step::Step;

/// When a message goes to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hurry {
    /// At once.
    Now,
    /// The page has told the peer already.
    WithNextWrite,
}

impl Link {
    /// Does everything that can be done without xenstore. Ends: each turn takes an event, finishes
    /// an action or consumes a message, and messages are bounded.
    pub(crate) fn settle<P: Platform>(&mut self, now: Instant, platform: &mut P) {
        loop {
            if let Some(event) = self.endpoint.poll_event() {
                self.handle_session(now, event, platform);
            } else if let Some(event) = self.machine_event::<P>() {
                self.handle_machine_event(event, platform);
            } else if !self.act(now, platform) && !self.take_message(now, platform) {
                break;
            }
        }
        self.follow_page(now);
    }

    /// The session's end, told to a machine whose session never began.
    pub(super) fn machine_down(&mut self) {
        match &mut self.machine {
            Machine::Front(front) => front.handle_down(),
            Machine::Back(back) => back.handle_down(),
        }
    }

    fn machine_event<P: Platform>(&mut self) -> Option<Event<'static>> {
        match &mut self.machine {
            Machine::Front(front) if plays::<P>(Role::Front) => front.poll_event(),
            Machine::Back(back) if plays::<P>(Role::Back) => back.poll_event(),
            Machine::Front(_) | Machine::Back(_) => None,
        }
    }

    fn handle_machine_event(&mut self, event: Event<'static>, platform: &mut impl Platform) {
        if let (Event::Connected { .. }, Machine::Front(_)) = (event, &self.machine) {
            platform.reached(self.id, Step::Connected);
        }
        self.events.push(event);
    }

    fn handle_session(&mut self, now: Instant, event: SessionEvent, platform: &mut impl Platform) {
        match event {
            SessionEvent::Up { my, peer } => {
                self.liveness.handle_up(now);
                self.noticed = 0;
                match &mut self.machine {
                    Machine::Front(front) => front.handle_up(),
                    Machine::Back(back) => back.handle_up(),
                }
                self.events.push(Event::Up { epoch: my, peer_epoch: peer });
                platform.reached(self.id, Step::Up);
            }
            SessionEvent::Down { reason, witness } => {
                self.machine_down();
                let unknown = self.count_unknown();
                self.events.push(Event::Down { reason, witness, unknown });
            }
        }
    }

    /// Application messages to be handed back. The machine answers for its own.
    fn count_unknown(&mut self) -> u16 {
        if self.unknown != Unknown::None {
            // They are an earlier down's; nothing could be sent since.
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
        // At most a window.
        count as u16
    }

    /// Takes the next message if it is the connection's; the application's waits for its user.
    fn take_message<P: Platform>(&mut self, now: Instant, platform: &mut P) -> bool {
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
            (Some(control), Machine::Front(front)) if plays::<P>(Role::Front) => {
                front.handle_message(control)
            }
            (Some(control), Machine::Back(back)) if plays::<P>(Role::Back) => {
                back.handle_message(control)
            }
            _ => Err(Breach::BadMessage),
        };
        match (taken, control) {
            (Err(breach), _) => {
                let reason = DownReason::Protocol(breach);
                self.endpoint.handle_verdict(now, reason, Witness::Register, platform);
            }
            (Ok(()), Some(Control::Connect(..))) => platform.reached(self.id, Step::Got),
            (Ok(()), _) => {}
        }
        true
    }

    /// Does the machine's next action. `false` if there is none, or it has to wait.
    fn act<P: Platform>(&mut self, now: Instant, platform: &mut P) -> bool {
        match &self.machine {
            Machine::Front(front) if plays::<P>(Role::Front) => match front.poll_action() {
                Some(action) => self.act_front(now, action, platform),
                None => false,
            },
            Machine::Back(back) if plays::<P>(Role::Back) => match back.poll_action() {
                Some(action) => self.act_back(now, action, platform),
                None => false,
            },
            Machine::Front(_) | Machine::Back(_) => false,
        }
    }

    fn act_front(
        &mut self,
        now: Instant,
        action: FrontAction,
        platform: &mut impl Platform,
    ) -> bool {
        match action {
            FrontAction::Prepare { number, pages } => {
                let terms = self.terms(number, pages);
                let prepared = platform.prepare(self.id, &terms);
                self.front().handle_prepared(prepared);
                match prepared {
                    Ok(_) => platform.reached(self.id, Step::Prepared),
                    Err(_) => self.is_unswept = true,
                }
                true
            }
            FrontAction::Say(control) => self.say(now, control, Hurry::Now, platform),
            FrontAction::SayClosing(control) => {
                platform.say_closing(self.id);
                platform.notify(self.id);
                self.say(now, control, Hurry::WithNextWrite, platform)
            }
            FrontAction::Release => {
                let released = platform.release(self.id);
                self.note_quarantined(released);
                self.front().handle_released(released);
                platform.reached(self.id, Step::Released);
                true
            }
        }
    }

    fn act_back(&mut self, now: Instant, action: BackAction, platform: &mut impl Platform) -> bool {
        match action {
            BackAction::Map(offer) => {
                let mapped = platform.map(self.id, self.peer(), &offer);
                self.back().handle_mapped(mapped);
                match mapped {
                    Ok(()) => platform.reached(self.id, Step::Mapped),
                    Err(_) => self.is_unswept = true,
                }
            }
            BackAction::Verify(number, offer) => {
                // At most PAGES_MAX references.
                let terms = self.terms(number, offer.refs.as_slice().len() as u16);
                let verified = platform.verify(self.id, &terms);
                self.back().handle_verified(verified);
                if verified.is_ok() {
                    platform.reached(self.id, Step::Verified);
                }
            }
            BackAction::Bind(port) => {
                let bound = platform.bind(self.id, self.peer(), port);
                self.back().handle_bound(bound);
            }
            BackAction::Stamp(number) => {
                self.stamp(number, platform);
                self.back().handle_stamped();
                platform.reached(self.id, Step::Stamped);
            }
            BackAction::Say(control) => {
                // A front that waits for CONNECTED sees the stamp.
                let hurry = match control {
                    Control::Connected(_) => Hurry::WithNextWrite,
                    _ => Hurry::Now,
                };
                return self.say(now, control, hurry, platform);
            }
            BackAction::SayClosing(control) => {
                // The word in the page first: it reaches a front whose event is lost.
                platform.say_closing(self.id);
                platform.notify(self.id);
                return self.say(now, control, Hurry::Now, platform);
            }
            BackAction::Unmap => {
                let answers = self.back().state() == BackState::Unmapping;
                let unmapped = platform.unmap(self.id);
                self.note_quarantined(unmapped);
                self.back().handle_unmapped();
                if answers {
                    platform.reached(self.id, Step::Unmapped);
                }
            }
        }
        true
    }

    /// Puts a control message into the queue; `false` while the queue is full.
    fn say(
        &mut self,
        now: Instant,
        control: Control,
        hurry: Hurry,
        platform: &mut impl Platform,
    ) -> bool {
        let text = control.emit();
        let sent = match hurry {
            Hurry::Now => self.endpoint.send(text.as_bytes()),
            Hurry::WithNextWrite => self.endpoint.send_with_next_write(now, text.as_bytes()),
        };
        match sent {
            Ok(_) => {}
            Err(SendError::NumbersSpent) => {
                let reason = DownReason::Protocol(Breach::NumbersSpent);
                self.endpoint.handle_verdict(now, reason, Witness::Own, platform);
                return true;
            }
            Err(SendError::Full { .. } | SendError::TakeBackFirst) => return false,
            Err(SendError::NotUp | SendError::Length { .. } | SendError::NotPrintable { .. }) => {
                panic!("a machine speaks in a session only, and in its own words")
            }
        }
        match &mut self.machine {
            Machine::Front(front) => front.handle_said(),
            Machine::Back(back) => back.handle_said(),
        }
        match control {
            Control::Connect(..) => platform.reached(self.id, Step::ConnectSent),
            Control::Disconnect(_) => platform.reached(self.id, Step::DisconnectSent),
            Control::Connected(_) => platform.reached(self.id, Step::Serving),
            Control::Disconnected(_) => platform.reached(self.id, Step::DisconnectedSent),
            Control::Refused(..) | Control::Closing(_) => {}
        }
        true
    }

    fn terms(&self, number: Number, pages: u16) -> Terms {
        // Both sides name the front's epoch: the back's peer.
        let epoch = match self.machine {
            Machine::Front(_) => Some(self.endpoint.epoch()),
            Machine::Back(_) => self.endpoint.peer_epoch(),
        };
        let epoch = epoch.expect("a session has two epochs");
        Terms { link: self.name, peer: self.peer(), epoch, number, pages }
    }

    fn peer(&self) -> DomId {
        self.endpoint.introduction().expect("a session begins with an introduction").peer
    }

    fn front(&mut self) -> &mut crate::front::Front {
        match &mut self.machine {
            Machine::Front(front) => front,
            Machine::Back(_) => panic!("a front's action in a back's link"),
        }
    }

    fn back(&mut self) -> &mut crate::back::Back {
        match &mut self.machine {
            Machine::Back(back) => back,
            Machine::Front(_) => panic!("a back's action in a front's link"),
        }
    }
}
