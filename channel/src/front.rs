//! The front's connection (docs/protocol.md §7, rules C1 to C5): idle, connecting, connected,
//! disconnecting, idle. It says what to do and is told what came of it, one thing at a time, so
//! that a domain can die between any two and a checker can look at every place. Neighbours:
//! [`crate::back`] is the other side, [`crate::link`] does what is said here.

use core::fmt;

use grant::{Epoch, Stamp};

use crate::connection::{PrepareError, Released};
use crate::event::{Breach, ConnectRefused, End, Event};
use crate::ids::ConnectionId;
use crate::limits::PAGES_MAX;
use crate::message::{Control, RefuseReason};
use crate::offer::Offer;

/// What the front is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrontAction {
    /// Prepare pages and port, then [`Front::handle_prepared`].
    Prepare {
        /// The connection's number.
        number: ConnectionId,
        /// How many pages.
        pages: u16,
    },
    /// Send the message, then [`Front::handle_said`]. It waits while the channel is full.
    Say(Control),
    /// Set the closing word, notify, and send the message with the next WRITE, then
    /// [`Front::handle_said`].
    SayClosing(Control),
    /// Fence, close, revoke; then [`Front::handle_released`].
    Release,
}

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrontState {
    /// There is none.
    Idle,
    /// The user wants one.
    Wanted,
    /// Pages and port are there, CONNECT is not said.
    Prepared(Offer),
    /// CONNECT is said.
    Connecting,
    /// Stamp or CONNECTED was seen.
    Connected,
    /// DISCONNECT is to be said.
    Leaving,
    /// DISCONNECT is said.
    Disconnecting,
    /// Over; pages and port are to be released.
    Ended(Outcome),
}

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// DISCONNECTED, or given up before CONNECT was said.
    InOrder,
    /// REFUSED.
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
    /// The present connection's number, or the last one's of this session.
    number: ConnectionId,
    pages: u16,
    /// The user knows of this connection by [`Event::Connected`].
    announced: bool,
    event: Option<FrontEvent>,
}

/// What the front tells, in a form that can be compared.
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

    // What the user wants. The session must be up.

    /// Asks for a connection of `pages` pages (rule C1).
    ///
    /// # Errors
    /// See [`ConnectError`]; nothing happens then.
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

    /// Asks for the connection's end (rule C3).
    ///
    /// # Errors
    /// [`NotConnected`] if there is no connection, or it is ending already.
    pub fn disconnect(&mut self) -> Result<(), NotConnected> {
        match self.state {
            // Nothing was said to the peer, so nothing need be answered.
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

    // What happened.

    /// A session began: numbers count from 1 again.
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

    /// [`FrontAction::Prepare`] was done.
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

    /// [`FrontAction::Say`] or [`FrontAction::SayClosing`] was done.
    pub fn handle_said(&mut self) {
        self.state = match self.state {
            FrontState::Prepared(_) => FrontState::Connecting,
            FrontState::Leaving => FrontState::Disconnecting,
            other => unreachable_state(other),
        };
    }

    /// [`FrontAction::Release`] was done (rule C4).
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

    /// The stamp in the page says this, and the session's peer is `peer` (rule C2).
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

    /// The back says something.
    ///
    /// # Errors
    /// What only a front says is a breach of the protocol.
    pub fn handle_message(&mut self, control: &Control) -> Result<(), Breach> {
        if matches!(control, Control::Connect(..) | Control::Disconnect(_)) {
            return Err(Breach::WrongRole);
        }
        // An answer to a connection that is over.
        if control.number() != self.number {
            return Ok(());
        }
        match (*control, self.state) {
            (Control::Connected(_), FrontState::Connecting) => self.go_connected(),
            (Control::Closing(_), _) => self.handle_closing_word(),
            // REFUSED is the terminal answer also where DISCONNECT has crossed it.
            (
                Control::Refused(_, reason),
                FrontState::Connecting | FrontState::Leaving | FrontState::Disconnecting,
            ) => self.state = FrontState::Ended(Outcome::Refused(reason)),
            // The closing word may be answered before DISCONNECT is said.
            (Control::Disconnected(_), FrontState::Leaving | FrontState::Disconnecting) => {
                self.state = FrontState::Ended(Outcome::InOrder);
            }
            _ => {}
        }
        Ok(())
    }

    // What to do next.

    /// The next thing to do, until its `handle_` says that it is done.
    pub fn poll_action(&self) -> Option<FrontAction> {
        match self.state {
            FrontState::Wanted => {
                Some(FrontAction::Prepare { number: self.number, pages: self.pages })
            }
            FrontState::Prepared(offer) => {
                Some(FrontAction::Say(Control::Connect(self.number, offer)))
            }
            // A back that has stamped looks at the page.
            FrontState::Leaving if self.announced => {
                Some(FrontAction::SayClosing(Control::Disconnect(self.number)))
            }
            FrontState::Leaving => Some(FrontAction::Say(Control::Disconnect(self.number))),
            FrontState::Ended(_) => Some(FrontAction::Release),
            FrontState::Idle
            | FrontState::Connecting
            | FrontState::Connected
            | FrontState::Disconnecting => None,
        }
    }

    /// What the user is to know. At most one event is due at a time.
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

    /// Where the connection is.
    pub const fn state(&self) -> FrontState {
        self.state
    }

    /// The present connection's number, or the last one's.
    pub const fn number(&self) -> ConnectionId {
        self.number
    }

    /// The drain rule: [`Front::poll_event`] is called after each input, before the next. An event that
    /// is not taken yet is never replaced.
    fn report(&mut self, event: FrontEvent) {
        assert!(self.event.is_none(), "the drain rule: poll_event until None, then go on");
        self.event = Some(event);
    }

    fn go_connected(&mut self) {
        self.state = FrontState::Connected;
        self.announced = true;
        self.report(FrontEvent::Connected);
    }
}

/// An own mistake in the order of calls.
#[track_caller]
fn unreachable_state(state: FrontState) -> ! {
    let _ = state;
    panic!("answered in a state that has not asked")
}

#[cfg(test)]
mod tests;
