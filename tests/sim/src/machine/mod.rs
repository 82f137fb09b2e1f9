//! What a simulated domain has: its ring page, its connections, its clock.

pub mod ports;

use channel::{Connections, DomId, LinkId};
use xenbus::{RingPage, RingWord};

use crate::base::clock::Clock;
use crate::base::page::Page;
use crate::machine::ports::SimXen;
use crate::xen::{Holdings, Life, Xen};

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
    /// Its connections.
    pub connections: Connections<SimXen>,
}

impl Machine {
    /// A fresh domain's.
    pub fn new(xen: &Xen, life: Life, domid: u16, clock: Clock) -> Self {
        let connections =
            Connections::new(SimXen::new(xen, life), PAGE_SETS_MAX, xen.sizes().slots);
        Machine {
            xen: xen.clone(),
            life,
            domid,
            clock,
            ring: GuestRing::new(Page::new()),
            connections,
        }
    }

    /// Checks, as a back says DISCONNECTED, that nothing is mapped but what another link's
    /// connection maps, or Xen refused to unmap (invariant I2).
    ///
    /// # Panics
    /// If something is.
    pub fn assert_no_loose_mappings(&mut self, links: usize) {
        let stuck = self.connections.counts().stuck;
        let is_loose = self.holdings().mappings > stuck;
        let is_serving =
            (0..links).any(|link| self.connections.back(LinkId::from_index(link)).is_some());
        assert!(!is_loose || is_serving, "I2: disconnected, and still mapped");
    }

    /// Clears the pending bits of all connections' ports, as the image does before it looks at what
    /// they announced.
    pub fn take_pending(&mut self) {
        self.connections.take_pending(|xen, port| xen.take_pending(port), |_| {});
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
