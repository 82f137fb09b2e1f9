//! The driver runs many links over one xenstore client and one watch. Images and the simulator
//! share it. Each step processes incoming packets, runs timers, reads the pages, and submits the
//! links' requests in round-robin order, so that no link can starve another (docs/protocol.md §5,
//! §12).
//!
//! The caller runs one loop: call [`Driver::step`]; call [`Driver::poll_event`] until it returns
//! `None` (asserted); move data; wait for an event channel or until [`Driver::deadline`]. An early
//! call of `step` is harmless.

mod routing;
mod shutdown_control;
mod store_events;

use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::fmt;

use xenbus::{Client, Counts, RequestId, RequestKind};

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
pub use store_events::StoreEvent;
use store_events::StoreEvents;

const _: () = assert!(REQUESTS_MAX <= xenbus::IN_FLIGHT_MAX);

/// Why a link was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddError {
    /// The driver has 65,536 links, the most that a [`LinkId`] can name.
    Full,
    /// The driver has a link of that name already.
    NameTaken,
    /// A setting is out of its range; see [`Settings`].
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

/// [`Driver::poll_event`] must be called until it returns `None` before the next [`Driver::step`]:
/// the queues of events are bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotDrained;

impl fmt::Display for NotDrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("events of the last step were not taken: call poll_event until None, then step")
    }
}

impl core::error::Error for NotDrained {}

/// An outstanding request.
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

/// The state of the watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watching {
    /// Nothing was requested yet.
    Not,
    /// RESET_WATCHES was submitted; WATCH is next.
    Reset,
    /// WATCH was submitted.
    Asked,
}

/// Panic message for a [`LinkId`] of another driver, a mistake of the caller.
const FOREIGN_ID: &str = "the id of a link of this driver";

/// All links of a domain. Each link takes about 5 KB.
///
/// # Panics
/// Functions that take a [`LinkId`] panic if this driver has no such link. An id that the driver
/// returned stays valid.
#[derive(Clone)]
pub struct Driver {
    client: Client,
    links: Vec<Link>,
    watching: Watching,
    /// The event that every WATCH causes has not arrived yet. It is ignored: the first READs are
    /// submitted with the WATCH.
    first_fire_due: bool,
    pending: [Option<Pending>; REQUESTS_MAX],
    /// The link that may submit first.
    turn: usize,
    /// The link whose events are polled first.
    event_turn: usize,
    /// The oldest outstanding request has waited too long, and xenstored was notified again.
    silent: bool,
    /// [`StoreEvent::Silent`] was reported, and no answer has arrived since, not even after a ring
    /// reset.
    silence_reported: bool,
    is_end_reported: bool,
    /// When to retry a refused watch.
    watch_at: Option<Instant>,
    /// How often the watch was refused.
    watches_refused: u32,
    store_events: StoreEvents,
    shutdown: ShutdownControl,
    overhead_requests: [u64; RequestKind::COUNT],
    link_requests_at_up: u64,
    quarantined: u32,
    sweep_at: Instant,
    /// The client had no room at the last attempt; the next reply makes room.
    blocked: bool,
    /// The events of the last step were not all taken yet.
    has_undrained: bool,
    scratch: [u8; MESSAGE_BYTES_MAX],
}

impl Driver {
    /// Creates a driver without links. It submits its first requests in [`Driver::step`].
    #[inline(always)] // Built in place: a copy of its 14 KB adds 28 us to the boot time.
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

    // Requests of the user.

    /// Reserves memory for `links` additional links, so that adding them does not allocate.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn reserve(&mut self, links: usize) -> Result<(), TryReserveError> {
        self.links.try_reserve_exact(links)
    }

    /// Adds a link. It starts with the next [`Driver::step`].
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

    /// Front: requests a connection (rule C1), and returns its number. An event reports the result.
    ///
    /// # Errors
    /// See [`ConnectError`].
    ///
    /// # Panics
    /// If the driver has no such link.
    pub fn connect(
        &mut self,
        now: Instant,
        link: LinkId,
        platform: &mut impl Platform,
    ) -> Result<ConnectionId, ConnectError> {
        let link = self.link_mut(link);
        let number = link.connect()?;
        run_actions(link, now, platform);
        Ok(number)
    }

    /// Either role: requests the end of the connection (rules C3 and D6).
    ///
    /// # Errors
    /// See [`NotConnected`].
    ///
    /// # Panics
    /// If the driver has no such link.
    pub fn disconnect(
        &mut self,
        now: Instant,
        link: LinkId,
        platform: &mut impl Platform,
    ) -> Result<(), NotConnected> {
        let link = self.link_mut(link);
        link.disconnect()?;
        run_actions(link, now, platform);
        Ok(())
    }

    /// Sends an application message, which is delivered exactly once within this session.
    ///
    /// # Errors
    /// See [`SendError`]. [`SendError::Full`] contains the time at which to retry.
    ///
    /// # Panics
    /// If the driver has no such link.
    pub fn send(&mut self, link: LinkId, message: &[u8]) -> Result<(), SendError> {
        self.link_mut(link).send(message)
    }

    /// Restarts the endpoint of a link in place (rule S0): it draws a new epoch and forgets its
    /// session.
    ///
    /// # Panics
    /// If the driver has no such link.
    pub fn restart(&mut self, now: Instant, link: LinkId, platform: &mut impl Platform) {
        let link = self.link_mut(link);
        link.restart(now, platform);
        run_actions(link, now, platform);
    }

    /// The domain was suspended and resumed, possibly with another domid: ring, grants, ports and
    /// introductions are new. Every link starts over.
    pub fn resumed(&mut self, now: Instant, platform: &mut impl Platform) {
        self.forget_store();
        self.store_events.forget_end();
        for link in &mut self.links {
            link.handle_resumed(now, platform);
            run_actions(link, now, platform);
        }
    }

    // Inputs and outputs.

    /// Processes all input and submits all requests that are possible at `now`.
    ///
    /// # Errors
    /// [`NotDrained`] if the events of the last step were not all taken. Nothing was done then.
    pub fn step(&mut self, now: Instant, platform: &mut impl Platform) -> Result<(), NotDrained> {
        if self.has_undrained {
            return Err(NotDrained);
        }
        if self.watching == Watching::Not {
            self.begin(now, platform);
        }
        self.retry_watch(now);
        self.take_in(now, platform);
        for link in &mut self.links {
            link.handle_step();
            run_actions(link, now, platform);
        }
        self.check_silence(now);
        self.retry_quarantine(now, platform);
        self.submit_all(now, platform);
        self.submit_control_op(now);
        self.take_in(now, platform);
        if self.client.doorbell_due() {
            platform.ring_store_doorbell();
        }
        let is_drained = self.links.iter().all(Link::is_drained);
        self.has_undrained = !is_drained;
        Ok(())
    }

    /// Counts a wake-up by xenstored's event channel.
    pub fn woke(&mut self) {
        self.client.woke();
    }

    /// Returns the next event of a link. A message is valid until the next call.
    pub fn poll_event(&mut self) -> Option<(LinkId, Event<'_>)> {
        let count = self.links.len();
        // Find the link first: the borrow of an event inside the loop would last beyond it.
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

    /// Returns whether [`Driver::poll_event`] has an event.
    pub fn has_event(&self) -> bool {
        self.links.iter().any(Link::has_event)
    }

    /// Returns the next xenstore event. Call it after each step until it returns `None`.
    pub fn poll_store_event(&mut self) -> Option<StoreEvent> {
        self.store_events.pop()
    }

    /// The latest time at which [`Driver::step`] must be called if no event channel fires before.
    /// [`Instant::START`] means immediately.
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
        let may_submit = may_submit && !self.shutdown.blocks_requests();
        for link in self.links.iter() {
            if link.has_event() || link.can_progress() || (may_submit && link.has_request()) {
                return Instant::START;
            }
            deadline = deadline.min(link.deadline());
        }
        deadline
    }

    /// Returns the next shutdown request of the toolstack, after its acknowledgement was submitted.
    /// [`ShutdownRequest::Suspend`] is returned only when no request is outstanding, and the driver
    /// submits none before it is taken, so the ring is empty.
    pub fn poll_shutdown_request(&mut self) -> Option<ShutdownRequest> {
        if self.shutdown.is_waiting() {
            return None; // Acknowledge first: the request may end the image.
        }
        if self.shutdown.blocks_requests() && !self.is_quiet() {
            return None;
        }
        self.shutdown.take()
    }

    /// Submits the request that is due, after those of the links.
    pub(super) fn submit_control_op(&mut self, now: Instant) {
        let Some(op) = self.shutdown.due(now) else { return };
        if self.submit_own(op.request(), Purpose::Control(op), now) {
            self.shutdown.handle_submitted(op);
        }
    }

    // Getters.

    /// Returns the ids of all links, in the order in which they were added.
    pub fn ids(&self) -> impl Iterator<Item = LinkId> + use<> {
        (0..self.links.len()).map(LinkId::from_index)
    }

    /// The state of a link.
    pub fn link(&self, link: LinkId) -> &Link {
        self.links.get(link.index()).expect(FOREIGN_ID)
    }

    /// The counters of the xenstore client.
    pub const fn counts(&self) -> &Counts {
        self.client.counts()
    }

    /// The requests that do not belong to a link, by kind: RESET_WATCHES, and the handling of
    /// shutdown requests.
    pub const fn overhead_requests(&self) -> &[u64; RequestKind::COUNT] {
        &self.overhead_requests
    }

    /// The number of link requests at the time a link last came up. Requests submitted later in
    /// that step are not included.
    pub const fn link_requests_at_up(&self) -> u64 {
        self.link_requests_at_up
    }

    /// The number of link requests so far, of all kinds.
    pub fn link_requests(&self) -> u64 {
        self.client.counts().requests_total() - self.overhead_requests.iter().sum::<u64>()
    }

    /// Whether no reply is outstanding and no partial packet is buffered. The caller may then use
    /// the ring directly until [`Driver::resumed`].
    pub fn is_quiet(&self) -> bool {
        self.client.is_quiet()
    }

    /// The number of pages in quarantine at the last sweep, plus those added since.
    pub const fn quarantined(&self) -> u32 {
        self.quarantined
    }

    fn next_id(&self) -> Option<LinkId> {
        (self.links.len() <= usize::from(u16::MAX)).then(|| LinkId::from_index(self.links.len()))
    }

    fn link_mut(&mut self, link: LinkId) -> &mut Link {
        self.links.get_mut(link.index()).expect(FOREIGN_ID)
    }

    /// When the oldest outstanding request has waited too long.
    fn silence_at(&self) -> Instant {
        if self.silent {
            return Instant::NEVER;
        }
        let oldest = self.pending.iter().flatten().map(|pending| pending.issued).min();
        oldest.map_or(Instant::NEVER, |issued| issued.after(self.silence_limit()))
    }

    fn silence_limit(&self) -> Duration {
        self.longest_beat().times(STORE_SILENT_BEATS)
    }

    fn longest_beat(&self) -> Duration {
        self.links.iter().map(|link| link.settings.beat).max().unwrap_or(BEAT)
    }

    fn shortest_beat(&self) -> Duration {
        self.links.iter().map(|link| link.settings.beat).min().unwrap_or(BEAT)
    }

    fn check_silence(&mut self, now: Instant) {
        if self.silence_at() <= now {
            self.silent = true;
            if !core::mem::replace(&mut self.silence_reported, true) {
                self.store_events.push(StoreEvent::Silent);
            }
            // The notification may have been lost: send another.
            self.client.ring_again();
        }
    }

    /// Retries quarantined pages once per beat of the fastest link, without limit.
    fn retry_quarantine(&mut self, now: Instant, platform: &mut impl Platform) {
        let (mut grown, mut needs_sweep) = (0u32, false);
        for link in &mut self.links {
            grown = grown.saturating_add(link.take_quarantined());
            needs_sweep |= link.take_needs_sweep();
        }
        self.quarantined = self.quarantined.saturating_add(grown);
        let is_due = needs_sweep || (self.quarantined > 0 && self.sweep_at <= now);
        if is_due {
            let left = platform.connections().sweep();
            self.quarantined = u32::try_from(left).unwrap_or(u32::MAX);
            self.sweep_at = now.after(self.shortest_beat());
        }
    }

    /// The ring was replaced or reset: outstanding requests will not be answered.
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

/// Performs all pending actions of a link, one after the other.
fn run_actions<P: Platform>(link: &mut Link, now: Instant, platform: &mut P) {
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
