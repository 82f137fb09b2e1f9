//! [`channel::Platform`] in the simulated world. It lives for one turn of a domain. The domain may
//! die, or stand still, in the middle of it: as a step of the protocol is reached the world decides,
//! and goes on without it.

use channel::link::Action;
use channel::{Connections, DomId, Epoch, EpochSource, Instant, LinkId, Platform, Step};
use grant::SharedPages;
use grant::layout::front_line;

use crate::machine::ports::SimXen;
use crate::machine::{GuestRing, Machine};
use crate::world::World;

/// A domain's platform during one of its turns.
pub struct SimPlatform<'a> {
    /// The rest of the world.
    pub world: &'a mut World,
    /// The domain's own things.
    pub machine: &'a mut Machine,
    /// Where it lives.
    pub place: usize,
}

impl SimPlatform<'_> {
    /// What the domain's clock shows.
    pub fn now(&mut self) -> Instant {
        Instant::from_nanoseconds(self.machine.clock.local(self.world.now_ns()))
    }

    /// The link has completed a step, of the protocol or of its user.
    pub fn reached(&mut self, link: LinkId, step: Step) {
        self.world.reached(self.place, link, step, self.machine);
    }

    /// Tells the oracle which connection was just fenced, as its header says.
    fn note_fence(&mut self, link: LinkId) {
        let Some(front) = self.machine.connections.front(link) else { return };
        let mut epoch = [0; 16];
        front.pages().copy_from(front_line::EPOCH, &mut epoch);
        let number = front.pages().load_u32(front_line::NUMBER);
        let link = self.world.places[self.place].links[link.index()];
        self.world.oracle.fenced(link, (u128::from_le_bytes(epoch), number));
    }
}

impl EpochSource for SimPlatform<'_> {
    fn fresh_epoch(&mut self) -> Epoch {
        self.world.fresh_epoch(self.place)
    }
}

impl Platform for SimPlatform<'_> {
    type Ring = GuestRing;
    type Xen = SimXen;

    fn domid(&mut self) -> DomId {
        self.machine.domid()
    }

    fn store_ring(&mut self) -> &mut GuestRing {
        &mut self.machine.ring
    }

    fn ring_store_doorbell(&mut self) {
        self.world.ring_store(self.place);
    }

    fn connections(&mut self) -> &mut Connections<SimXen> {
        &mut self.machine.connections
    }

    fn after_action(&mut self, link: LinkId, action: &Action) {
        match *action {
            Action::Fence => self.note_fence(link),
            Action::Reached(step) => self.reached(link, step),
            _ => {}
        }
    }
}
