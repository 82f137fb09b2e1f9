//! What [`channel::Connections`] needs of Xen, by hypercalls: primitives only. In which order they are
//! used is written in `channel/src/connection/`.

use channel::connection::{
    AllocPortError, BindError, EventChannels, Hypervisor, PeerState, PortState,
};
use channel::{DomId, GrantRef, Port};
use grant::{
    GrantError, Granted, Granter, MapHandle, MapRefused, Mapper, Mapping, PageSet, SlotRun,
    UnmapRefused,
};

use crate::xen::grants::{self, ForeignPages, OwnGrants, OwnPages, WindowMapper};
use crate::xen::hypercall::Errno;
use crate::xen::hypercall::event_channel::{self, Status};

/// Is called when something was done or has happened, with its name: the image `bench` keeps such
/// marks.
pub type Observer = fn(&'static str);

/// This domain's grant table, its window for foreign pages and its event channels.
pub struct XenPorts {
    pub(super) grants: OwnGrants,
    observer: Observer,
}

impl XenPorts {
    /// Over this domain's grants.
    pub(super) const fn new(grants: OwnGrants, observer: Observer) -> Self {
        Self { grants, observer }
    }

    /// This domain's grants.
    pub const fn grants(&mut self) -> &mut OwnGrants {
        &mut self.grants
    }
}

impl EventChannels for XenPorts {
    fn alloc_unbound(&mut self, peer: DomId) -> Result<Port, AllocPortError> {
        event_channel::alloc_unbound(peer.0).map_err(|errno| match errno {
            Errno::EPERM | Errno::EACCES => AllocPortError::Denied,
            _ => AllocPortError::NoPorts,
        })
    }

    fn bind_interdomain(&mut self, peer: DomId, port: Port) -> Result<Port, BindError> {
        event_channel::bind_interdomain(peer.0, port).map_err(|errno| match errno {
            Errno::EPERM | Errno::EACCES => BindError::Denied,
            Errno::ENOSPC => BindError::NoPorts,
            _ => BindError::BadPort,
        })
    }

    fn close(&mut self, port: Port) {
        // Closing a port of one's own fails only for a number that never was one: our bug.
        assert!(event_channel::close(port).is_ok(), "the port was ours and open");
    }

    fn send(&mut self, port: Port) {
        (self.observer)("notify");
        // Sending to a dead peer succeeds silently; to an unbound port it is refused. Neither is news:
        // the witnesses of the peer's death are others.
        let _ = event_channel::send(port);
    }

    fn status(&mut self, port: Port) -> PortState {
        match event_channel::status(port) {
            Ok(Status::Interdomain) => PortState::Bound,
            Ok(Status::Unbound) => PortState::Unbound,
            Ok(Status::Closed | Status::Other) | Err(_) => PortState::Unknown,
        }
    }

    fn domain_state(&mut self, domain: DomId) -> PeerState {
        if event_channel::domain_exists(domain.0) { PeerState::Exists } else { PeerState::Gone }
    }
}

impl Granter<OwnPages> for XenPorts {
    fn grant(
        &mut self,
        peer: DomId,
        set: &PageSet<OwnPages>,
        granted: &mut Granted,
    ) -> Result<(), GrantError> {
        self.grants.grant(peer, set, granted)
    }

    fn end(&mut self, granted: &mut Granted) {
        self.grants.end(granted);
    }
}

impl Mapper for XenPorts {
    fn map(&mut self, peer: DomId, r: GrantRef, window_slot: u32) -> Result<MapHandle, MapRefused> {
        WindowMapper.map(peer, r, window_slot)
    }

    fn unmap(&mut self, handle: MapHandle, window_slot: u32) -> Result<(), UnmapRefused> {
        WindowMapper.unmap(handle, window_slot)
    }

    fn map_run(
        &mut self,
        peer: DomId,
        refs: &[GrantRef],
        first_slot: u32,
        outcomes: &mut [Result<MapHandle, MapRefused>],
    ) {
        WindowMapper.map_run(peer, refs, first_slot, outcomes);
    }

    fn unmap_run(&mut self, mappings: &[Mapping], outcomes: &mut [Result<(), UnmapRefused>]) {
        WindowMapper.unmap_run(mappings, outcomes);
    }
}

impl Hypervisor for XenPorts {
    type OwnPages = OwnPages;
    type ForeignPages = ForeignPages;

    fn allocate(&mut self, pages: usize, _peer: DomId) -> Option<PageSet<OwnPages>> {
        OwnPages::allocate(pages)
    }

    fn free(&mut self, set: PageSet<OwnPages>) {
        set.into_pages().give_back();
    }

    fn foreign_pages(&mut self, run: &SlotRun) -> ForeignPages {
        ForeignPages::of(run)
    }

    fn unmap_and_close(
        &mut self,
        mappings: &[Mapping],
        outcomes: &mut [Result<(), UnmapRefused>],
        port: Port,
    ) {
        if grants::unmap(mappings, outcomes, Some(port)) != Some(Ok(())) {
            self.close(port);
        }
    }
}
