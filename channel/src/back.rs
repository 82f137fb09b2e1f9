//! The state machine of the back's connection (docs/protocol.md §8, rules D1 to D8): none, got,
//! mapped, verified, bound, serving, closing, unmapped, none. Like the front, it returns one action
//! at a time and takes its result. It starts in the state *lost*: before its first hello it unmaps
//! everything that an earlier session has left.

use crate::connection::{BindError, Released};
use crate::event::{Breach, ConnectRefused, End, Event};
use crate::front::NotConnected;
use crate::ids::{ConnectionId, Port};
use crate::message::{Control, RefuseReason};
use crate::offer::Offer;
use grant::{MapError, VerifyError};

/// An action of the back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackAction {
    /// Map the pages, then call [`Back::handle_mapped`].
    Map(Offer),
    /// Verify the page header, then call [`Back::handle_verified`].
    Verify(ConnectionId),
    /// Bind the port, then call [`Back::handle_bound`].
    Bind(Port),
    /// Write the stamp, then call [`Back::handle_stamped`].
    Stamp,
    /// Send the message, then call [`Back::handle_sent`]. The action waits while the queue is full.
    Send(Control),
    /// Set the closing word and send CLOSING, then call [`Back::handle_sent`].
    SendClosing(Control),
    /// Unmap the pages, close the port, then call [`Back::handle_unmapped`].
    Unmap,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackState {
    /// A mapping of an earlier session may exist; it must be unmapped first.
    Lost,
    /// There is no connection.
    Idle,
    /// CONNECT was read.
    Got(Offer),
    /// The pages are mapped; nothing is written yet.
    Mapped(Offer),
    /// The header is verified.
    Verified(Offer),
    /// The port is bound; no later step can fail.
    Bound,
    /// The stamp is written; CONNECTED is not sent yet.
    Stamped,
    /// CONNECTED is sent.
    Serving,
    /// The user has requested the end; CLOSING is not sent yet.
    WantsClose,
    /// CLOSING is sent.
    Closing,
    /// The connection is refused; the pages must be unmapped first.
    Refusing(RefuseReason),
    /// REFUSED must be sent.
    RefusalDue(RefuseReason),
    /// DISCONNECT or the front's closing word was read; the pages must be unmapped.
    Unmapping,
    /// DISCONNECTED must be sent.
    AnswerDue,
}

/// The back's side of one link's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Back {
    state: BackState,
    /// The number of the current connection, or of the last one in this session.
    number: ConnectionId,
    /// [`Event::Connected`] was reported for this connection.
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
    /// No connection, but possibly a mapping left by an earlier session (rule D8).
    pub const LOST: Self =
        Self { state: BackState::Lost, number: ConnectionId(0), announced: false, event: None };

    // Requests of the user.

    /// Requests the end of the connection (rule D6).
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

    // Inputs.

    /// A session began: connection numbers start at 1 again.
    pub fn handle_up(&mut self) {
        assert!(self.state == BackState::Idle, "unmapped before the new hello");
        self.number = ConnectionId(0);
    }

    /// The session ended (rule D8).
    pub fn handle_down(&mut self) {
        self.state = BackState::Lost;
    }

    /// [`BackAction::Map`] was performed (rule D2).
    pub fn handle_mapped(&mut self, result: Result<(), MapError>) {
        self.state = match (self.state, result) {
            (BackState::Got(offer), Ok(())) => BackState::Mapped(offer),
            (BackState::Got(_), Err(error)) => BackState::RefusalDue(error.into()),
            (other, _) => unreachable_state(other),
        };
    }

    /// [`BackAction::Verify`] was performed (rule D3).
    pub fn handle_verified(&mut self, result: Result<(), VerifyError>) {
        self.state = match (self.state, result) {
            (BackState::Mapped(offer), Ok(())) => BackState::Verified(offer),
            (BackState::Mapped(_), Err(error)) => BackState::Refusing(error.into()),
            (other, _) => unreachable_state(other),
        };
    }

    /// [`BackAction::Bind`] was performed (rule D4).
    pub fn handle_bound(&mut self, result: Result<(), BindError>) {
        self.state = match (self.state, result) {
            (BackState::Verified(_), Ok(())) => BackState::Bound,
            (BackState::Verified(_), Err(error)) => BackState::Refusing(error.into()),
            (other, _) => unreachable_state(other),
        };
    }

    /// [`BackAction::Stamp`] was performed (rule D4).
    pub fn handle_stamped(&mut self) {
        assert!(self.state == BackState::Bound);
        self.state = BackState::Stamped;
    }

    /// [`BackAction::Send`] or [`BackAction::SendClosing`] was performed.
    pub fn handle_sent(&mut self) {
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

    /// [`BackAction::Unmap`] was performed.
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

    /// The front sent a message (rules D1 and D7).
    ///
    /// # Errors
    /// [`Breach::UnexpectedConnect`] for a CONNECT before the terminal answer to the last one, or
    /// with a number that is not new; [`Breach::WrongRole`] for a message that only a back may
    /// send.
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
            // The connection has ended, and its terminal answer was sent.
            Control::Disconnect(_) => {}
            Control::Connected(_)
            | Control::Refused(..)
            | Control::Closing(_)
            | Control::Disconnected(_) => return Err(Breach::WrongRole),
        }
        Ok(())
    }

    /// The front's closing word is set in the page. It has the effect of DISCONNECT (rule D7).
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
            // The terminal answer was sent or is about to be sent.
            BackState::Idle
            | BackState::Lost
            | BackState::Refusing(_)
            | BackState::RefusalDue(_)
            | BackState::Unmapping
            | BackState::AnswerDue => {}
        }
    }

    // Outputs.

    /// Returns the next action. It is returned again until its `handle_` function is called.
    pub fn poll_action(&self) -> Option<BackAction> {
        match self.state {
            BackState::Lost | BackState::Refusing(_) | BackState::Unmapping => {
                Some(BackAction::Unmap)
            }
            BackState::Got(offer) => Some(BackAction::Map(offer)),
            BackState::Mapped(_) => Some(BackAction::Verify(self.number)),
            BackState::Verified(offer) => Some(BackAction::Bind(offer.port)),
            BackState::Bound => Some(BackAction::Stamp),
            BackState::Stamped => Some(BackAction::Send(Control::Connected(self.number))),
            BackState::WantsClose => Some(BackAction::SendClosing(Control::Closing(self.number))),
            BackState::RefusalDue(reason) => {
                Some(BackAction::Send(Control::Refused(self.number, reason)))
            }
            BackState::AnswerDue => Some(BackAction::Send(Control::Disconnected(self.number))),
            BackState::Idle | BackState::Serving | BackState::Closing => None,
        }
    }

    /// Returns the next event for the user. At most one is pending.
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

    /// The state of the connection.
    pub const fn state(&self) -> BackState {
        self.state
    }

    /// The number of the current connection, or of the last one.
    pub const fn number(&self) -> ConnectionId {
        self.number
    }

    /// Reports an event. By the drain rule, the caller takes it with [`Back::poll_event`] before
    /// the next input.
    fn report(&mut self, event: BackEvent) {
        assert!(self.event.is_none(), "drain rule: poll_event must have returned None");
        self.event = Some(event);
    }
}

/// Reports a call that does not match the state, which is a bug of the caller.
#[track_caller]
fn unreachable_state(state: BackState) -> ! {
    let _ = state;
    panic!("result of an action that was not requested")
}

#[cfg(test)]
mod tests;
