//! One link: an endpoint, its beats, and one of the two connection machines, joined so that each
//! event of one reaches the others at once and in one order. Also what the link tells its user,
//! and once only.
//!
//! The order within a link is the protocol's (docs/protocol.md §4, §7, §8): the session's end
//! reaches the machine before anything more is said, so a back has unmapped before its new hello,
//! and a front has fenced. A link touches nothing by itself: [`Link::poll_action`] names what is to
//! be done in its domain. [`crate::driver`] holds many links.

mod actions;
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
use crate::liveness::Liveness;
use crate::message::{APPLICATION, APPLICATION_BYTES_MAX};
use crate::names::LinkName;
use crate::step::Step;
pub use actions::{Action, Completion};
use actions::{Agenda, Progress};
pub use canonical::CANONICAL_BEAT;
use events::Events;
use page::Lateness;
pub use requests::StoreOp;
use store_state::StoreState;

/// What may be chosen for a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// The beat period, at least a millisecond. Both ends need not agree; the bounds are then those
    /// of the slower one.
    pub beat: Duration,
    /// Counted misses that mean death, at least [`BEATS_MISSED_LEAST`].
    pub beats_missed_max: u32,
    /// Pages of a connection, 1 to 8. The front chooses.
    pub pages: u16,
}

impl Settings {
    /// One second, four misses, one page.
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
    /// It grants.
    Front(Front),
    /// It maps.
    Back(Back),
}

/// Where the messages are whose outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unknown {
    /// There are none.
    None,
    /// Behind a down that is not told yet.
    Promised,
    /// Next to be told.
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
    /// Notices given since the last session or introduction, a bit each.
    noticed: u16,
    /// When the READ under way was issued.
    read_issued: Instant,
    /// While there is a live page: when the next beat is due in it.
    page_beat_at: Option<Instant>,
    /// What is published in it.
    published: PageWords,
    unknown: Unknown,
    /// How late the peer's beat in the page is.
    lateness: Lateness,
    /// Pages newly in quarantine, for the driver.
    quarantined: u32,
    /// Something was undone half way: only the platform knows whether pages are in quarantine.
    is_unswept: bool,
    /// How far the machine's present action has come.
    progress: Progress,
    /// What is due before the next input.
    agenda: Agenda,
    /// A step that was completed and not reported yet.
    reached: Option<Step>,
}

impl<const COUNT: usize, const BYTES: usize> Link<COUNT, BYTES> {
    /// A link that waits for its introduction.
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
            is_unswept: false,
            progress: Progress::NotBegun,
            agenda: Agenda::default(),
            reached: None,
        }
    }

    // What the user wants.

    /// Front: asks for a connection (rule C1).
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

    /// Either: asks for the connection's end (rules C3 and D6).
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

    /// Restarts the endpoint in place (rule S0): a new epoch, nothing remembered.
    pub fn restart(&mut self, now: Instant, epochs: &mut impl EpochSource) {
        let was_up = self.endpoint.is_up();
        self.endpoint.restart(now, epochs);
        if !was_up {
            self.machine_down();
        }
        self.store.look_again();
    }

    // What to do next.

    /// The next thing to tell; a message's bytes go into `scratch`.
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

    /// Takes back the connection's messages that stand before the next application's: the machine
    /// has answered for them.
    fn skip_own_unknown(&mut self) {
        while self.endpoint.unknown().is_some_and(|first| !first.starts_with(APPLICATION)) {
            self.endpoint.take_back();
        }
        self.unknown = match self.endpoint.unknown() {
            Some(_) => Unknown::Due,
            None => Unknown::None,
        };
    }

    /// When [`Link::handle_step`] must be called at the latest.
    pub fn deadline(&self) -> Instant {
        let page_beat = self.page_beat_at.unwrap_or(Instant::NEVER);
        let look = self.store.look_at();
        self.endpoint.deadline().min(page_beat).min(self.late_at()).min(look)
    }

    /// Takes note of pages that could not be given back.
    fn note_quarantined(&mut self, released: Released) {
        if let Released::Quarantined { pages } = released {
            self.quarantined = self.quarantined.saturating_add(pages.into());
        }
    }

    /// Pages newly in quarantine since the last call.
    pub(crate) fn take_quarantined(&mut self) -> u32 {
        core::mem::take(&mut self.quarantined)
    }

    /// Whether the platform is to be asked what is in quarantine. True once.
    pub(crate) fn take_unswept(&mut self) -> bool {
        core::mem::take(&mut self.is_unswept)
    }

    // Getters.

    /// Whether there is something to tell.
    pub fn has_event(&self) -> bool {
        let message = self.endpoint.message().is_some_and(|first| first.starts_with(APPLICATION));
        !self.events.is_empty() || self.unknown == Unknown::Due || message
    }

    /// Whether all that happened was told. Messages are another matter: they wait in the register.
    pub(crate) fn is_drained(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether a step would go on at once: the user has taken a message meanwhile, and one of the
    /// connection waits behind it, or the page can acknowledge it.
    pub(crate) fn is_restless(&self) -> bool {
        let waits = self.endpoint.message().is_some_and(|first| !first.starts_with(APPLICATION));
        waits || self.has_unpublished()
    }

    /// Whether xenstore has something to do for the link.
    pub(crate) fn has_request(&self) -> bool {
        // Strays are no reason to hurry.
        self.next_op(Instant::START).is_some()
    }

    /// Its name.
    pub const fn name(&self) -> &LinkName {
        &self.name
    }

    /// Its session.
    pub const fn endpoint(&self) -> &Endpoint<COUNT, BYTES> {
        &self.endpoint
    }

    /// Its side of the connection.
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Its beats.
    pub const fn liveness(&self) -> &Liveness {
        &self.liveness
    }
}

/// Copies a message, which is never longer than the scratch, and gives its length.
fn copy(message: &[u8], scratch: &mut [u8; MESSAGE_BYTES_MAX]) -> usize {
    let length = message.len().min(scratch.len());
    scratch[..length].copy_from_slice(&message[..length]);
    length
}
