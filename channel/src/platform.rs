//! What the driver needs of the domain that it runs in: xenstore's ring, its connections, and fresh
//! epochs. `kernel/` implements it over hypercalls, the simulator over a simulated Xen.

use xen_types::DomId;

use crate::connection::{Connections, Hypervisor};
use crate::epoch::EpochSource;
use crate::ids::LinkId;
use crate::link::Action;

/// What the driver needs of the domain that it runs in.
pub trait Platform: EpochSource {
    /// Xenstore's ring page.
    type Ring: xenbus::RingPage;
    /// What connections are made with.
    type Xen: Hypervisor;

    /// The own domid, which the permissions of the own mailbox name first.
    fn domid(&mut self) -> DomId;
    /// Xenstore's ring page.
    fn store_ring(&mut self) -> &mut Self::Ring;
    /// Sends the event that tells xenstored to look at the ring.
    fn ring_store_doorbell(&mut self);
    /// The connections of this domain, one place for each link of the driver.
    fn connections(&mut self) -> &mut Connections<Self::Xen>;

    /// `link` has just done `action`. Nothing need be done here: this is where an image can pause or
    /// take the time, and where a simulated domain can die.
    fn after_action(&mut self, link: LinkId, action: &Action) {
        let _ = (link, action);
    }
}
