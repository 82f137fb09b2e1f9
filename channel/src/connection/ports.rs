//! The primitive operations that connections need from Xen. `kernel/` implements them with
//! hypercalls, the simulator and the tests with simulated ones. [`Connections`](super::Connections)
//! defines the order of the calls.

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
    /// The peer's port does not exist, is not unbound, or is not reserved for this domain.
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

/// The `EVTCHNOP_status` of one of this domain's ports (xen/include/public/event_channel.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortState {
    /// `EVTCHNSTAT_interdomain`: the port is connected to the other end.
    Bound,
    /// `EVTCHNSTAT_unbound`: the port is not bound yet, or the other end closed it or died.
    Unbound,
    /// There is no port, or the query failed.
    Unknown,
}

/// Whether a domain exists: `EVTCHNOP_status` of (domain, port ~0) is `-ESRCH`, or something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerState {
    /// A domain with that domid exists. Xen also says so while this domain maps a page of it.
    Exists,
    /// `ESRCH`: no such domain exists.
    Gone,
    /// The query failed.
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

    /// Closes a port of this domain.
    fn close(&mut self, port: Port);

    /// Sends an event to the other end. Does nothing if the other end is gone.
    fn send(&mut self, port: Port);

    /// Queries the state of a port of this domain.
    fn status(&mut self, port: Port) -> PortState;

    /// Queries whether `domain` exists.
    fn domain_state(&mut self, domain: DomId) -> PeerState;
}

/// The operations that [`Connections`](super::Connections) needs from Xen.
pub trait Hypervisor: EventChannels + Mapper + Granter<<Self as Hypervisor>::OwnPages> {
    /// Own pages, which can be granted.
    type OwnPages: SharedPages;
    /// A peer's pages, mapped into this domain.
    type ForeignPages: SharedPages;

    /// Takes `pages` free pages, 1 to [`PAGES_MAX`](grant::PAGES_MAX), that will be granted to
    /// `peer`. Their contents do not matter. Returns `None` if there are not enough.
    fn allocate(&mut self, pages: usize, peer: DomId) -> Option<PageSet<Self::OwnPages>>;

    /// Returns pages that are neither mapped by a peer nor granted.
    fn free(&mut self, set: PageSet<Self::OwnPages>);

    /// Returns a view of pages that were just mapped into these window slots.
    fn foreign_pages(&mut self, run: &SlotRun) -> Self::ForeignPages;

    /// Does [`Mapper::unmap_run`], then [`EventChannels::close`]. Implementations should batch both
    /// into one hypercall.
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
