//! What the channel's driver needs of this domain, over real Xen: [`channel::Platform`].
//!
//! The driver decides when; this does it, and keeps the domain's books: which page sets are free, in
//! use or in quarantine, which window slots hold a peer's pages, which port belongs to which link.
//! The books belong to the domain and outlive any endpoint (docs/protocol.md §11). Conversions
//! between the libraries' own number types happen here and nowhere else.

mod against;
mod back;
mod front;
mod stops;
mod storm;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::LazyCell;
use core::marker::PhantomData;

use channel::platform::{
    BindError, MapError, Observation, Offer, PeerState, PortState, PrepareError, QuarantineState,
    Released, Terms, VerifyError,
};
use channel::{
    DomId, Epoch, EpochSource, Instant, LinkId, LinkName, Number, Platform, Port, Role, Step,
};
use grant::{BackConnection, FrontConnection, GrantTable, Notify, PageSet, Quarantine, Window};

use xenbus::blocking::Port as _;

use crate::abi::DOMID_SELF;
use crate::boot::resume::NewLife;
use crate::boot::start::{GRANT_ENTRIES, NO_DOMAIN_NUMBER, finish};
use crate::grants::{ForeignPages, GrantFrames, OwnPages, WindowMapper};
use crate::hypercall::event_channel::{self, Status};
use crate::options::{LINKS_MAX, PAGE_SETS_MAX};
use crate::refusal::Refusal;
use crate::store::StoreRing;
use crate::verdict::Verdict;
use crate::{clock, events, hypercall, random};

pub use stops::Stops;
use storm::Meter;

/// Slots of the foreign window that links may use: two pages for each of the most links that an
/// image takes, or fewer links with more pages.
const WINDOW_SLOTS: usize = 256;
const _: () = assert!(WINDOW_SLOTS >= 2 * LINKS_MAX);

// What a CONNECT may name, a page set and a mapping can hold.
const _: () = assert!(channel::limits::PAGES_MAX <= grant::PAGES_MAX);

/// One link's end of its connection.
struct End {
    front: Option<FrontConnection<OwnPages>>,
    back: Option<BackConnection<ForeignPages>>,
    port: Option<event_channel::Port>,
    /// How often the port has rung.
    meter: Meter,
    name: LinkName,
}

impl End {
    /// Opens the connection's port to the books.
    fn open_port(&mut self, port: event_channel::Port) {
        (self.port, self.meter) = (Some(port), Meter::NEW);
    }

    /// How far the peer has moved the rings, as the stream has accepted it.
    fn accepted(&self) -> [u32; 2] {
        match (&self.front, &self.back) {
            (Some(front), _) => front.accepted(),
            (None, Some(back)) => back.accepted(),
            (None, None) => [0; 2],
        }
    }
}

/// Times of the last release, for the timeline: nanoseconds of the clamped clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReleaseTimes {
    /// When the release began: the peer's last word was just read.
    pub begun_ns: u64,
    /// When every grant was ended and the port closed.
    pub done_ns: u64,
}

/// The role of all links of an image, as a type: what the other role needs is left out of the image.
pub trait Side {
    /// The role.
    const ROLE: Role;

    /// Something was done or has happened, now; the image `bench` keeps it. The shipped images do
    /// not, and hold no code for it.
    fn mark(_what: &'static str) {}
}

/// All links are fronts.
pub struct FrontSide;

impl Side for FrontSide {
    const ROLE: Role = Role::Front;
}

/// All links are backs.
pub struct BackSide;

impl Side for BackSide {
    const ROLE: Role = Role::Back;
}

/// What a link has in hand.
enum Connection<'a> {
    Front(&'a FrontConnection<OwnPages>),
    Back(&'a BackConnection<ForeignPages>),
    None,
}

/// This domain, as the driver sees it.
pub struct XenPlatform<S> {
    /// [`DOMID_SELF`] until [`Self::make_ready`].
    domid: DomId,
    store: StoreRing,
    table: GrantTable<GrantFrames>,
    /// Made by [`Self::make_ready`], as the window is: both are large.
    quarantine: LazyCell<Box<Quarantine<OwnPages, PAGE_SETS_MAX>>>,
    spare: Vec<PageSet<OwnPages>>,
    /// Page sets that there may be, at most [`PAGE_SETS_MAX`].
    page_sets: usize,
    window: LazyCell<Box<Window<WINDOW_SLOTS>>>,
    mapper: WindowMapper,
    ends: Vec<End>,
    stops: Stops,
    ports: Vec<event_channel::Port>,
    released: ReleaseTimes,
    side: PhantomData<S>,
}

impl<S: Side> XenPlatform<S> {
    /// Takes over what the links of this domain will need. Nothing is granted or mapped yet.
    pub fn new(
        store: StoreRing,
        table: GrantTable<GrantFrames>,
        mapper: WindowMapper,
        stops: Stops,
    ) -> Self {
        Self {
            domid: DomId(DOMID_SELF),
            store,
            table,
            quarantine: LazyCell::new(|| Box::new(Quarantine::new())),
            spare: Vec::new(),
            page_sets: PAGE_SETS_MAX,
            window: LazyCell::new(|| Box::new(Window::new())),
            mapper,
            ends: Vec::new(),
            stops,
            ports: Vec::new(),
            released: ReleaseTimes::default(),
            side: PhantomData,
        }
    }

    /// Makes ready what links will need: the domain's number, the grant table and the books.
    ///
    /// # Errors
    /// Xen does not tell the number, or does not place the grant table.
    pub(crate) fn make_ready(&mut self) -> Result<(), Refusal> {
        self.domid = DomId(hypercall::domid().ok_or(NO_DOMAIN_NUMBER)?);
        GrantFrames::of(GRANT_ENTRIES).place_once()?;
        LazyCell::force(&self.quarantine);
        LazyCell::force(&self.window);
        Ok(())
    }

    /// No more page sets than this are made, at most [`PAGE_SETS_MAX`]. Called before any is.
    pub fn limit_page_sets(&mut self, page_sets: usize) {
        self.page_sets = page_sets.min(PAGE_SETS_MAX);
    }

    /// The domain was restored and has begun a new life: all that links had in the former one is
    /// gone, whatever the books say. The driver must be told next.
    pub(crate) fn begin_life(&mut self, life: NewLife) {
        self.domid = DomId(life.domid);
        self.store = life.store;
        self.table = GrantTable::new(life.grants);
        self.window.forget();
        for end in &mut self.ends {
            end.port = None;
        }
        // Now, before any of their references is given out again.
        self.sweep_quarantine();
    }

    /// The front end of a link's data, while it is connected.
    pub fn front(&mut self, link: LinkId) -> Option<&mut FrontConnection<OwnPages>> {
        self.ends[link.index()].front.as_mut()
    }

    /// The back end of a link's data, while it is connected.
    pub fn back(&mut self, link: LinkId) -> Option<&mut BackConnection<ForeignPages>> {
        self.ends[link.index()].back.as_mut()
    }

    /// Rings the other end of a link if the byte rings say so.
    pub fn notify_if(&mut self, link: LinkId, notify: Notify) {
        if notify == Notify::Due {
            self.notify(link);
        }
    }

    /// Makes a place for the next link. Called in the order in which the driver is given them.
    pub fn add_link(&mut self, name: LinkName) {
        // Room is made now, so that what a link takes later leaves no trace in the heap.
        self.ports.reserve(self.ends.len() + 2);
        self.spare.reserve(PAGE_SETS_MAX);
        self.ends.push(End { front: None, back: None, port: None, meter: Meter::NEW, name });
    }

    /// The name given by [`Self::add_link`].
    pub fn link_name(&self, link: LinkId) -> &str {
        self.ends[link.index()].name.as_str()
    }

    /// Sleeps until xenstore's port or a connection's is pending, or `until`. All pending bits are
    /// cleared here, before anybody looks at what they announced. True if xenstore's was set.
    pub fn wait(&mut self, until: Instant) -> bool {
        self.ports.clear();
        self.ports.push(self.store.port());
        let now_ns = clock::now_ns();
        let mut until_ns = until.nanoseconds();
        for end in &mut self.ends {
            let Some(port) = end.port else { continue };
            end.meter.pass_time(now_ns);
            if end.meter.is_masked() {
                until_ns = until_ns.min(end.meter.until_ns());
            } else {
                self.ports.push(port);
            }
        }
        S::mark("sleep");
        events::wait(&self.ports, until_ns);
        S::mark("wake");
        for end in &mut self.ends {
            let Some(port) = end.port else { continue };
            if events::take_pending(port) && end.meter.count(end.accepted()) {
                let name = end.name.as_str();
                crate::say!(
                    Warn,
                    "link {name}: its peer rings for nothing; it is heard once a beat"
                );
            }
        }
        events::take_pending(self.store.port())
    }

    /// Sleeps until this link's connection rings, or `until`, whatever else may happen: for measuring
    /// event channels. False where the time ran out or nothing is connected.
    pub(crate) fn wait_for_peer(&mut self, link: LinkId, until_ns: u64) -> bool {
        let Some(port) = self.ends[link.index()].port else { return false };
        events::wait(&[port], until_ns);
        events::take_pending(port)
    }

    /// Whether the image is to stay when its job is done (`stop_at=finished`).
    pub fn stays_when_finished(&self) -> bool {
        self.stops.stays_when_finished()
    }

    /// A step of the job, not of the protocol, was reached.
    pub fn reached_by_job(&mut self, link: LinkId, step: Step) {
        self.reached(link, step);
    }

    /// When the last release began and ended.
    pub const fn release_times(&self) -> ReleaseTimes {
        self.released
    }

    /// Whether any link has a connection, or is about to have one.
    pub fn has_connection(&self) -> bool {
        self.ends.iter().any(|end| end.front.is_some() || end.back.is_some() || end.port.is_some())
    }

    /// What is still held, for the leak line: grants, foreign mappings, ports, quarantined pages.
    pub fn holdings(&self) -> Holdings {
        Holdings {
            grants: self.table.active().count(),
            mappings: self.window.mapped(),
            ports: self.ends.iter().filter(|end| end.port.is_some()).count(),
            quarantined: self.quarantined(),
        }
    }

    /// Pages in quarantine.
    pub fn quarantined(&self) -> usize {
        self.quarantine.state().pages
    }

    fn connection(&self, link: LinkId) -> Connection<'_> {
        let end = &self.ends[link.index()];
        let connection = match S::ROLE {
            Role::Front => end.front.as_ref().map(Connection::Front),
            Role::Back => end.back.as_ref().map(Connection::Back),
        };
        connection.unwrap_or(Connection::None)
    }

    fn close_port(&mut self, link: LinkId) {
        if let Some(port) = self.ends[link.index()].port.take() {
            // Closing a port of one's own fails only for a number that never was one: our bug.
            assert!(event_channel::close(port).is_ok(), "the port was ours and open");
        }
    }
}

/// What a domain holds on to, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Grants not ended, quarantined ones included.
    pub grants: usize,
    /// Slots of the window with a peer's page.
    pub mappings: usize,
    /// Connections' ports.
    pub ports: usize,
    /// Pages in quarantine.
    pub quarantined: usize,
}

impl<S: Side> EpochSource for XenPlatform<S> {
    /// Ends the image with the verdict ERROR where the processor has no random numbers any more: a
    /// dead image does less harm than one that crosses sessions.
    fn fresh_epoch(&mut self) -> Epoch {
        match random::draw_u128() {
            Ok(bits) => Epoch::from_bits(bits),
            Err(error) => finish(&Verdict::error(Refusal::from(error))),
        }
    }
}

impl<S: Side> Platform for XenPlatform<S> {
    type Ring = StoreRing;

    const ONLY_ROLE: Option<Role> = Some(S::ROLE);

    fn now(&mut self) -> Instant {
        Instant::from_nanoseconds(clock::now_ns())
    }

    fn domid(&mut self) -> DomId {
        self.domid
    }

    fn store_ring(&mut self) -> &mut StoreRing {
        &mut self.store
    }

    fn ring_store_doorbell(&mut self) {
        S::mark("doorbell");
        self.store.notify();
    }

    fn prepare(&mut self, link: LinkId, terms: &Terms) -> Result<Offer, PrepareError> {
        self.prepare_front(link, terms)
    }

    fn release(&mut self, link: LinkId) -> Released {
        self.released.begun_ns = clock::now_ns();
        S::mark("release");
        let released = self.release_front(link);
        self.released.done_ns = clock::now_ns();
        released
    }

    fn map(&mut self, link: LinkId, peer: DomId, offer: &Offer) -> Result<(), MapError> {
        self.map_back(link, peer, offer)
    }

    fn verify(&mut self, link: LinkId, terms: &Terms) -> Result<(), VerifyError> {
        self.verify_back(link, terms)
    }

    fn bind(&mut self, link: LinkId, peer: DomId, port: Port) -> Result<(), BindError> {
        self.bind_back(link, peer, port)
    }

    fn stamp(&mut self, link: LinkId, epoch: Epoch, number: Number) {
        self.stamp_back(link, epoch, number);
    }

    fn unmap(&mut self, link: LinkId) -> Released {
        self.unmap_back(link)
    }

    fn notify(&mut self, link: LinkId) {
        S::mark("notify");
        if let Some(port) = self.ends[link.index()].port {
            // Sending to a dead peer succeeds silently; to an unbound port it is refused. Neither
            // is news: the witnesses of the peer's death are others.
            let _ = event_channel::send(port);
        }
    }

    fn publish(&mut self, link: LinkId, words: channel::platform::PageWords) {
        let words =
            grant::PageWords { beat: words.beat, sent: words.sent, delivered: words.delivered };
        match self.connection(link) {
            Connection::Front(front) => front.publish(words),
            Connection::Back(back) => back.publish(words),
            Connection::None => {}
        }
    }

    fn say_closing(&mut self, link: LinkId) {
        match self.connection(link) {
            Connection::Front(front) => front.say_closing(),
            Connection::Back(back) => back.say_closing(),
            Connection::None => {}
        }
    }

    fn observe(&mut self, link: LinkId) -> Option<Observation> {
        match self.connection(link) {
            Connection::Front(front) => Some(front::observation(&front.observe())),
            Connection::Back(back) => Some(back::observation(&back.observe())),
            Connection::None => None,
        }
    }

    fn port_state(&mut self, link: LinkId) -> PortState {
        match self.ends[link.index()].port.map(event_channel::status) {
            Some(Ok(Status::Interdomain)) => PortState::Bound,
            Some(Ok(Status::Unbound)) => PortState::Unbound,
            Some(Ok(Status::Closed | Status::Other) | Err(_)) | None => PortState::Unknown,
        }
    }

    fn peer_exists(&mut self, peer: DomId) -> PeerState {
        if event_channel::domain_exists(peer.0) { PeerState::Exists } else { PeerState::Gone }
    }

    fn sweep_quarantine(&mut self) -> QuarantineState {
        let (before, after) = match S::ROLE {
            Role::Front => self.sweep_front(),
            Role::Back => self.sweep_back(),
        };
        QuarantineState { pages: count(after), freed: count(before - after) }
    }

    fn reached(&mut self, link: LinkId, step: Step) {
        S::mark(step.word());
        self.stops.reached(link, step);
    }
}

/// The words of a page header as the channel has them.
fn words(words: grant::PageWords) -> channel::platform::PageWords {
    channel::platform::PageWords { beat: words.beat, sent: words.sent, delivered: words.delivered }
}

/// Terms as the page header has them.
fn header_terms(terms: &Terms) -> grant::Terms {
    grant::Terms {
        epoch: grant::Epoch(terms.epoch.bytes()),
        number: terms.number.0,
        // Both libraries take 1 to 24 bytes; the channel has checked them.
        link: grant::LinkTag::new(terms.link.as_str()).expect("a link name fits its field"),
    }
}

fn count(pages: usize) -> u32 {
    u32::try_from(pages).unwrap_or(u32::MAX)
}
