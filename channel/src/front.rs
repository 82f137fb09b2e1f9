//! The state machine of the front's connection (docs/protocol.md §7, rules C1 to C5): idle,
//! connecting, connected, disconnecting, idle. It returns one action at a time and takes its
//! result, so that a checker can stop between any two actions. [`crate::back`] is the other side;
//! [`crate::link`] carries out the actions.

use core::fmt;

use grant::{Epoch, Stamp};

use crate::connection::{PrepareError, Released};
use crate::event::{Breach, ConnectRefused, End, Event};
use crate::ids::ConnectionId;
use crate::limits::PAGES_MAX;
use crate::message::{Control, RefuseReason};
use crate::offer::Offer;

/// An action of the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrontAction {
    /// Prepare pages and port, then call [`Front::handle_prepared`].
    Prepare {
        /// The number of the connection.
        number: ConnectionId,
        /// The number of pages.
        pages: u16,
    },
    /// Send the message, then call [`Front::handle_sent`]. The action waits while the queue is
    /// full.
    Send(Control),
    /// Set the closing word, notify, queue the message for the next WRITE, then call
    /// [`Front::handle_sent`].
    SendClosing(Control),
    /// Close the fence, close the port, revoke the grants, then call [`Front::handle_released`].
    Release,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrontState {
    /// There is no connection.
    Idle,
    /// The user has requested a connection.
    Wanted,
    /// Pages and port are prepared; CONNECT is not sent yet.
    Prepared(Offer),
    /// CONNECT is sent.
    Connecting,
    /// The stamp or CONNECTED was received.
    Connected,
    /// DISCONNECT must be sent.
    Leaving,
    /// DISCONNECT is sent.
    Disconnecting,
    /// The connection has ended; pages and port must be released.
    Ended(Outcome),
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// By DISCONNECTED, or by the user before CONNECT was sent.
    InOrder,
    /// The back sent REFUSED.
    Refused(RefuseReason),
    /// The session went down.
    SessionEnded,
}

/// Why a connection cannot be requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no session.
    NotUp,
    /// The link has a connection, or the last one has not ended yet.
    Busy,
    /// The link is a backend; only a frontend requests connections.
    WrongRole,
    /// The number of pages is not within 1 to `limit`.
    Pages {
        /// The most pages of a connection.
        limit: u16,
    },
    /// The session has used all its connection numbers.
    NumbersSpent,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUp => write!(f, "the link has no session"),
            Self::Busy => write!(f, "the link has a connection already"),
            Self::WrongRole => write!(f, "only a frontend requests connections"),
            Self::Pages { limit } => write!(f, "a connection has 1 to {limit} pages"),
            Self::NumbersSpent => write!(f, "the session has used all its connection numbers"),
        }
    }
}

impl core::error::Error for ConnectError {}

/// The link has no connection that could be disconnected: there is none, or it is ending already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NotConnected;

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the link has no connection to disconnect")
    }
}

impl core::error::Error for NotConnected {}

/// The front's side of one link's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Front {
    state: FrontState,
    /// The number of the current connection, or of the last one in this session.
    number: ConnectionId,
    pages: u16,
    /// [`Event::Connected`] was reported for this connection.
    announced: bool,
    event: Option<FrontEvent>,
}

/// An event of the front, in a form that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum FrontEvent {
    Connected,
    Closing,
    Refused(ConnectRefused),
    Ended(End, Released),
}

impl Front {
    /// No connection.
    pub const IDLE: Self = Self {
        state: FrontState::Idle,
        number: ConnectionId(0),
        pages: 0,
        announced: false,
        event: None,
    };

    // Requests of the user. The session must be up.

    /// Requests a connection of `pages` pages (rule C1), and returns its number.
    ///
    /// # Errors
    /// See [`ConnectError`]. The state does not change.
    pub fn connect(&mut self, pages: u16) -> Result<ConnectionId, ConnectError> {
        if self.state != FrontState::Idle || self.event.is_some() {
            return Err(ConnectError::Busy);
        }
        let limit = PAGES_MAX as u16;
        if pages == 0 || pages > limit {
            return Err(ConnectError::Pages { limit });
        }
        let number = self.number.0.checked_add(1).ok_or(ConnectError::NumbersSpent)?;
        self.number = ConnectionId(number);
        self.pages = pages;
        self.announced = false;
        self.state = FrontState::Wanted;
        Ok(self.number)
    }

    /// Requests the end of the connection (rule C3).
    ///
    /// # Errors
    /// [`NotConnected`] if there is no connection, or it is ending already.
    pub fn disconnect(&mut self) -> Result<(), NotConnected> {
        match self.state {
            // Nothing was sent to the peer, so there is no answer to wait for.
            FrontState::Wanted => {
                self.state = FrontState::Idle;
                self.report(FrontEvent::Ended(End::InOrder, Released::Freed));
            }
            FrontState::Prepared(_) => self.state = FrontState::Ended(Outcome::InOrder),
            FrontState::Connecting | FrontState::Connected => self.state = FrontState::Leaving,
            FrontState::Idle
            | FrontState::Leaving
            | FrontState::Disconnecting
            | FrontState::Ended(_) => return Err(NotConnected),
        }
        Ok(())
    }

    // Inputs.

    /// A session began: connection numbers start at 1 again.
    pub fn handle_up(&mut self) {
        assert!(self.state == FrontState::Idle, "released before the new session");
        self.number = ConnectionId(0);
    }

    /// The session ended (rule C5).
    pub fn handle_down(&mut self) {
        match self.state {
            FrontState::Idle | FrontState::Ended(_) => {}
            FrontState::Wanted => {
                self.state = FrontState::Idle;
                self.report(FrontEvent::Ended(End::SessionEnded, Released::Freed));
            }
            FrontState::Prepared(_)
            | FrontState::Connecting
            | FrontState::Connected
            | FrontState::Leaving
            | FrontState::Disconnecting => {
                self.state = FrontState::Ended(Outcome::SessionEnded);
            }
        }
    }

    /// [`FrontAction::Prepare`] was performed.
    pub fn handle_prepared(&mut self, result: Result<Offer, PrepareError>) {
        assert!(self.state == FrontState::Wanted);
        match result {
            Ok(offer) => self.state = FrontState::Prepared(offer),
            Err(error) => {
                self.state = FrontState::Idle;
                self.report(FrontEvent::Refused(ConnectRefused::Here(error)));
            }
        }
    }

    /// [`FrontAction::Send`] or [`FrontAction::SendClosing`] was performed.
    pub fn handle_sent(&mut self) {
        self.state = match self.state {
            FrontState::Prepared(_) => FrontState::Connecting,
            FrontState::Leaving => FrontState::Disconnecting,
            other => unreachable_state(other),
        };
    }

    /// [`FrontAction::Release`] was performed (rule C4).
    pub fn handle_released(&mut self, released: Released) {
        let outcome = match self.state {
            FrontState::Ended(outcome) => outcome,
            other => unreachable_state(other),
        };
        self.state = FrontState::Idle;
        self.report(match outcome {
            Outcome::Refused(reason) if !self.announced => {
                FrontEvent::Refused(ConnectRefused::ByBack(reason))
            }
            Outcome::Refused(_) | Outcome::InOrder => FrontEvent::Ended(End::InOrder, released),
            Outcome::SessionEnded => FrontEvent::Ended(End::SessionEnded, released),
        });
    }

    /// The page contains this stamp; `peer` is the peer's epoch in this session (rule C2).
    pub fn handle_stamp(&mut self, stamp: Stamp, peer: Epoch) {
        if self.state == FrontState::Connecting
            && stamp == (Stamp { epoch: peer, number: self.number })
        {
            self.go_connected();
        }
    }

    /// The closing word is set in the page (rule C3).
    pub fn handle_closing_word(&mut self) {
        if matches!(self.state, FrontState::Connecting | FrontState::Connected) {
            self.state = FrontState::Leaving;
            self.report(FrontEvent::Closing);
        }
    }

    /// The back sent a message.
    ///
    /// # Errors
    /// [`Breach::WrongRole`] for a message that only a front may send.
    pub fn handle_message(&mut self, control: &Control) -> Result<(), Breach> {
        if matches!(control, Control::Connect(..) | Control::Disconnect(_)) {
            return Err(Breach::WrongRole);
        }
        // An answer to an earlier connection.
        if control.number() != self.number {
            return Ok(());
        }
        match (*control, self.state) {
            (Control::Connected(_), FrontState::Connecting) => self.go_connected(),
            (Control::Closing(_), _) => self.handle_closing_word(),
            // REFUSED is terminal even if it crossed a DISCONNECT.
            (
                Control::Refused(_, reason),
                FrontState::Connecting | FrontState::Leaving | FrontState::Disconnecting,
            ) => self.state = FrontState::Ended(Outcome::Refused(reason)),
            // The back may answer the closing word before DISCONNECT is sent.
            (Control::Disconnected(_), FrontState::Leaving | FrontState::Disconnecting) => {
                self.state = FrontState::Ended(Outcome::InOrder);
            }
            _ => {}
        }
        Ok(())
    }

    // Outputs.

    /// Returns the next action. It is returned again until its `handle_` function is called.
    pub fn poll_action(&self) -> Option<FrontAction> {
        match self.state {
            FrontState::Wanted => {
                Some(FrontAction::Prepare { number: self.number, pages: self.pages })
            }
            FrontState::Prepared(offer) => {
                Some(FrontAction::Send(Control::Connect(self.number, offer)))
            }
            // A back that has written its stamp reads the page.
            FrontState::Leaving if self.announced => {
                Some(FrontAction::SendClosing(Control::Disconnect(self.number)))
            }
            FrontState::Leaving => Some(FrontAction::Send(Control::Disconnect(self.number))),
            FrontState::Ended(_) => Some(FrontAction::Release),
            FrontState::Idle
            | FrontState::Connecting
            | FrontState::Connected
            | FrontState::Disconnecting => None,
        }
    }

    /// Returns the next event for the user. At most one is pending.
    pub fn poll_event(&mut self) -> Option<Event<'static>> {
        let number = self.number;
        Some(match self.event.take()? {
            FrontEvent::Connected => Event::Connected { number },
            FrontEvent::Closing => Event::Closing { number },
            FrontEvent::Refused(reason) => Event::Refused { number, reason },
            FrontEvent::Ended(end, released) => Event::Disconnected { number, end, released },
        })
    }

    // Getters.

    /// The state of the connection.
    pub const fn state(&self) -> FrontState {
        self.state
    }

    /// The number of the current connection, or of the last one.
    pub const fn number(&self) -> ConnectionId {
        self.number
    }

    /// Reports an event. By the drain rule, the caller takes it with [`Front::poll_event`] before
    /// the next input.
    fn report(&mut self, event: FrontEvent) {
        assert!(self.event.is_none(), "drain rule: poll_event must have returned None");
        self.event = Some(event);
    }

    fn go_connected(&mut self) {
        self.state = FrontState::Connected;
        self.announced = true;
        self.report(FrontEvent::Connected);
    }
}

/// Reports a call that does not match the state, which is a bug of the caller.
#[track_caller]
fn unreachable_state(state: FrontState) -> ! {
    let _ = state;
    panic!("result of an action that was not requested")
}

#[cfg(test)]
mod tests;
