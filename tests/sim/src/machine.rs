//! What a simulated domain has: its ring page, its grants and window, its clock; the counterpart of
//! the image's `XenPlatform`, over the same `grant` crate.
//!
//! These books belong to the domain and outlive an endpoint that is restarted in place.

use channel::{DomId, LinkId};
use grant::{BackConnection, FrontConnection, GrantTable, PageSet, Quarantine, SharedPages};
use xenbus::{RingPage, RingWord};

use super::clock::Clock;
use super::page::Page;
use super::slots::Slots;
use super::xen::{Entries, Holdings, Life, SimPages, Xen};

/// Page sets that may be in use or in quarantine together. Few, so that a full quarantine happens.
pub const PAGE_SETS_MAX: usize = 4;

/// A domain's end of its xenstore ring.
#[derive(Clone, Debug)]
pub struct GuestRing {
    page: Page,
}

impl GuestRing {
    /// The ring in this page.
    pub fn new(page: Page) -> Self {
        GuestRing { page }
    }

    /// The page, for the daemon.
    pub fn page(&self) -> &Page {
        &self.page
    }
}

impl RingPage for GuestRing {
    fn load(&self, word: RingWord) -> u32 {
        self.page.load(word.offset())
    }

    fn store(&mut self, word: RingWord, value: u32) {
        self.page.store(word.offset(), value);
    }

    fn copy_from(&self, offset: usize, into: &mut [u8]) {
        self.page.copy_from(offset, into);
    }

    fn copy_to(&mut self, offset: usize, from: &[u8]) {
        self.page.copy_to(offset, from);
    }

    fn full_barrier(&self) {}
}

/// One link's end of its connection.
#[derive(Debug, Default)]
pub struct End {
    /// The granting side.
    pub front: Option<FrontConnection<SimPages>>,
    /// The mapping side.
    pub back: Option<BackConnection<SimPages>>,
    /// The own port.
    pub port: Option<u32>,
    /// The granting side's epoch and number.
    pub terms: Option<(u128, u32)>,
}

/// A simulated domain without its program.
#[derive(Debug)]
pub struct Machine {
    /// The hypervisor.
    pub xen: Xen,
    /// Which life this is.
    pub life: Life,
    /// Its number.
    pub domid: u16,
    /// Its clock.
    pub clock: Clock,
    /// Its xenstore ring.
    pub ring: GuestRing,
    /// Its grants.
    pub table: GrantTable<Entries>,
    /// Pages that a peer still maps.
    pub quarantine: Quarantine<SimPages, PAGE_SETS_MAX>,
    /// Pages that are free, with their frames.
    pub spare: Vec<PageSet<SimPages>>,
    /// Slots for foreign pages.
    pub window: Slots,
    /// Per link.
    pub ends: Vec<End>,
    /// A fault: the next port is refused.
    pub refuse_port: bool,
}

impl Machine {
    /// A fresh domain's, which has so many links.
    pub fn new(xen: &Xen, life: Life, domid: u16, clock: Clock, links: usize) -> Self {
        Machine {
            xen: xen.clone(),
            life,
            domid,
            clock,
            ring: GuestRing::new(Page::new()),
            table: GrantTable::new(xen.entries(life)),
            quarantine: Quarantine::new(),
            spare: Vec::new(),
            window: Slots::new(xen, life),
            ends: core::iter::repeat_with(End::default).take(links).collect(),
            refuse_port: false,
        }
    }

    /// A free page set of so many pages.
    pub fn take_pages(&mut self, pages: usize) -> PageSet<SimPages> {
        if let Some(at) = self.spare.iter().position(|set| set.pages().pages() == pages) {
            let set = self.spare.swap_remove(at);
            self.xen.assert_unmapped(self.life, set.frames());
            return set;
        }
        let mut frames = [0; grant::PAGES_MAX];
        for frame in &mut frames[..pages] {
            *frame = self.xen.allocate(self.life);
        }
        PageSet::new(self.xen.own_pages(self.life, &frames[..pages]), frames)
    }

    /// Checks, as a back says DISCONNECTED, that nothing is mapped but what another link's
    /// connection maps, or Xen refused to unmap (invariant I2).
    ///
    /// # Panics
    /// If something is.
    pub fn assert_no_loose_mappings(&self) {
        let is_back = |end: &End| end.back.is_some();
        let loose = self.holdings().mappings > self.window.stuck();
        assert!(!loose || self.ends.iter().any(is_back), "I2: disconnected, and still mapped");
    }

    /// Closes a link's port, if it has one.
    pub fn close_port(&mut self, link: LinkId) {
        if let Some(port) = self.ends[link.index()].port.take() {
            self.xen.close_port(self.life, port);
        }
    }

    /// Clears the pending bits of all connections' ports, as the image does before it looks at what
    /// they announced; whether any was set.
    pub fn take_pending(&mut self) -> bool {
        let mut any = false;
        for port in self.ends.iter().filter_map(|end| end.port) {
            any |= self.xen.take_pending(self.life, port);
        }
        any
    }

    /// Its number, as the channel has it.
    pub fn domid(&self) -> DomId {
        DomId(self.domid)
    }

    /// What it holds.
    pub fn holdings(&self) -> Holdings {
        self.xen.holdings(self.life)
    }
}
