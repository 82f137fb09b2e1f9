//! The interface between the driver and its domain: the xenstore ring, the connections, and fresh
//! epochs. `kernel/` implements it with hypercalls, the simulator with a simulated Xen.

use xen_types::DomId;

use crate::connection::{Connections, Hypervisor};
use crate::epoch::EpochSource;
use crate::ids::LinkId;
use crate::link::Action;

/// The operations that the driver needs from its domain.
pub trait Platform: EpochSource {
    /// The xenstore ring page.
    type Ring: xenbus::RingPage;
    /// The interface to Xen for connections.
    type Xen: Hypervisor;

    /// Returns this domain's domid, which owns this side's mailboxes.
    fn domid(&mut self) -> DomId;
    /// The xenstore ring page.
    fn store_ring(&mut self) -> &mut Self::Ring;
    /// Notifies xenstored through its event channel.
    fn ring_store_doorbell(&mut self);
    /// The connections of this domain, one entry per link of the driver.
    fn connections(&mut self) -> &mut Connections<Self::Xen>;

    /// Called after each action of a link; does nothing by default. An image can pause or measure
    /// time here, and the simulator can crash a domain.
    fn after_action(&mut self, link: LinkId, action: &Action) {
        let _ = (link, action);
    }
}
