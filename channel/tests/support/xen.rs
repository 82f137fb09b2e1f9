//! Grants, foreign maps and event channels of the small world, and the platform over them. Stricter
//! than Xen: to use a page after unmapping, to write before verifying or to reuse a page while it
//! is mapped fails at once.

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use channel::platform::{
    BindError, ClosingWord, Fence, GrantRefs, MapError, Observation, Offer, PageWords, PeerState,
    PortState, PrepareError, QuarantineState, Released, Terms, VerifyError,
};
use channel::{DomId, Epoch, EpochSource, GrantRef, Instant, LinkId, Number, Platform, Port, Step};

use super::store::{Ring, Store};

/// A connection's page. Its grant reference is its own number, its front's port too.
#[derive(Clone)]
struct Page {
    owner: u16,
    peer: u16,
    terms: Terms,
    is_granted: bool,
    /// Its domain is gone; it stays for who maps it.
    is_orphan: bool,
    is_open: bool,
    mapped_by: Option<(u16, LinkId)>,
    bound: bool,
    port_open: bool,
    stamp: (Epoch, Number),
    words: [PageWords; 2],
    closing: [bool; 2],
}

/// What may be told to fail next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    Prepare(PrepareError),
    Map,
    /// A page is mapped, the next one refused, and undoing the first refused too.
    MapHalf,
    Verify,
    Unmap,
    Bind,
}

pub struct Xen {
    pub store: Store,
    pub now: u64,
    pages: BTreeMap<u32, Page>,
    next_page: u32,
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
            pages: BTreeMap::new(),
            next_page: 8,
            next_epoch: u128::from(seed) << 64,
            sabotage: None,
            rung: Vec::new(),
            steps: Vec::new(),
            doorbells: 0,
            is_esrch_hidden: false,
        }
    }

    /// A domain is gone: Xen drops its maps, its grants go when nobody maps them.
    pub fn remove_domain(&mut self, domid: u16) {
        for page in self.pages.values_mut() {
            if page.mapped_by.is_some_and(|(by, _)| by == domid) {
                page.mapped_by = None;
                page.bound = false;
            }
            if page.owner == domid {
                page.is_granted = false;
                page.port_open = false;
                page.is_orphan = true;
            }
        }
        self.pages.retain(|_, page| !page.is_orphan || page.mapped_by.is_some());
        self.store.remove_domain(domid);
    }

    /// What is held, for a failure's message.
    pub fn describe(&self) -> String {
        let pages = self.pages.iter().map(|(number, page)| {
            let Page { owner, peer, is_granted, is_open, mapped_by, .. } = page;
            format!("{number}: {owner}>{peer} {is_granted} {is_open} {mapped_by:?}")
        });
        pages.collect::<Vec<_>>().join("; ")
    }

    /// Pages granted or mapped by anybody.
    pub fn held(&self) -> usize {
        self.pages.len()
    }

    /// A side writes what it likes into every page: 0 for the front, 1 for the back.
    pub fn scribble(&mut self, side: usize, words: PageWords) {
        for page in self.pages.values_mut() {
            page.words[side] = words;
        }
    }

    /// Somebody scribbles over the front's own fence: as a front that took its peer for dead.
    pub fn fence_all(&mut self) {
        for page in self.pages.values_mut() {
            page.is_open = false;
        }
    }
}

pub struct TestPlatform {
    pub domid: u16,
    pub xen: Rc<RefCell<Xen>>,
    ring: Ring,
    fronts: BTreeMap<LinkId, u32>,
    backs: BTreeMap<LinkId, (u32, bool)>,
    quarantine: Vec<u32>,
    /// Pages of peers that could not be unmapped, by number.
    stuck: Vec<u32>,
    pub quarantine_max: usize,
    /// How often the quarantine was swept.
    pub sweeps: u64,
}

impl TestPlatform {
    pub fn new(domid: u16, xen: Rc<RefCell<Xen>>, ring: Ring) -> Self {
        Self {
            domid,
            xen,
            ring,
            fronts: BTreeMap::new(),
            backs: BTreeMap::new(),
            quarantine: Vec::new(),
            stuck: Vec::new(),
            quarantine_max: 4,
            sweeps: 0,
        }
    }

    /// The domain was restored under another domid: its grants, maps and ring are gone.
    pub fn become_domain(&mut self, domid: u16, ring: Ring) {
        (self.domid, self.ring) = (domid, ring);
        self.fronts.clear();
        self.backs.clear();
        self.quarantine.clear();
    }

    pub fn quarantined(&self) -> usize {
        self.quarantine.len()
    }

    pub fn is_mapping(&self, link: LinkId) -> bool {
        self.backs.contains_key(&link)
    }

    /// Page and side, 0 for the front.
    fn side(&self, link: LinkId) -> Option<(u32, usize)> {
        let front = self.fronts.get(&link).map(|page| (*page, 0));
        front.or_else(|| self.backs.get(&link).map(|(page, _)| (*page, 1)))
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

    fn now(&mut self) -> Instant {
        Instant::from_nanoseconds(self.xen.borrow().now)
    }

    fn domid(&mut self) -> DomId {
        DomId(self.domid)
    }

    fn store_ring(&mut self) -> &mut Ring {
        &mut self.ring
    }

    fn ring_store_doorbell(&mut self) {
        self.xen.borrow_mut().doorbells += 1;
    }

    fn prepare(&mut self, link: LinkId, terms: &Terms) -> Result<Offer, PrepareError> {
        let mut xen = self.xen.borrow_mut();
        if let Some(Sabotage::Prepare(error)) = xen.sabotage {
            xen.sabotage = None;
            return Err(error);
        }
        if self.quarantine.len() >= self.quarantine_max {
            return Err(PrepareError::QuarantineFull);
        }
        let number = xen.next_page;
        xen.next_page += 1;
        let page = Page {
            owner: self.domid,
            peer: terms.peer.0,
            terms: *terms,
            is_granted: true,
            is_orphan: false,
            is_open: true,
            mapped_by: None,
            bound: false,
            port_open: true,
            stamp: (Epoch::from_bits(0), Number(0)),
            words: [PageWords::default(); 2],
            closing: [false; 2],
        };
        xen.pages.insert(number, page);
        assert!(self.fronts.insert(link, number).is_none(), "released before prepared again");
        let mut refs = GrantRefs::EMPTY;
        refs.push(GrantRef(number)).unwrap();
        Ok(Offer { port: Port(number), ring_bytes: 1792, features: 0, refs })
    }

    fn release(&mut self, link: LinkId) -> Released {
        let Some(number) = self.fronts.remove(&link) else { return Released::Freed };
        let mut xen = self.xen.borrow_mut();
        let page = xen.pages.get_mut(&number).unwrap();
        (page.is_open, page.port_open) = (false, false);
        if page.mapped_by.is_none() {
            xen.pages.remove(&number);
            return Released::Freed;
        }
        self.quarantine.push(number);
        Released::Quarantined { pages: 1 }
    }

    fn map(&mut self, link: LinkId, peer: DomId, offer: &Offer) -> Result<(), MapError> {
        let mut xen = self.xen.borrow_mut();
        if xen.sabotage == Some(Sabotage::Map) {
            xen.sabotage = None;
            return Err(MapError::NoRoom);
        }
        assert!(!self.backs.contains_key(&link), "unmapped before mapped again");
        let number = offer.refs.as_slice()[0].0;
        if xen.sabotage == Some(Sabotage::MapHalf) {
            xen.sabotage = None;
            xen.pages.get_mut(&number).unwrap().mapped_by = Some((self.domid, link));
            self.stuck.push(number);
            return Err(MapError::BadGrant);
        }
        let page = xen
            .pages
            .get_mut(&number)
            .filter(|page| page.owner == peer.0 && page.peer == self.domid && page.is_granted)
            .ok_or(MapError::BadGrant)?;
        page.mapped_by = Some((self.domid, link));
        self.backs.insert(link, (number, false));
        Ok(())
    }

    fn verify(&mut self, link: LinkId, terms: &Terms) -> Result<(), VerifyError> {
        let mut xen = self.xen.borrow_mut();
        if xen.sabotage == Some(Sabotage::Verify) {
            xen.sabotage = None;
            return Err(VerifyError::NotThisConnection);
        }
        let (number, verified) = self.backs.get_mut(&link).expect("mapped before verified");
        let page = &xen.pages[number];
        let same = page.terms.epoch == terms.epoch
            && page.terms.number == terms.number
            && page.terms.link == terms.link;
        if !same {
            return Err(VerifyError::NotThisConnection);
        }
        if !page.is_open {
            return Err(VerifyError::Fenced);
        }
        *verified = true;
        Ok(())
    }

    fn bind(&mut self, link: LinkId, _peer: DomId, port: Port) -> Result<(), BindError> {
        let mut xen = self.xen.borrow_mut();
        if xen.sabotage == Some(Sabotage::Bind) {
            xen.sabotage = None;
            return Err(BindError::BadPort);
        }
        let (number, verified) = self.backs[&link];
        assert!(verified, "verified before bound");
        assert_eq!(number, port.0);
        let page = xen.pages.get_mut(&number).unwrap();
        if !page.port_open {
            return Err(BindError::BadPort);
        }
        page.bound = true;
        Ok(())
    }

    fn stamp(&mut self, link: LinkId, epoch: Epoch, number: Number) {
        let mut xen = self.xen.borrow_mut();
        let (page, verified) = self.backs[&link];
        let page = xen.pages.get_mut(&page).unwrap();
        assert!(verified && page.bound, "the stamp comes last");
        page.stamp = (epoch, number);
    }

    fn unmap(&mut self, link: LinkId) -> Released {
        let Some((number, _)) = self.backs.remove(&link) else { return Released::Freed };
        let mut xen = self.xen.borrow_mut();
        let is_refused = xen.sabotage == Some(Sabotage::Unmap);
        let page = xen.pages.get_mut(&number).unwrap();
        page.bound = false;
        if is_refused {
            xen.sabotage = None;
            self.stuck.push(number);
            return Released::Quarantined { pages: 1 };
        }
        page.mapped_by = None;
        if page.is_orphan {
            xen.pages.remove(&number);
        }
        Released::Freed
    }

    fn notify(&mut self, link: LinkId) {
        let Some((number, side)) = self.side(link) else { return };
        let mut xen = self.xen.borrow_mut();
        let page = &xen.pages[&number];
        let (bound, other) = (page.bound, if side == 0 { page.peer } else { page.owner });
        if bound {
            xen.rung.push(other);
        }
    }

    fn publish(&mut self, link: LinkId, words: PageWords) {
        let Some((number, side)) = self.side(link) else { return };
        assert!(side == 0 || self.backs[&link].1, "verified before written");
        self.xen.borrow_mut().pages.get_mut(&number).unwrap().words[side] = words;
    }

    fn say_closing(&mut self, link: LinkId) {
        let Some((number, side)) = self.side(link) else { return };
        self.xen.borrow_mut().pages.get_mut(&number).unwrap().closing[side] = true;
    }

    fn observe(&mut self, link: LinkId) -> Option<Observation> {
        let (number, side) = self.side(link)?;
        let xen = self.xen.borrow();
        let page = &xen.pages[&number];
        Some(Observation {
            stamp: page.stamp,
            words: page.words[1 - side],
            closing: if page.closing[1 - side] { ClosingWord::Set } else { ClosingWord::Clear },
            fence: if page.is_open { Fence::Open } else { Fence::Closed },
        })
    }

    fn port_state(&mut self, link: LinkId) -> PortState {
        let Some((number, _)) = self.side(link) else { return PortState::Unknown };
        let xen = self.xen.borrow();
        let page = &xen.pages[&number];
        if page.bound && page.port_open { PortState::Bound } else { PortState::Unbound }
    }

    fn peer_exists(&mut self, peer: DomId) -> PeerState {
        let xen = self.xen.borrow();
        let is_zombie = xen.pages.values().any(|page| page.is_orphan && page.owner == peer.0);
        if xen.store.exists(peer.0) || is_zombie || xen.is_esrch_hidden {
            PeerState::Exists
        } else {
            PeerState::Gone
        }
    }

    fn sweep_quarantine(&mut self) -> QuarantineState {
        self.sweeps += 1;
        let mut xen = self.xen.borrow_mut();
        let before = self.quarantine.len() + self.stuck.len();
        for number in self.stuck.drain(..) {
            xen.pages.get_mut(&number).unwrap().mapped_by = None;
        }
        self.quarantine.retain(|number| {
            let is_mapped = xen.pages[number].mapped_by.is_some();
            if !is_mapped {
                xen.pages.remove(number);
            }
            is_mapped
        });
        QuarantineState {
            pages: self.quarantine.len() as u32,
            freed: (before - self.quarantine.len()) as u32,
        }
    }

    fn reached(&mut self, _link: LinkId, step: Step) {
        self.xen.borrow_mut().steps.push((self.domid, step));
    }
}
