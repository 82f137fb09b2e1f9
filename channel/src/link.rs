//! One link: an endpoint, its liveness, and one of the two connection machines. The link forwards
//! the events of each part to the others immediately and in a fixed order, and reports each event
//! to its user exactly once.
//!
//! The protocol defines the order within a link (docs/protocol.md §4, §7, §8): the machine handles
//! the end of a session before the link sends anything else, so a back unmaps, and a front closes
//! its fence, before the next hello. A link performs no side effects: [`Link::poll_action`] returns
//! the next action for its domain. [`crate::driver`] holds many links.

mod actions;
mod agenda;
mod canonical;
mod events;
mod inputs;
mod page;
mod requests;
mod store_state;

use grant::{Epoch, PageWords};

use crate::back::Back;
use crate::connection::Released;
use crate::endpoint::{Endpoint, SendError, Timing};
use crate::epoch::EpochSource;
use crate::event::Event;
use crate::front::{ConnectError, Front, NotConnected};
use crate::ids::{ConnectionId, LinkId, Role};
use crate::instant::{Duration, Instant};
use crate::limits::{
    BEAT, BEATS_MISSED_LEAST, BEATS_MISSED_MAX, FIRST_HELLO_DIVISOR, MESSAGE_BYTES_MAX,
    MESSAGES_BYTES, PAGES_MAX, WINDOW,
};
use crate::liveness::{Lateness, Liveness};
use crate::message::{APPLICATION, APPLICATION_BYTES_MAX};
use crate::names::LinkName;
use crate::step::Step;
pub use actions::{Action, Completion};
use agenda::{Agenda, Progress};
pub use canonical::CANONICAL_BEAT;
use events::Events;
pub use requests::StoreOp;
use store_state::StoreState;

/// The configuration of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// The beat period, at least one millisecond. The two sides may differ; the slower one then
    /// determines the time bounds.
    pub beat: Duration,
    /// The number of counted misses after which the peer is considered dead, at least
    /// [`BEATS_MISSED_LEAST`].
    pub beats_missed_max: u32,
    /// The number of pages of a connection, 1 to 8. Only the front's value is used.
    pub pages: u16,
}

impl Settings {
    /// A beat of one second, four misses, one page.
    pub const DEFAULT: Self = Self { beat: BEAT, beats_missed_max: BEATS_MISSED_MAX, pages: 1 };

    /// Whether every value is in its range.
    pub fn is_valid(&self) -> bool {
        self.beat >= Duration::from_milliseconds(1)
            && self.beats_missed_max >= BEATS_MISSED_LEAST
            && (1..=PAGES_MAX).contains(&usize::from(self.pages))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The link's side of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Machine {
    /// The frontend, which grants pages.
    Front(Front),
    /// The backend, which maps them.
    Back(Back),
}

/// The state of the messages whose outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unknown {
    /// No message has an unknown outcome.
    None,
    /// They follow a `Down` event that has not been taken yet.
    Promised,
    /// They are the next events to report.
    Due,
}

/// One link of a driver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link<const COUNT: usize = WINDOW, const BYTES: usize = MESSAGES_BYTES> {
    pub(crate) id: LinkId,
    pub(crate) name: LinkName,
    pub(crate) settings: Settings,
    pub(crate) endpoint: Endpoint<COUNT, BYTES>,
    pub(crate) liveness: Liveness,
    pub(crate) store: StoreState,
    machine: Machine,
    events: Events,
    /// Notices already reported, one bit each.
    noticed: u16,
    /// When the outstanding READ was issued.
    read_issued: Instant,
    /// When the next beat is due in the page; `None` without a live page.
    page_beat_at: Option<Instant>,
    /// The words last published in the page.
    published: PageWords,
    unknown: Unknown,
    /// How late the peer's page beat is.
    lateness: Lateness,
    /// Pages quarantined since the driver last asked.
    quarantined: u32,
    /// An operation failed half way: a sweep must determine what is in quarantine.
    needs_sweep: bool,
    /// The progress of the machine's current action.
    progress: Progress,
    /// The work left before the next input.
    agenda: Agenda,
    /// A completed step that has not been reported yet.
    reached: Option<Step>,
}

impl<const COUNT: usize, const BYTES: usize> Link<COUNT, BYTES> {
    /// Creates a link that waits for its introduction.
    ///
    /// # Panics
    /// If the settings are not valid.
    pub fn new(id: LinkId, name: LinkName, role: Role, settings: Settings, epoch: Epoch) -> Self {
        assert!(settings.is_valid());
        let (machine, first_hello) = match role {
            Role::Front => (Machine::Front(Front::IDLE), Duration::ZERO),
            Role::Back => (Machine::Back(Back::LOST), settings.beat.divided(FIRST_HELLO_DIVISOR)),
        };
        Self {
            id,
            name,
            settings,
            endpoint: Endpoint::new(epoch, Timing { beat: settings.beat, first_hello }),
            liveness: Liveness::new(settings.beat, settings.beats_missed_max),
            store: StoreState::NEW,
            machine,
            events: Events::EMPTY,
            noticed: 0,
            read_issued: Instant::START,
            page_beat_at: None,
            published: PageWords::default(),
            unknown: Unknown::None,
            lateness: Lateness::None,
            quarantined: 0,
            needs_sweep: false,
            progress: Progress::NotBegun,
            agenda: Agenda::default(),
            reached: None,
        }
    }

    // Requests of the user.

    /// Front: requests a connection (rule C1).
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect(&mut self) -> Result<ConnectionId, ConnectError> {
        if !self.endpoint.is_up() {
            return Err(ConnectError::NotUp);
        }
        match &mut self.machine {
            Machine::Front(front) => front.connect(self.settings.pages),
            Machine::Back(_) => Err(ConnectError::WrongRole),
        }
    }

    /// Either role: requests the end of the connection (rules C3 and D6).
    ///
    /// # Errors
    /// See [`NotConnected`].
    pub fn disconnect(&mut self) -> Result<(), NotConnected> {
        match &mut self.machine {
            Machine::Front(front) => front.disconnect(),
            Machine::Back(back) => back.disconnect(),
        }
    }

    /// Sends an application message.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        let limit = APPLICATION_BYTES_MAX;
        let mut bytes = [0; MESSAGE_BYTES_MAX];
        let end = APPLICATION.len() + message.len();
        let place = bytes.get_mut(..end).ok_or(SendError::Length { limit })?;
        let (prefix, body) = place.split_at_mut(APPLICATION.len());
        prefix.copy_from_slice(APPLICATION);
        body.copy_from_slice(message);
        match self.endpoint.send(place) {
            Ok(_) => Ok(()),
            Err(SendError::NotPrintable { at }) => {
                Err(SendError::NotPrintable { at: at.saturating_sub(APPLICATION.len()) })
            }
            Err(error) => Err(error),
        }
    }

    /// Restarts the endpoint in place (rule S0): it draws a new epoch and forgets its session.
    pub fn restart(&mut self, now: Instant, epochs: &mut impl EpochSource) {
        let was_up = self.endpoint.is_up();
        self.endpoint.restart(now, epochs);
        if !was_up {
            self.machine_down();
        }
        self.store.reread_introduction();
    }

    // What to do next.

    /// Returns the next event. The bytes of a message are copied into `scratch`.
    pub fn poll_event<'a>(
        &mut self,
        scratch: &'a mut [u8; MESSAGE_BYTES_MAX],
    ) -> Option<Event<'a>> {
        if self.unknown == Unknown::Due {
            let body = self.endpoint.unknown().and_then(|first| first.strip_prefix(APPLICATION));
            if let Some(length) = body.map(|body| copy(body, scratch)) {
                self.endpoint.take_back();
                self.skip_own_unknown();
                return Some(Event::Unknown(&scratch[..length]));
            }
        }
        if let Some(event) = self.events.pop() {
            if matches!(event, Event::Down { .. }) {
                self.skip_own_unknown();
            }
            return Some(event);
        }
        let length = copy(self.endpoint.message()?.strip_prefix(APPLICATION)?, scratch);
        self.endpoint.handle_delivered();
        Some(Event::Message(&scratch[..length]))
    }

    /// Drops control messages in front of the next application message: the machine accounts for
    /// them.
    fn skip_own_unknown(&mut self) {
        while self.endpoint.unknown().is_some_and(|first| !first.starts_with(APPLICATION)) {
            self.endpoint.take_back();
        }
        self.unknown = match self.endpoint.unknown() {
            Some(_) => Unknown::Due,
            None => Unknown::None,
        };
    }

    /// The latest time at which [`Link::handle_step`] must be called.
    pub fn deadline(&self) -> Instant {
        let page_beat = self.page_beat_at.unwrap_or(Instant::NEVER);
        let introduction = self.store.introduction_at();
        self.endpoint.deadline().min(page_beat).min(self.late_at()).min(introduction)
    }

    /// Counts pages that could not be freed.
    fn note_quarantined(&mut self, released: Released) {
        if let Released::Quarantined { pages } = released {
            self.quarantined = self.quarantined.saturating_add(pages.into());
        }
    }

    /// Returns the number of pages quarantined since the last call.
    pub(crate) fn take_quarantined(&mut self) -> u32 {
        core::mem::take(&mut self.quarantined)
    }

    /// Whether the quarantine must be swept. Returns true once per request.
    pub(crate) fn take_needs_sweep(&mut self) -> bool {
        core::mem::take(&mut self.needs_sweep)
    }

    // Getters.

    /// Whether there is something to tell.
    pub fn has_event(&self) -> bool {
        let message = self.endpoint.message().is_some_and(|first| first.starts_with(APPLICATION));
        !self.events.is_empty() || self.unknown == Unknown::Due || message
    }

    /// Whether all events were taken. Messages do not count: they stay in the register until taken.
    pub(crate) fn is_drained(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether a step would make progress immediately: after the user took a message, either a
    /// control message is next in the queue or the page can acknowledge the message.
    pub(crate) fn can_progress(&self) -> bool {
        let waits = self.endpoint.message().is_some_and(|first| !first.starts_with(APPLICATION));
        waits || self.has_unpublished()
    }

    /// Whether the link has a xenstore request to submit.
    pub(crate) fn has_request(&self) -> bool {
        // Removing stray nodes is never urgent.
        self.next_op(Instant::START).is_some()
    }

    /// The name of the link.
    pub const fn name(&self) -> &LinkName {
        &self.name
    }

    /// The session.
    pub const fn endpoint(&self) -> &Endpoint<COUNT, BYTES> {
        &self.endpoint
    }

    /// This side of the connection.
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The beat counters.
    pub const fn liveness(&self) -> &Liveness {
        &self.liveness
    }
}

/// Copies a message into `scratch`, which holds the longest one, and returns its length.
fn copy(message: &[u8], scratch: &mut [u8; MESSAGE_BYTES_MAX]) -> usize {
    let length = message.len().min(scratch.len());
    scratch[..length].copy_from_slice(&message[..length]);
    length
}
