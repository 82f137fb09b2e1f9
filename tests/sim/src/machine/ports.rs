//! What [`channel::Connections`] needs of Xen, over the simulated one: primitives only, and the
//! faults that Xen may have on its side.

use channel::connection::{
    AllocPortError, BindError, EventChannels, Hypervisor, PeerState, PortState,
};
use channel::{DomId, GrantRef, Port};
use grant::{
    GrantError, GrantTable, Granted, Granter, MapHandle, MapRefused, Mapper, PageSet, SharedPages,
    SlotRun, UnmapRefused,
};

use crate::xen::{self, Entries, Life, MapFailure, SimPages, WindowMapper, Xen};

/// A domain's way to the simulated Xen.
#[derive(Debug)]
pub struct SimXen {
    xen: Xen,
    life: Life,
    table: GrantTable<Entries>,
    mapper: WindowMapper,
    /// Pages that are free, with their frames.
    spare: Vec<PageSet<SimPages>>,
    /// A fault: the next port is refused.
    refuse_port: bool,
}

impl SimXen {
    /// A fresh domain's.
    pub fn new(xen: &Xen, life: Life) -> Self {
        SimXen {
            xen: xen.clone(),
            life,
            table: GrantTable::new(xen.entries(life)),
            mapper: xen.window(life),
            spare: Vec::new(),
            refuse_port: false,
        }
    }

    /// Makes the next map or unmap fail once.
    pub fn fail_next(&mut self, failure: MapFailure) {
        self.mapper.fail_next(failure);
    }

    /// Makes the next allocation or binding of a port fail.
    pub fn refuse_port(&mut self) {
        self.refuse_port = true;
    }

    /// Takes the pending bit of an own port.
    pub fn take_pending(&self, port: Port) -> bool {
        self.xen.take_pending(self.life, port.0)
    }
}

impl EventChannels for SimXen {
    fn alloc_unbound(&mut self, peer: DomId) -> Result<Port, AllocPortError> {
        if core::mem::take(&mut self.refuse_port) {
            return Err(AllocPortError::NoPorts);
        }
        self.xen.allocate_port(self.life, peer.0).map(Port).ok_or(AllocPortError::NoPorts)
    }

    fn bind_interdomain(&mut self, peer: DomId, port: Port) -> Result<Port, BindError> {
        if core::mem::take(&mut self.refuse_port) {
            return Err(BindError::NoPorts);
        }
        self.xen.bind(self.life, peer.0, port.0).map(Port).map_err(|error| match error {
            xen::BindError::NoPorts => BindError::NoPorts,
            xen::BindError::Refused => BindError::BadPort,
        })
    }

    fn close(&mut self, port: Port) {
        self.xen.close_port(self.life, port.0);
    }

    fn send(&mut self, port: Port) {
        // A peer that is gone is found out about by other means.
        let _ = self.xen.send(self.life, port.0);
    }

    fn status(&mut self, port: Port) -> PortState {
        match self.xen.port_info(self.life, port.0) {
            xen::PortInfo::Interdomain => PortState::Bound,
            xen::PortInfo::Unbound => PortState::Unbound,
            xen::PortInfo::Closed => PortState::Unknown,
        }
    }

    fn domain_state(&mut self, domain: DomId) -> PeerState {
        if self.xen.exists(domain.0) { PeerState::Exists } else { PeerState::Gone }
    }
}

impl Granter<SimPages> for SimXen {
    fn grant(
        &mut self,
        peer: DomId,
        set: &PageSet<SimPages>,
        granted: &mut Granted,
    ) -> Result<(), GrantError> {
        self.table.grant(peer, set, granted)
    }

    fn end(&mut self, granted: &mut Granted) {
        Granter::<SimPages>::end(&mut self.table, granted);
    }
}

impl Mapper for SimXen {
    fn map(&mut self, peer: DomId, r: GrantRef, window_slot: u32) -> Result<MapHandle, MapRefused> {
        self.mapper.map(peer, r, window_slot)
    }

    fn unmap(&mut self, handle: MapHandle, window_slot: u32) -> Result<(), UnmapRefused> {
        self.mapper.unmap(handle, window_slot)
    }
}

impl Hypervisor for SimXen {
    type OwnPages = SimPages;
    type ForeignPages = SimPages;

    fn allocate(&mut self, pages: usize, _peer: DomId) -> Option<PageSet<SimPages>> {
        if let Some(at) = self.spare.iter().position(|set| set.pages().pages() == pages) {
            let set = self.spare.swap_remove(at);
            self.xen.assert_unmapped(self.life, set.frames());
            return Some(set);
        }
        let mut frames = [0; grant::PAGES_MAX];
        for frame in &mut frames[..pages] {
            *frame = self.xen.allocate(self.life);
        }
        Some(PageSet::new(self.xen.own_pages(self.life, &frames[..pages]), frames))
    }

    fn free(&mut self, set: PageSet<SimPages>) {
        self.spare.push(set);
    }

    fn foreign_pages(&mut self, run: &SlotRun) -> SimPages {
        self.mapper.switchboard().view(run.first() as usize, run.count())
    }
}
