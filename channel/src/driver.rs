//! The loop step that images and simulation share: many links over one xenstore client and one
//! watch. It takes what came, lets time pass, looks at the pages, and submits what the links wish,
//! in turn, so that no link can starve another (docs/protocol.md §5, §12).
//!
//! The contract is one loop: [`Driver::step`]; [`Driver::poll_event`] until `None` (asserted); move
//! data; wait for an event channel or for [`Driver::deadline`]. Calling it early is harmless.

mod routing;
mod shutdown_control;
mod store_events;

use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::fmt;

use xenbus::{Client, Counts, Ended, Refusal, RequestId, RequestKind};

use crate::connection::EventChannels as _;
use crate::endpoint::SendError;
use crate::event::Event;
use crate::front::{ConnectError, NotConnected};
use crate::ids::{ConnectionId, LinkId, Role};
use crate::instant::{Duration, Instant};
use crate::limits::{BEAT, MESSAGE_BYTES_MAX, REQUESTS_MAX, STORE_SILENT_BEATS};
use crate::link::{Action, Completion, Link, Settings, StoreOp};
use crate::names::LinkName;
use crate::platform::Platform;
pub use shutdown_control::ShutdownRequest;
use shutdown_control::{ControlOp, ShutdownControl};
use store_events::StoreEvents;

const _: () = assert!(REQUESTS_MAX <= xenbus::IN_FLIGHT_MAX);

/// Something that happened to xenstore, which concerns all links. Taken after each step, all of it
/// comes in order; a caller that is slower misses whole silences and repetitions at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreEvent {
    /// A request has waited for long. Nobody is dead for that; the links wait with it.
    Silent,
    /// It answers again. Comes after each [`StoreEvent::Silent`], and before the next.
    Answering,
    /// The watch was refused, for instance for want of quota: everything goes on, at the pace of
    /// timers, and it is asked for again. Told once.
    WatchRefused(Refusal),
    /// The watch on the toolstack's orders was refused: until it is asked for again, in half a
    /// minute, none is heard.
    ShutdownWatchRefused(Refusal),
    /// The daemon broke the protocol or gave this domain up: no link can go on.
    Ended(Ended),
}

/// Why a link was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddError {
    /// The driver has 65,536 links, the most that a [`LinkId`] can name.
    Full,
    /// The driver has a link of that name already.
    NameTaken,
    /// A setting is out of the range that [`Settings`] gives.
    Settings,
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the driver has as many links as it can name",
            Self::NameTaken => "the driver has a link of that name already",
            Self::Settings => "a setting of the link is out of range",
        })
    }
}

impl core::error::Error for AddError {}

/// A request under way.
#[derive(Clone, Copy, Debug)]
struct Pending {
    id: RequestId,
    what: Purpose,
    issued: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Reset,
    Watch,
    Control(ControlOp),
    Link(LinkId, StoreOp),
}

/// Whether the watch is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watching {
    /// Nothing was asked for yet.
    Not,
    /// RESET_WATCHES is under way or answered, WATCH is next.
    Reset,
    /// WATCH is under way or answered.
    Asked,
}

/// A [`LinkId`] that another driver gave out is a mistake of the caller.
const FOREIGN_ID: &str = "the id of a link of this driver";

/// The links of one domain; each takes about five kilobytes.
///
/// # Panics
/// Functions that take a [`LinkId`] panic if this driver has no such link. An id that the driver
/// gave out is valid as long as the driver is.
#[derive(Clone)]
pub struct Driver {
    client: Client,
    links: Vec<Link>,
    watching: Watching,
    /// The event that every registration brings: the reads go out with it anyway.
    first_fire_due: bool,
    pending: [Option<Pending>; REQUESTS_MAX],
    /// The link whose turn it is to submit first.
    turn: usize,
    /// The link whose events are polled first.
    event_turn: usize,
    /// The oldest request under way has waited too long, and the doorbell was rung again.
    silent: bool,
    /// [`StoreEvent::Silent`] was reported, and no answer has come since, from this ring or another.
    silence_reported: bool,
    is_end_reported: bool,
    /// When the watch is asked for again that the daemon has refused.
    watch_at: Option<Instant>,
    /// How often it was refused.
    watches_refused: u32,
    store_events: StoreEvents,
    shutdown: ShutdownControl,
    overhead_requests: [u64; RequestKind::COUNT],
    link_requests_at_up: u64,
    quarantined: u32,
    sweep_at: Instant,
    /// The client took no more at the last try: the next reply makes room.
    blocked: bool,
    /// The last step left events that were not polled yet.
    has_undrained: bool,
    scratch: [u8; MESSAGE_BYTES_MAX],
}

impl Driver {
    /// No link yet; nothing asked of xenstore.
    #[inline(always)] // Made in its place: it is 14 KB, and a copy of that takes 28 us to boot.
    pub const fn new() -> Self {
        Self {
            client: Client::new(),
            links: Vec::new(),
            watching: Watching::Not,
            first_fire_due: false,
            pending: [const { None }; REQUESTS_MAX],
            turn: 0,
            event_turn: 0,
            silent: false,
            silence_reported: false,
            is_end_reported: false,
            watch_at: None,
            watches_refused: 0,
            store_events: StoreEvents::EMPTY,
            shutdown: ShutdownControl::NONE,
            overhead_requests: [0; RequestKind::COUNT],
            link_requests_at_up: 0,
            quarantined: 0,
            sweep_at: Instant::START,
            blocked: false,
            has_undrained: false,
            scratch: [0; MESSAGE_BYTES_MAX],
        }
    }

    // What the user wants.

    /// Makes room for so many links more, so that adding them allocates nothing.
    ///
    /// # Errors
    /// There is no memory for them.
    pub fn reserve(&mut self, links: usize) -> Result<(), TryReserveError> {
        self.links.try_reserve_exact(links)
    }

    /// Adds a link. It begins with the next [`Driver::step`].
    ///
    /// # Errors
    /// See [`AddError`].
    pub fn add_link(
        &mut self,
        name: LinkName,
        role: Role,
        settings: Settings,
        platform: &mut impl Platform,
    ) -> Result<LinkId, AddError> {
        if !settings.is_valid() {
            return Err(AddError::Settings);
        }
        if self.links.iter().any(|link| link.name == name) {
            return Err(AddError::NameTaken);
        }
        let id = self.next_id().ok_or(AddError::Full)?;
        self.links.push(Link::new(id, name, role, settings, platform.fresh_epoch()));
        platform.connections().add_link();
        Ok(id)
    }

    /// Front: asks for a connection (rule C1). What comes of it is an event.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect(
        &mut self,
        now: Instant,
        link: LinkId,
        platform: &mut impl Platform,
    ) -> Result<ConnectionId, ConnectError> {
        let link = self.link_mut(link);
        let number = link.connect()?;
        act(link, now, platform);
        Ok(number)
    }

    /// Either: asks for the connection's end (rules C3 and D6).
    ///
    /// # Errors
    /// See [`NotConnected`].
    pub fn disconnect(
        &mut self,
        now: Instant,
        link: LinkId,
        platform: &mut impl Platform,
    ) -> Result<(), NotConnected> {
        let link = self.link_mut(link);
        link.disconnect()?;
        act(link, now, platform);
        Ok(())
    }

    /// Sends an application message, delivered exactly once in this session.
    ///
    /// # Errors
    /// See [`SendError`]; back-pressure says when to try again.
    pub fn send(&mut self, link: LinkId, message: &[u8]) -> Result<(), SendError> {
        self.link_mut(link).send(message)
    }

    /// Restarts a link's endpoint in place (rule S0): a new epoch, nothing remembered.
    pub fn restart(&mut self, now: Instant, link: LinkId, platform: &mut impl Platform) {
        let link = self.link_mut(link);
        link.restart(now, platform);
        act(link, now, platform);
    }

    /// The domain was suspended and is back, perhaps as another one: ring, domid, grants, ports and
    /// introductions are new. Every link starts over.
    pub fn resumed(&mut self, now: Instant, platform: &mut impl Platform) {
        self.forget_store();
        self.store_events.forget_end();
        for link in &mut self.links {
            link.handle_resumed(now, platform);
            act(link, now, platform);
        }
    }

    // What happened, and what to do next.

    /// Does everything that can be done now.
    ///
    /// # Panics
    /// If the last step's events were not all taken.
    pub fn step(&mut self, now: Instant, platform: &mut impl Platform) {
        assert!(!self.has_undrained, "poll_event until None, then step");
        if self.watching == Watching::Not {
            self.begin(now, platform);
        }
        self.watch_again(now);
        self.take_in(now, platform);
        for link in &mut self.links {
            link.handle_step();
            act(link, now, platform);
        }
        self.watch_store(now);
        self.tend_quarantine(now, platform);
        self.submit_all(now, platform);
        self.submit_control_op(now);
        self.take_in(now, platform);
        if self.client.doorbell_due() {
            platform.ring_store_doorbell();
        }
        let is_drained = self.links.iter().all(Link::is_drained);
        self.has_undrained = !is_drained;
    }

    /// The caller was woken by the store's event channel: for the counts.
    pub fn woke(&mut self) {
        self.client.woke();
    }

    /// The next thing that happened on a link. A message is valid until the next call.
    pub fn poll_event(&mut self) -> Option<(LinkId, Event<'_>)> {
        let count = self.links.len();
        // The borrow of a found event would last beyond the loop: find the link first.
        let found = (0..count)
            .map(|step| (self.event_turn + step) % count)
            .find(|index| self.links.get(*index).is_some_and(Link::has_event));
        let Some(found) = found else {
            self.has_undrained = false;
            return None;
        };
        self.event_turn = found;
        let link = self.links.get_mut(found)?;
        let id = link.id;
        link.poll_event(&mut self.scratch).map(|event| (id, event))
    }

    /// Whether [`Driver::poll_event`] has something.
    pub fn has_event(&self) -> bool {
        self.links.iter().any(Link::has_event)
    }

    /// The next thing that happened to xenstore. To be called until `None` after each step.
    pub fn poll_store_event(&mut self) -> Option<StoreEvent> {
        self.store_events.pop()
    }

    /// When [`Driver::step`] must be called at the latest, if no event channel asks for it before.
    /// [`Instant::START`] means at once.
    pub fn deadline(&self) -> Instant {
        if self.watching == Watching::Not {
            return Instant::START;
        }
        let may_submit =
            self.client.is_running() && self.client.in_flight() < REQUESTS_MAX && !self.blocked;
        let mut deadline = self.silence_at();
        if self.quarantined > 0 {
            deadline = deadline.min(self.sweep_at);
        }
        if let Some(at) = self.watch_at {
            deadline = deadline.min(at);
        }
        deadline = deadline.min(self.shutdown.deadline());
        if may_submit && self.shutdown.is_waiting() {
            return Instant::START;
        }
        let may_submit = may_submit && !self.shutdown.hold_still();
        for link in self.links.iter() {
            if link.has_event() || link.is_restless() || (may_submit && link.has_request()) {
                return Instant::START;
            }
            deadline = deadline.min(link.deadline());
        }
        deadline
    }

    // Getters.

    /// The links, in the order in which they were added.
    pub fn ids(&self) -> impl Iterator<Item = LinkId> + use<> {
        (0..self.links.len()).map(LinkId::from_index)
    }

    /// The state of a link.
    pub fn link(&self, link: LinkId) -> &Link {
        self.links.get(link.index()).expect(FOREIGN_ID)
    }

    /// What the xenstore client has counted.
    pub const fn counts(&self) -> &Counts {
        self.client.counts()
    }

    /// Those of the requests that are not the links': the reset at the start and what is asked
    /// about the toolstack's orders, by kind.
    pub const fn overhead_requests(&self) -> &[u64; RequestKind::COUNT] {
        &self.overhead_requests
    }

    /// The links' requests that had been made when a link last came up: what came out of that very
    /// step is not among them.
    pub const fn link_requests_at_up(&self) -> u64 {
        self.link_requests_at_up
    }

    /// The links' requests so far, of all kinds.
    pub fn link_requests(&self) -> u64 {
        self.client.counts().requests_total() - self.overhead_requests.iter().sum::<u64>()
    }

    /// Whether xenstore owes nothing and has told nothing by halves: the ring can be used past the
    /// driver, until [`Driver::resumed`].
    pub fn is_quiet(&self) -> bool {
        self.client.is_quiet()
    }

    /// Pages in quarantine when last looked.
    pub const fn quarantined(&self) -> u32 {
        self.quarantined
    }

    fn next_id(&self) -> Option<LinkId> {
        (self.links.len() <= usize::from(u16::MAX)).then(|| LinkId::from_index(self.links.len()))
    }

    fn link_mut(&mut self, link: LinkId) -> &mut Link {
        self.links.get_mut(link.index()).expect(FOREIGN_ID)
    }

    /// When the oldest request under way has waited too long.
    fn silence_at(&self) -> Instant {
        if self.silent {
            return Instant::NEVER;
        }
        let oldest = self.pending.iter().flatten().map(|pending| pending.issued).min();
        oldest.map_or(Instant::NEVER, |issued| issued.after(self.patience()))
    }

    fn patience(&self) -> Duration {
        self.longest_beat().times(STORE_SILENT_BEATS)
    }

    fn longest_beat(&self) -> Duration {
        self.links.iter().map(|link| link.settings.beat).max().unwrap_or(BEAT)
    }

    fn shortest_beat(&self) -> Duration {
        self.links.iter().map(|link| link.settings.beat).min().unwrap_or(BEAT)
    }

    fn watch_store(&mut self, now: Instant) {
        if self.silence_at() <= now {
            self.silent = true;
            if !core::mem::replace(&mut self.silence_reported, true) {
                self.store_events.push(StoreEvent::Silent);
            }
            // If it was the notification that got lost, this one makes up for it.
            self.client.ring_again();
        }
    }

    /// Quarantined pages are tried again once a beat of the fastest link, for ever.
    fn tend_quarantine(&mut self, now: Instant, platform: &mut impl Platform) {
        let (mut grown, mut is_unswept) = (0u32, false);
        for link in &mut self.links {
            grown = grown.saturating_add(link.take_quarantined());
            is_unswept |= link.take_unswept();
        }
        self.quarantined = self.quarantined.saturating_add(grown);
        let is_due = is_unswept || (self.quarantined > 0 && self.sweep_at <= now);
        if is_due {
            let left = platform.connections().sweep();
            self.quarantined = u32::try_from(left).unwrap_or(u32::MAX);
            self.sweep_at = now.after(self.shortest_beat());
        }
    }

    /// The ring is another one, or was reset: nothing under way will be answered.
    fn forget_store(&mut self) {
        self.pending = [const { None }; REQUESTS_MAX];
        self.watching = Watching::Not;
        self.first_fire_due = false;
        (self.watch_at, self.watches_refused) = (None, 0);
        (self.silent, self.blocked, self.is_end_reported) = (false, false, false);
    }
}

impl Default for Driver {
    fn default() -> Self {
        Self::new()
    }
}

/// Does everything that a link wants done, one action after the other.
fn act<P: Platform>(link: &mut Link, now: Instant, platform: &mut P) {
    while let Some(action) = link.poll_action(now, platform) {
        let completion = perform(link.id, &action, platform);
        platform.after_action(link.id, &action);
        link.handle_done(now, &action, completion, platform);
    }
}

fn perform(link: LinkId, action: &Action, platform: &mut impl Platform) -> Completion {
    let connections = platform.connections();
    match *action {
        Action::Prepare { peer, pages, ref terms } => {
            Completion::Prepared(connections.prepare(link, peer, pages, terms))
        }
        Action::Release => Completion::Released(connections.release(link)),
        Action::Map { peer, ref offer } => Completion::Mapped(connections.map(link, peer, offer)),
        Action::Verify(ref terms) => Completion::Verified(connections.verify(link, terms)),
        Action::Bind { peer, port } => Completion::Bound(connections.bind(link, peer, port)),
        Action::Unmap => Completion::Released(connections.unmap(link)),
        Action::Observe => Completion::Observed(connections.observe(link)),
        Action::AskPort => Completion::Port(connections.port_state(link)),
        Action::AskDomain(peer) => Completion::Domain(connections.xen().domain_state(peer)),
        Action::Fence => {
            connections.fence(link);
            Completion::Done
        }
        Action::Stamp(epoch) => {
            connections.stamp(link, epoch);
            Completion::Done
        }
        Action::Publish(words) => {
            connections.publish(link, words);
            Completion::Done
        }
        Action::SetClosing => {
            connections.set_closing(link);
            Completion::Done
        }
        Action::Notify => {
            connections.notify(link);
            Completion::Done
        }
        Action::Reached(_) => Completion::Done,
    }
}
