//! The simulated hypervisor: grants and mappings of `grant`'s strict fake machine, event channels,
//! and the platform over both. Use of an unmapped page, or reuse of a mapped page, fails
//! immediately.

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use channel::connection::{
    AllocPortError, BindError, Connections, EventChannels, Hypervisor, PeerState, PortState,
};
use channel::link::Action;
use channel::{DomId, Epoch, EpochSource, GrantRef, LinkId, Platform, Port, Step};
use grant::fake::{FakeDomain, FakeEntries, FakeMachine, FakeMapper, FakePages};
use grant::layout::{BACK_WORDS, FRONT_WORDS, front_line};
use grant::layout::{WORDS_BEAT, WORDS_DELIVERED, WORDS_SENT};
use grant::{
    GrantError, GrantStatus, GrantTable, Granted, Granter, MapHandle, MapRefused, Mapper, PageSet,
    PageWords, SharedPages, SlotRun, UnmapRefused,
};

use super::store::{Ring, Store};

/// The number of grant entries of a domain, and of its window slots.
const ENTRIES: u32 = 256;
const WINDOW_SLOTS: usize = 128;

/// An operation to fail next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    NoPages,
    NoGrants,
    NoPorts,
    Map,
    /// One page is mapped, the next one is refused, and so is unmapping the first.
    MapHalf,
    Verify,
    Unmap,
    Bind,
}

/// One end of an event channel.
#[derive(Clone, Copy)]
struct Channel {
    owner: u16,
    remote: u16,
    other: Option<Port>,
}

pub struct Xen {
    pub store: Store,
    pub now: u64,
    machine: FakeMachine,
    domains: BTreeMap<u16, FakeDomain>,
    /// The pages allocated for connections.
    pages: Vec<(u16, u32, FakePages)>,
    next_frame: u32,
    /// The owner of each mapped page, by mapper and slot.
    maps: BTreeMap<(u16, u32), u16>,
    ports: BTreeMap<Port, Channel>,
    next_port: u32,
    next_epoch: u128,
    pub sabotage: Option<Sabotage>,
    /// Domains with a pending event on a connection's port.
    pub rung: Vec<u16>,
    pub steps: Vec<(u16, Step)>,
    pub doorbells: u64,
    pub is_esrch_hidden: bool,
}

impl Xen {
    pub fn new(seed: u64) -> Self {
        Self {
            store: Store::new(seed),
            now: 1,
            machine: FakeMachine::new(),
            domains: BTreeMap::new(),
            pages: Vec::new(),
            next_frame: 0x100,
            maps: BTreeMap::new(),
            ports: BTreeMap::new(),
            next_port: 1,
            next_epoch: u128::from(seed) << 64,
            sabotage: None,
            rung: Vec::new(),
            steps: Vec::new(),
            doorbells: 0,
            is_esrch_hidden: false,
        }
    }

    fn create(&mut self, domid: u16) -> FakeDomain {
        let domain = self.machine.create(DomId(domid), ENTRIES);
        self.domains.insert(domid, domain.clone());
        domain
    }

    /// Removes a domain: Xen drops its mappings and closes its ports; its pages exist while others
    /// map them.
    pub fn remove_domain(&mut self, domid: u16) {
        self.domains.remove(&domid).expect("a domain").destroy();
        self.maps.retain(|(mapper, _), _| *mapper != domid);
        self.pages.retain(|(owner, ..)| *owner != domid);
        let own: Vec<Port> = self.ports_of(domid).collect();
        for port in own {
            self.close(port);
        }
        self.store.remove_domain(domid);
    }

    fn ports_of(&self, domid: u16) -> impl Iterator<Item = Port> + '_ {
        self.ports.iter().filter(move |(_, end)| end.owner == domid).map(|(port, _)| *port)
    }

    fn close(&mut self, port: Port) {
        let end = self.ports.remove(&port).expect("an own open port");
        if let Some(other) = end.other.and_then(|other| self.ports.get_mut(&other)) {
            other.other = None;
        }
    }

    fn open(&mut self, channel: Channel) -> Port {
        let port = Port(self.next_port);
        self.next_port += 1;
        self.ports.insert(port, channel);
        port
    }

    fn take_sabotage(&mut self, sabotage: Sabotage) -> bool {
        self.sabotage.take_if(|planned| *planned == sabotage).is_some()
    }

    /// Describes the held resources, for failure messages.
    pub fn describe(&self) -> String {
        let domains = self.domains.iter().map(|(domid, domain)| {
            let ports = self.ports_of(*domid).count();
            format!(
                "{domid}: {} granted, {} mapped, {ports} ports",
                domain.granted(),
                domain.mappings()
            )
        });
        domains.collect::<Vec<_>>().join("; ")
    }

    /// The number of granted or mapped pages and open ports.
    pub fn held(&self) -> usize {
        let pages: usize =
            self.domains.values().map(|domain| domain.granted() + domain.mappings()).sum();
        pages + self.ports.len()
    }

    /// Writes these words into every page as the front (0) or the back (1).
    pub fn scribble(&mut self, side: usize, words: PageWords) {
        let line = [FRONT_WORDS, BACK_WORDS][side];
        for (.., page) in &self.pages {
            page.store_u32(line + WORDS_BEAT, words.beat);
            page.store_u32(line + WORDS_SENT, words.sent);
            page.store_u32(line + WORDS_DELIVERED, words.delivered);
        }
    }

    /// Closes all fences, like a front that considers its peer dead.
    pub fn fence_all(&mut self) {
        for (.., page) in &self.pages {
            page.store_u32(front_line::FENCE, 0);
            page.store_u32(front_line::FENCE + 4, 0);
        }
    }
}

/// A domain's interface to the simulated hypervisor.
pub struct TestXen {
    domid: u16,
    xen: Rc<RefCell<Xen>>,
    domain: FakeDomain,
    table: GrantTable<FakeEntries>,
    mapper: FakeMapper,
    /// The number of attempts to end a grant.
    pub end_tries: u64,
}

impl TestXen {
    fn new(domid: u16, xen: &Rc<RefCell<Xen>>) -> Self {
        let domain = xen.borrow_mut().create(domid);
        Self {
            domid,
            xen: Rc::clone(xen),
            table: GrantTable::new(domain.entries()),
            mapper: domain.mapper(),
            domain,
            end_tries: 0,
        }
    }
}

impl EventChannels for TestXen {
    fn alloc_unbound(&mut self, peer: DomId) -> Result<Port, AllocPortError> {
        let mut xen = self.xen.borrow_mut();
        if xen.take_sabotage(Sabotage::NoPorts) {
            return Err(AllocPortError::NoPorts);
        }
        Ok(xen.open(Channel { owner: self.domid, remote: peer.0, other: None }))
    }

    fn bind_interdomain(&mut self, peer: DomId, port: Port) -> Result<Port, BindError> {
        let mut xen = self.xen.borrow_mut();
        let is_for_us = xen.ports.get(&port).is_some_and(|end| {
            end.owner == peer.0 && end.remote == self.domid && end.other.is_none()
        });
        if xen.take_sabotage(Sabotage::Bind) || !is_for_us {
            return Err(BindError::BadPort);
        }
        let own = xen.open(Channel { owner: self.domid, remote: peer.0, other: Some(port) });
        xen.ports.get_mut(&port).expect("just found").other = Some(own);
        Ok(own)
    }

    fn close(&mut self, port: Port) {
        self.xen.borrow_mut().close(port);
    }

    fn send(&mut self, port: Port) {
        let mut xen = self.xen.borrow_mut();
        let other = xen.ports[&port].other.and_then(|other| xen.ports.get(&other));
        if let Some(owner) = other.map(|end| end.owner) {
            xen.rung.push(owner);
        }
    }

    fn status(&mut self, port: Port) -> PortState {
        match self.xen.borrow().ports.get(&port) {
            Some(Channel { other: Some(_), .. }) => PortState::Bound,
            Some(Channel { other: None, .. }) => PortState::Unbound,
            None => PortState::Unknown,
        }
    }

    fn domain_state(&mut self, domain: DomId) -> PeerState {
        let xen = self.xen.borrow();
        let is_zombie = xen.maps.values().any(|granter| *granter == domain.0);
        if xen.store.exists(domain.0) || is_zombie || xen.is_esrch_hidden {
            PeerState::Exists
        } else {
            PeerState::Gone
        }
    }
}

impl Granter<FakePages> for TestXen {
    fn grant(
        &mut self,
        peer: DomId,
        set: &PageSet<FakePages>,
        granted: &mut Granted,
    ) -> Result<(), GrantError> {
        if self.xen.borrow_mut().take_sabotage(Sabotage::NoGrants) {
            return Err(GrantError::Exhausted { entries: ENTRIES });
        }
        self.table.grant(peer, set, granted)
    }

    fn end(&mut self, granted: &mut Granted) {
        self.end_tries += 1;
        Granter::<FakePages>::end(&mut self.table, granted);
    }
}

impl Mapper for TestXen {
    fn map(&mut self, peer: DomId, r: GrantRef, window_slot: u32) -> Result<MapHandle, MapRefused> {
        let mut xen = self.xen.borrow_mut();
        let refused = MapRefused::Status(GrantStatus::GENERAL_ERROR);
        if xen.take_sabotage(Sabotage::Map) {
            return Err(refused);
        }
        if xen.take_sabotage(Sabotage::MapHalf) {
            self.domain.refuse_map_after(1, refused);
            self.domain.refuse_unmaps(1);
        }
        let handle = self.mapper.map(peer, r, window_slot)?;
        xen.maps.insert((self.domid, window_slot), peer.0);
        Ok(handle)
    }

    fn unmap(&mut self, handle: MapHandle, window_slot: u32) -> Result<(), UnmapRefused> {
        let mut xen = self.xen.borrow_mut();
        if xen.take_sabotage(Sabotage::Unmap) {
            self.domain.refuse_unmaps(1);
        }
        self.mapper.unmap(handle, window_slot)?;
        xen.maps.remove(&(self.domid, window_slot));
        Ok(())
    }
}

impl Hypervisor for TestXen {
    type OwnPages = FakePages;
    type ForeignPages = FakePages;

    fn allocate(&mut self, pages: usize, _peer: DomId) -> Option<PageSet<FakePages>> {
        let mut xen = self.xen.borrow_mut();
        if xen.take_sabotage(Sabotage::NoPages) {
            return None;
        }
        let first = xen.next_frame;
        let frames: Vec<u32> = (first..).take(pages).collect();
        xen.next_frame += frames.len() as u32;
        let set = self.domain.page_set(&frames);
        xen.pages.push((self.domid, first, set.pages().clone()));
        Some(set)
    }

    fn free(&mut self, set: PageSet<FakePages>) {
        let first = set.frames()[0];
        self.xen.borrow_mut().pages.retain(|(_, frame, _)| *frame != first);
    }

    fn foreign_pages(&mut self, run: &SlotRun) -> FakePages {
        let pages = self.domain.window_pages(run);
        if self.xen.borrow_mut().take_sabotage(Sabotage::Verify) {
            pages.store_u32(front_line::NUMBER, 77);
        }
        pages
    }
}

pub struct TestPlatform {
    pub domid: u16,
    pub xen: Rc<RefCell<Xen>>,
    ring: Ring,
    pub connections: Connections<TestXen>,
}

impl TestPlatform {
    pub fn new(domid: u16, xen: Rc<RefCell<Xen>>, ring: Ring, page_sets: usize) -> Self {
        let connections = Connections::new(TestXen::new(domid, &xen), page_sets, WINDOW_SLOTS);
        Self { domid, xen, ring, connections }
    }

    /// Restores the domain under another domid: its grants, mappings and ring are gone.
    pub fn become_domain(&mut self, domid: u16, ring: Ring) {
        (self.domid, self.ring) = (domid, ring);
        *self.connections.xen() = TestXen::new(domid, &self.xen);
        self.connections.reset_after_restore();
    }

    pub fn quarantined(&self) -> usize {
        self.connections.quarantined()
    }

    pub fn is_mapping(&self) -> bool {
        self.connections.counts().mappings > 0
    }

    pub fn end_tries(&mut self) -> u64 {
        self.connections.xen().end_tries
    }
}

impl EpochSource for TestPlatform {
    fn fresh_epoch(&mut self) -> Epoch {
        let mut xen = self.xen.borrow_mut();
        xen.next_epoch += 1;
        Epoch::from_bits(xen.next_epoch)
    }
}

impl Platform for TestPlatform {
    type Ring = Ring;
    type Xen = TestXen;

    fn domid(&mut self) -> DomId {
        DomId(self.domid)
    }

    fn store_ring(&mut self) -> &mut Ring {
        &mut self.ring
    }

    fn ring_store_doorbell(&mut self) {
        self.xen.borrow_mut().doorbells += 1;
    }

    fn connections(&mut self) -> &mut Connections<TestXen> {
        &mut self.connections
    }

    fn after_action(&mut self, _link: LinkId, action: &Action) {
        if let Action::Reached(step) = *action {
            self.xen.borrow_mut().steps.push((self.domid, step));
        }
    }
}
