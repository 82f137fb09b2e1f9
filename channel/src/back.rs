//! The back's connection (docs/protocol.md §8, rules D1 to D8): none, got, mapped, verified, bound,
//! serving, closing, unmapped, none. Like the front it says what to do, one thing at a time, and is
//! told what came of it. It begins *lost*: before it says hello it unmaps whatever a former life
//! has left.

use crate::connection::{BindError, Released};
use crate::event::{Breach, ConnectRefused, End, Event};
use crate::front::NotConnected;
use crate::ids::{ConnectionId, Port};
use crate::message::{Control, RefuseReason};
use crate::offer::Offer;
use grant::{MapError, VerifyError};

/// What the back is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackAction {
    /// Map the pages, then [`Back::handle_mapped`].
    Map(Offer),
    /// Compare the header, then [`Back::handle_verified`].
    Verify(ConnectionId),
    /// Bind the port, then [`Back::handle_bound`].
    Bind(Port),
    /// Write the stamp, then [`Back::handle_stamped`].
    Stamp,
    /// Send the message, then [`Back::handle_said`]. It waits while the channel is full.
    Say(Control),
    /// Set the closing word and send CLOSING, then [`Back::handle_said`].
    SayClosing(Control),
    /// Unmap, then close the port, then [`Back::handle_unmapped`].
    Unmap,
}

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackState {
    /// There may be a mapping of a former session, which goes before anything else.
    Lost,
    /// There is none.
    Idle,
    /// CONNECT was read.
    Got(Offer),
    /// The pages are mapped, nothing is written.
    Mapped(Offer),
    /// The header was found right.
    Verified(Offer),
    /// The port is bound: nothing can fail any more.
    Bound,
    /// The stamp is there, CONNECTED is not said.
    Stamped,
    /// CONNECTED is said.
    Serving,
    /// The user wants an end, CLOSING is not said.
    WantsClose,
    /// CLOSING is said.
    Closing,
    /// Refused; to be unmapped first.
    Refusing(RefuseReason),
    /// REFUSED is to be said.
    RefusalDue(RefuseReason),
    /// DISCONNECT, or the front's closing word, was read; to be unmapped.
    Unmapping,
    /// DISCONNECTED is to be said.
    AnswerDue,
}

/// The back's side of one link's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Back {
    state: BackState,
    /// The present connection's number, or the last one's of this session.
    number: ConnectionId,
    /// The user knows of this connection by [`Event::Connected`].
    announced: bool,
    event: Option<BackEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum BackEvent {
    Connected,
    Refused(RefuseReason),
    Ended(End),
}

impl Back {
    /// No connection, and perhaps a mapping left by a former life (rule D8).
    pub const LOST: Self =
        Self { state: BackState::Lost, number: ConnectionId(0), announced: false, event: None };

    // What the user wants.

    /// Asks for the connection's end (rule D6).
    ///
    /// # Errors
    /// [`NotConnected`] if no connection is being served.
    pub fn disconnect(&mut self) -> Result<(), NotConnected> {
        if self.state != BackState::Serving {
            return Err(NotConnected);
        }
        self.state = BackState::WantsClose;
        Ok(())
    }

    // What happened.

    /// A session began: numbers count from 1 again.
    pub fn handle_up(&mut self) {
        assert!(self.state == BackState::Idle, "unmapped before the new hello");
        self.number = ConnectionId(0);
    }

    /// The session ended (rule D8).
    pub fn handle_down(&mut self) {
        self.state = BackState::Lost;
    }

    /// [`BackAction::Map`] was done (rule D2).
    pub fn handle_mapped(&mut self, result: Result<(), MapError>) {
        self.state = match (self.state, result) {
            (BackState::Got(offer), Ok(())) => BackState::Mapped(offer),
            (BackState::Got(_), Err(error)) => BackState::RefusalDue(error.into()),
            (other, _) => unreachable_state(other),
        };
    }

    /// [`BackAction::Verify`] was done (rule D3).
    pub fn handle_verified(&mut self, result: Result<(), VerifyError>) {
        self.state = match (self.state, result) {
            (BackState::Mapped(offer), Ok(())) => BackState::Verified(offer),
            (BackState::Mapped(_), Err(error)) => BackState::Refusing(error.into()),
            (other, _) => unreachable_state(other),
        };
    }

    /// [`BackAction::Bind`] was done (rule D4).
    pub fn handle_bound(&mut self, result: Result<(), BindError>) {
        self.state = match (self.state, result) {
            (BackState::Verified(_), Ok(())) => BackState::Bound,
            (BackState::Verified(_), Err(error)) => BackState::Refusing(error.into()),
            (other, _) => unreachable_state(other),
        };
    }

    /// [`BackAction::Stamp`] was done (rule D4).
    pub fn handle_stamped(&mut self) {
        assert!(self.state == BackState::Bound);
        self.state = BackState::Stamped;
    }

    /// [`BackAction::Say`] or [`BackAction::SayClosing`] was done.
    pub fn handle_said(&mut self) {
        self.state = match self.state {
            BackState::Stamped => {
                self.announced = true;
                self.report(BackEvent::Connected);
                BackState::Serving
            }
            BackState::WantsClose => BackState::Closing,
            BackState::RefusalDue(reason) => {
                self.report(BackEvent::Refused(reason));
                BackState::Idle
            }
            BackState::AnswerDue => {
                self.report(BackEvent::Ended(End::InOrder));
                BackState::Idle
            }
            other => unreachable_state(other),
        };
    }

    /// [`BackAction::Unmap`] was done.
    pub fn handle_unmapped(&mut self) {
        self.state = match self.state {
            BackState::Refusing(reason) => BackState::RefusalDue(reason),
            BackState::Unmapping => BackState::AnswerDue,
            BackState::Lost => {
                if core::mem::take(&mut self.announced) {
                    self.report(BackEvent::Ended(End::SessionEnded));
                }
                BackState::Idle
            }
            other => unreachable_state(other),
        };
    }

    /// The front says something (rules D1 and D7).
    ///
    /// # Errors
    /// A CONNECT before the last one's terminal answer, one whose number is not new, and what only
    /// a back says, are breaches of the protocol.
    pub fn handle_message(&mut self, control: &Control) -> Result<(), Breach> {
        match *control {
            Control::Connect(number, offer) => {
                if self.state != BackState::Idle || number <= self.number {
                    return Err(Breach::UnexpectedConnect);
                }
                self.number = number;
                self.announced = false;
                self.state = BackState::Got(offer);
            }
            Control::Disconnect(number) if number == self.number => self.handle_disconnect(),
            // Of a connection that is over: its terminal answer has been given.
            Control::Disconnect(_) => {}
            Control::Connected(_)
            | Control::Refused(..)
            | Control::Closing(_)
            | Control::Disconnected(_) => return Err(Breach::WrongRole),
        }
        Ok(())
    }

    /// The front's closing word is set in the page: DISCONNECT, sooner (rule D7).
    pub fn handle_closing_word(&mut self) {
        self.handle_disconnect();
    }

    fn handle_disconnect(&mut self) {
        match self.state {
            BackState::Got(_)
            | BackState::Mapped(_)
            | BackState::Verified(_)
            | BackState::Bound
            | BackState::Stamped
            | BackState::Serving
            | BackState::WantsClose
            | BackState::Closing => self.state = BackState::Unmapping,
            // The terminal answer is given, or about to be.
            BackState::Idle
            | BackState::Lost
            | BackState::Refusing(_)
            | BackState::RefusalDue(_)
            | BackState::Unmapping
            | BackState::AnswerDue => {}
        }
    }

    // What to do next.

    /// The next thing to do, until its `handle_` says that it is done.
    pub fn poll_action(&self) -> Option<BackAction> {
        match self.state {
            BackState::Lost | BackState::Refusing(_) | BackState::Unmapping => {
                Some(BackAction::Unmap)
            }
            BackState::Got(offer) => Some(BackAction::Map(offer)),
            BackState::Mapped(_) => Some(BackAction::Verify(self.number)),
            BackState::Verified(offer) => Some(BackAction::Bind(offer.port)),
            BackState::Bound => Some(BackAction::Stamp),
            BackState::Stamped => Some(BackAction::Say(Control::Connected(self.number))),
            BackState::WantsClose => Some(BackAction::SayClosing(Control::Closing(self.number))),
            BackState::RefusalDue(reason) => {
                Some(BackAction::Say(Control::Refused(self.number, reason)))
            }
            BackState::AnswerDue => Some(BackAction::Say(Control::Disconnected(self.number))),
            BackState::Idle | BackState::Serving | BackState::Closing => None,
        }
    }

    /// What the user is to know. At most one event is due at a time.
    pub fn poll_event(&mut self) -> Option<Event<'static>> {
        let number = self.number;
        Some(match self.event.take()? {
            BackEvent::Connected => Event::Connected { number },
            BackEvent::Refused(reason) => {
                Event::Refused { number, reason: ConnectRefused::ByBack(reason) }
            }
            BackEvent::Ended(end) => Event::Disconnected { number, end, released: Released::Freed },
        })
    }

    // Getters.

    /// Where the connection is.
    pub const fn state(&self) -> BackState {
        self.state
    }

    /// The present connection's number, or the last one's.
    pub const fn number(&self) -> ConnectionId {
        self.number
    }

    /// The drain rule: [`Back::poll_event`] is called after each input, before the next. An event that
    /// is not taken yet is never replaced.
    fn report(&mut self, event: BackEvent) {
        assert!(self.event.is_none(), "the drain rule: poll_event until None, then go on");
        self.event = Some(event);
    }
}

/// An own mistake in the order of calls.
#[track_caller]
fn unreachable_state(state: BackState) -> ! {
    let _ = state;
    panic!("answered in a state that has not asked")
}

#[cfg(test)]
mod tests;
