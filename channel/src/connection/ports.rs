//! What connections need of Xen, primitive by primitive. `kernel/` implements it over hypercalls, the
//! simulator and the tests over simulated ones; every rule about the order of these calls is in
//! [`Connections`](super::Connections).

use core::fmt;

use grant::{Granter, Mapper, Mapping, PageSet, SharedPages, SlotRun, UnmapRefused};
use xen_types::{DomId, Port};

/// Why no event channel port was allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AllocPortError {
    /// This domain has no free port.
    NoPorts,
    /// Xen's security module (XSM, SILO) forbids event channels between the two domains: EPERM.
    Denied,
}

impl fmt::Display for AllocPortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPorts => "this domain has no free event channel port",
            Self::Denied => "Xen forbids event channels between the two domains",
        })
    }
}

impl core::error::Error for AllocPortError {}

/// Why the peer's port was not bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BindError {
    /// This domain has no free port.
    NoPorts,
    /// The peer's port is not there, not unbound, or not for this domain.
    BadPort,
    /// Xen's security module (XSM, SILO) forbids event channels between the two domains: EPERM.
    Denied,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPorts => "this domain has no free event channel port",
            Self::BadPort => "the peer's event channel port cannot be bound",
            Self::Denied => "Xen forbids event channels between the two domains",
        })
    }
}

impl core::error::Error for BindError {}

/// `EVTCHNOP_status` of an own port (xen/include/public/event_channel.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortState {
    /// `EVTCHNSTAT_interdomain`: the other end is there.
    Bound,
    /// `EVTCHNSTAT_unbound`: nobody has bound it yet, or the other end closed or died.
    Unbound,
    /// There is no port, or Xen does not say.
    Unknown,
}

/// Whether a domain exists: `EVTCHNOP_status` of (domain, port ~0) is `-ESRCH`, or something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerState {
    /// A domain with that domid exists. Xen also says so while this domain maps a page of it.
    Exists,
    /// `ESRCH`: there is none.
    Gone,
    /// Xen does not say.
    Unknown,
}

/// Event channels.
pub trait EventChannels {
    /// Allocates an unbound port that `peer` may bind.
    ///
    /// # Errors
    /// [`AllocPortError`].
    fn alloc_unbound(&mut self, peer: DomId) -> Result<Port, AllocPortError>;

    /// Binds a new local port to `peer`'s unbound `port`.
    ///
    /// # Errors
    /// [`BindError`].
    fn bind_interdomain(&mut self, peer: DomId, port: Port) -> Result<Port, BindError>;

    /// Closes an own port.
    fn close(&mut self, port: Port);

    /// Sends an event to the other end. If it is gone, nothing happens.
    fn send(&mut self, port: Port);

    /// The state of an own port.
    fn status(&mut self, port: Port) -> PortState;

    /// Whether `domain` exists.
    fn domain_state(&mut self, domain: DomId) -> PeerState;
}

/// Everything that [`Connections`](super::Connections) needs of Xen.
pub trait Hypervisor: EventChannels + Mapper + Granter<<Self as Hypervisor>::OwnPages> {
    /// Own pages, which can be granted.
    type OwnPages: SharedPages;
    /// A peer's pages, mapped into this domain.
    type ForeignPages: SharedPages;

    /// Takes `pages` free pages, 1 to [`PAGES_MAX`](grant::PAGES_MAX), that will be granted to
    /// `peer`. Their contents do not matter. `None` if there are not so many.
    fn allocate(&mut self, pages: usize, peer: DomId) -> Option<PageSet<Self::OwnPages>>;

    /// Takes pages back that nobody maps and no grant names.
    fn free(&mut self, set: PageSet<Self::OwnPages>);

    /// A view of pages that were just mapped into these slots of the window.
    fn foreign_pages(&mut self, run: &SlotRun) -> Self::ForeignPages;

    /// As [`Mapper::unmap_run`], then [`EventChannels::close`]. An implementation that can do both
    /// in one exit to Xen should.
    fn unmap_and_close(
        &mut self,
        mappings: &[Mapping],
        outcomes: &mut [Result<(), UnmapRefused>],
        port: Port,
    ) {
        self.unmap_run(mappings, outcomes);
        self.close(port);
    }
}
