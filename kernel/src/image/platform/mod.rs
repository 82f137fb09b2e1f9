//! This domain as the channel's driver sees it, over real Xen: [`channel::Platform`].

mod breakpoints;
mod ports;

use alloc::vec::Vec;

use channel::link::Action;
use channel::{
    Connections, DomId, Epoch, EpochSource, Instant, LinkId, LinkName, Platform, Port, Step,
};
use grant::{BackConnection, FrontConnection, Notify};

use xenbus::blocking::Port as _;

use crate::image::exit_status::ExitStatus;
use crate::image::options::{LINKS_MAX, PAGE_SETS_MAX};
use crate::image::resume::Restored;
use crate::image::start::{GRANT_ENTRIES, NO_DOMAIN_NUMBER, finish};
use crate::mem::random;
use crate::xen::abi::DOMID_SELF;
use crate::xen::boot_error::BootError;
use crate::xen::grants::{ForeignPages, GrantFrames, OwnGrants, OwnPages};
use crate::xen::store::StoreRing;
use crate::xen::{clock, events, hypercall};

pub use breakpoints::Breakpoints;
pub use ports::{Observer, XenPorts};

/// Slots of the foreign window that links may use: two pages for each of the most links that an
/// image takes, or fewer links with more pages.
const WINDOW_SLOTS: usize = 256;
const _: () = assert!(WINDOW_SLOTS >= 2 * LINKS_MAX);

// What a CONNECT may name, a page set and a mapping can hold.
const _: () = assert!(channel::limits::PAGES_MAX <= grant::PAGES_MAX);

/// Times of the last release, for the timeline: nanoseconds of the clamped clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReleaseTimes {
    /// When the release began: the peer's last word was just read.
    pub begun_ns: u64,
    /// When every grant was ended and the port closed.
    pub done_ns: u64,
}

/// The observer that the shipped images have.
fn ignore(_what: &'static str) {}

/// This domain, as the driver sees it.
pub struct XenPlatform {
    /// [`DOMID_SELF`] until [`Self::finish_setup`].
    domid: DomId,
    store: StoreRing,
    /// Until [`Self::finish_setup`].
    grants: Option<OwnGrants>,
    /// Made by [`Self::finish_setup`], when the first requests to xenstored are under way.
    connections: Option<Connections<XenPorts>>,
    /// Page sets that there may be, at most [`PAGE_SETS_MAX`].
    page_sets: usize,
    names: Vec<LinkName>,
    breakpoints: Breakpoints,
    ports: Vec<Port>,
    released: ReleaseTimes,
    observer: Observer,
}

impl XenPlatform {
    /// Takes over what the links of this domain will need. Nothing is granted or mapped yet.
    pub fn new(store: StoreRing, grants: OwnGrants, breakpoints: Breakpoints) -> Self {
        Self {
            domid: DomId(DOMID_SELF),
            store,
            grants: Some(grants),
            connections: None,
            page_sets: PAGE_SETS_MAX,
            names: Vec::new(),
            breakpoints,
            ports: Vec::new(),
            released: ReleaseTimes::default(),
            observer: ignore,
        }
    }

    /// From now on `observer` is called at each moment that matters to a measurement. Called before
    /// [`Self::finish_setup`].
    pub fn observe(&mut self, observer: Observer) {
        self.observer = observer;
    }

    /// Makes ready what links will need: the domain's number, the grant table and the books.
    ///
    /// # Errors
    /// Xen does not tell the number, or does not place the grant table.
    pub fn finish_setup(&mut self) -> Result<(), BootError> {
        self.domid = DomId(hypercall::domid().ok_or(NO_DOMAIN_NUMBER)?);
        GrantFrames::of(GRANT_ENTRIES).place_once()?;
        if let Some(grants) = self.grants.take() {
            let ports = XenPorts::new(grants, self.observer);
            self.connections = Some(Connections::new(ports, self.page_sets, WINDOW_SLOTS));
        }
        Ok(())
    }

    /// No more page sets than this are made, at most [`PAGE_SETS_MAX`]. Called before any is.
    pub fn limit_page_sets(&mut self, page_sets: usize) {
        self.page_sets = page_sets.min(PAGE_SETS_MAX);
    }

    /// The domain was restored and has begun a new life: all that links had in the former one is
    /// gone, whatever the books say. The driver must be told next.
    pub(crate) fn reset_after_restore(&mut self, life: Restored) {
        self.domid = DomId(life.domid);
        self.store = life.store;
        let observer = self.observer;
        let connections = self.connections();
        *connections.xen() = XenPorts::new(OwnGrants::new(life.grants), observer);
        connections.reset_after_restore();
    }

    /// The front end of a link's data, while it is connected.
    pub fn front(&mut self, link: LinkId) -> Option<&mut FrontConnection<OwnPages>> {
        self.connections().front(link)
    }

    /// The back end of a link's data, while it is connected.
    pub fn back(&mut self, link: LinkId) -> Option<&mut BackConnection<ForeignPages>> {
        self.connections().back(link)
    }

    /// Rings the other end of a link.
    pub fn notify(&mut self, link: LinkId) {
        self.connections().notify(link);
    }

    /// Rings the other end of a link if the byte rings say so.
    pub fn notify_if(&mut self, link: LinkId, notify: Notify) {
        self.connections().notify_if(link, notify);
    }

    /// Notes the next link's name. Called in the order in which the driver is given them.
    pub fn add_link(&mut self, name: LinkName) {
        // Room is made now, so that what a link takes later leaves no trace in the heap.
        self.ports.reserve(self.names.len() + 2);
        self.names.push(name);
    }

    /// The name given by [`Self::add_link`].
    pub fn link_name(&self, link: LinkId) -> &str {
        self.names[link.index()].as_str()
    }

    /// The present moment, by a clock that never steps back.
    pub fn now(&self) -> Instant {
        Instant::from_nanoseconds(clock::now_ns())
    }

    /// Sleeps until xenstore's port or a connection's is pending, or `until`. All pending bits are
    /// cleared here, before anybody looks at what they announced. True if xenstore's was set.
    pub fn wait(&mut self, until: Instant) -> bool {
        let now = self.now();
        let connections = self.connections.as_mut().expect(SET_UP);
        self.ports.clear();
        self.ports.push(self.store.port());
        let until = connections.add_ports(now, &mut self.ports).min(until);
        (self.observer)("sleep");
        events::wait(&self.ports, until.nanoseconds());
        (self.observer)("wake");
        connections.take_pending(
            |_, port| events::take_pending(port),
            |link| {
                let name = self.names[link.index()].as_str();
                crate::say!(
                    Warn,
                    "link {name}: its peer rings for nothing; it is heard once a beat"
                );
            },
        );
        events::take_pending(self.store.port())
    }

    /// Sleeps until this link's connection rings, or `until`, whatever else may happen: for measuring
    /// event channels. False where the time ran out or nothing is connected.
    pub fn wait_for_peer(&mut self, link: LinkId, until_ns: u64) -> bool {
        let Some(port) = self.connections().port(link) else { return false };
        events::wait(&[port], until_ns);
        events::take_pending(port)
    }

    /// Whether the image is to stay when its job is done (`stop_at=finished`).
    pub fn stays_when_finished(&self) -> bool {
        self.breakpoints.stays_when_finished()
    }

    /// A step was reached, of the protocol or of the job.
    pub fn reached(&mut self, link: LinkId, step: Step) {
        (self.observer)(step.word());
        self.breakpoints.reached(link, step);
    }

    /// When the last release began and ended.
    pub const fn release_times(&self) -> ReleaseTimes {
        self.released
    }

    /// Whether any link has a connection, or is about to have one.
    pub fn has_connection(&self) -> bool {
        self.connections.as_ref().is_some_and(Connections::has_connection)
    }

    /// Grants that are not ended, quarantined ones included.
    pub fn granted(&mut self) -> usize {
        self.connections().xen().grants.active()
    }

    /// Pages in quarantine.
    pub fn quarantined(&self) -> usize {
        self.connections.as_ref().map_or(0, Connections::quarantined)
    }
}

impl EpochSource for XenPlatform {
    /// Ends the image with the verdict ERROR where the processor has no random numbers any more: a
    /// dead image does less harm than one that crosses sessions.
    fn fresh_epoch(&mut self) -> Epoch {
        match random::draw_u128() {
            Ok(bits) => Epoch::from_bits(bits),
            Err(error) => finish(&ExitStatus::error(BootError::from(error))),
        }
    }
}

/// What is true when there is a link.
const SET_UP: &str = "set up before the first link";

impl Platform for XenPlatform {
    type Ring = StoreRing;
    type Xen = XenPorts;

    fn domid(&mut self) -> DomId {
        self.domid
    }

    fn store_ring(&mut self) -> &mut StoreRing {
        &mut self.store
    }

    fn ring_store_doorbell(&mut self) {
        (self.observer)("doorbell");
        self.store.notify();
    }

    fn connections(&mut self) -> &mut Connections<XenPorts> {
        self.connections.as_mut().expect(SET_UP)
    }

    fn after_action(&mut self, link: LinkId, action: &Action) {
        match *action {
            Action::Fence => {
                self.released.begun_ns = clock::now_ns();
                (self.observer)("release");
            }
            Action::Release => self.released.done_ns = clock::now_ns(),
            Action::Reached(step) => self.reached(link, step),
            _ => {}
        }
    }
}
