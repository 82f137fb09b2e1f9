//! [`channel::Platform`] in the simulated world: the counterpart of the image's `XenPlatform`, over
//! the same `grant` crate.
//!
//! It lives for one turn of a domain. The domain may die, or stand still, in the middle of it: as
//! a step of the protocol is reached the world decides, and goes on without it.

use channel::platform::{
    BindError, ClosingWord, Fence, GrantRefs, MapError, Observation, Offer, PageWords, PeerState,
    PortState, PrepareError, QuarantineState, Released, Terms, VerifyError,
};
use channel::{DomId, Epoch, EpochSource, GrantRef, Instant, LinkId, Number, Platform, Port, Step};
use grant::{Closing, FrontConnection, Notify, OpenRefusal, ring_bytes};

use super::machine::{GuestRing, Machine};
use super::world::World;
use super::xen;

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
    /// Rings the other end of a link if the byte rings say so.
    pub fn notify_if(&mut self, link: LinkId, notify: Notify) {
        if notify == Notify::Due {
            self.notify(link);
        }
    }

    fn give_up(&mut self, connection: FrontConnection<xen::SimPages>) -> Released {
        let machine = &mut *self.machine;
        match connection.release(&mut machine.table, &mut machine.quarantine) {
            grant::Released::Freed(set) => {
                machine.spare.push(set);
                Released::Freed
            }
            grant::Released::Quarantined { pages } => {
                self.world.note_quarantined(pages);
                Released::Quarantined { pages: pages as u16 }
            }
        }
    }
}

impl EpochSource for SimPlatform<'_> {
    fn fresh_epoch(&mut self) -> Epoch {
        self.world.fresh_epoch(self.place)
    }
}

impl Platform for SimPlatform<'_> {
    type Ring = GuestRing;

    fn now(&mut self) -> Instant {
        Instant::from_nanoseconds(self.machine.clock.local(self.world.now_ns()))
    }

    fn domid(&mut self) -> DomId {
        self.machine.domid()
    }

    fn store_ring(&mut self) -> &mut GuestRing {
        &mut self.machine.ring
    }

    fn ring_store_doorbell(&mut self) {
        self.world.ring_store(self.place);
    }

    fn prepare(&mut self, link: LinkId, terms: &Terms) -> Result<Offer, PrepareError> {
        let machine = &mut *self.machine;
        assert!(machine.ends[link.index()].front.is_none(), "one connection a link");
        if core::mem::take(&mut machine.refuse_port) {
            return Err(PrepareError::NoPorts);
        }
        let set = machine.take_pages(usize::from(terms.pages));
        let peer = grant::DomId(terms.peer.0);
        let opened = FrontConnection::open(
            set,
            peer,
            &header_terms(terms),
            &mut machine.table,
            &mut machine.quarantine,
        );
        let connection = opened.map_err(|error| {
            machine.spare.extend(error.set);
            match error.why {
                OpenRefusal::QuarantineFull => PrepareError::QuarantineFull,
                OpenRefusal::Grant(_) => PrepareError::NoGrants,
            }
        })?;
        let Some(port) = machine.xen.allocate_port(machine.life, terms.peer.0) else {
            self.give_up(connection);
            return Err(PrepareError::NoPorts);
        };
        let mut refs = GrantRefs::EMPTY;
        for r in connection.refs() {
            refs.push(GrantRef(r.0)).expect("a reference for each page");
        }
        let ring_bytes = connection.ring_bytes();
        let end = &mut self.machine.ends[link.index()];
        end.front = Some(connection);
        end.port = Some(port);
        end.terms = Some((terms.epoch.bits(), terms.number.0));
        Ok(Offer { port: Port(port), ring_bytes, features: 0, refs })
    }

    fn release(&mut self, link: LinkId) -> Released {
        let Some(connection) = self.machine.ends[link.index()].front.take() else {
            return Released::Freed;
        };
        connection.fence();
        if let Some(terms) = self.machine.ends[link.index()].terms.take() {
            let number = self.world.places[self.place].links[link.index()];
            self.world.oracle.fenced(number, terms);
        }
        self.machine.close_port(link);
        self.give_up(connection)
    }

    fn map(&mut self, link: LinkId, peer: DomId, offer: &Offer) -> Result<(), MapError> {
        let machine = &mut *self.machine;
        assert!(machine.ends[link.index()].back.is_none(), "one connection a link");
        let offered = offer.refs.as_slice();
        if offered.is_empty() || offered.len() > grant::PAGES_MAX {
            return Err(MapError::NoRoom);
        }
        if offer.ring_bytes != ring_bytes(offered.len()) {
            return Err(MapError::RingSize);
        }
        let mut refs = [grant::GrantRef(0); grant::PAGES_MAX];
        for (place, r) in refs.iter_mut().zip(offered) {
            *place = grant::GrantRef(r.0);
        }
        let mapped = machine.window.map(grant::DomId(peer.0), &refs[..offered.len()]);
        let connection = mapped.map_err(|error| match error {
            grant::MapError::PageCount { .. } | grant::MapError::WindowFull { .. } => {
                MapError::NoRoom
            }
            grant::MapError::RepeatedRef(_) | grant::MapError::Refused { .. } => MapError::BadGrant,
        })?;
        machine.ends[link.index()].back = Some(connection);
        Ok(())
    }

    fn verify(&mut self, link: LinkId, terms: &Terms) -> Result<(), VerifyError> {
        let back = self.machine.ends[link.index()].back.as_mut().expect("verified once mapped");
        let verified = back.verify(&header_terms(terms));
        verified.map_err(|error| match error {
            grant::VerifyError::Magic { .. } | grant::VerifyError::Version { .. } => {
                VerifyError::MagicOrVersion
            }
            grant::VerifyError::Fenced => VerifyError::Fenced,
            grant::VerifyError::Link
            | grant::VerifyError::Epoch
            | grant::VerifyError::Number { .. }
            | grant::VerifyError::RingBytes { .. } => VerifyError::NotThisConnection,
        })
    }

    fn bind(&mut self, link: LinkId, peer: DomId, port: Port) -> Result<(), BindError> {
        let machine = &mut *self.machine;
        if core::mem::take(&mut machine.refuse_port) {
            return Err(BindError::NoPorts);
        }
        let bound = machine.xen.bind(machine.life, peer.0, port.0);
        let local = bound.map_err(|error| match error {
            xen::BindError::NoPorts => BindError::NoPorts,
            xen::BindError::Refused => BindError::BadPort,
        })?;
        machine.ends[link.index()].port = Some(local);
        Ok(())
    }

    fn stamp(&mut self, link: LinkId, epoch: Epoch, _number: Number) {
        // The number is the verified one: the connection keeps it.
        let back = self.machine.ends[link.index()].back.as_mut().expect("stamped once verified");
        back.stamp(grant::Epoch(epoch.bytes()));
    }

    fn unmap(&mut self, link: LinkId) -> Released {
        let machine = &mut *self.machine;
        let unmapped = match machine.ends[link.index()].back.take() {
            Some(connection) => machine.window.unmap(connection),
            None => Ok(()),
        };
        machine.close_port(link);
        match unmapped {
            Ok(()) => Released::Freed,
            Err(error) => Released::Quarantined { pages: error.stuck as u16 },
        }
    }

    fn notify(&mut self, link: LinkId) {
        if let Some(port) = self.machine.ends[link.index()].port {
            let _ = self.machine.xen.send(self.machine.life, port);
        }
    }

    fn publish(&mut self, link: LinkId, words: PageWords) {
        let words =
            grant::PageWords { beat: words.beat, sent: words.sent, delivered: words.delivered };
        let end = &self.machine.ends[link.index()];
        match (&end.front, &end.back) {
            (Some(front), _) => front.publish(words),
            (None, Some(back)) => back.publish(words),
            (None, None) => {}
        }
    }

    fn say_closing(&mut self, link: LinkId) {
        let end = &self.machine.ends[link.index()];
        match (&end.front, &end.back) {
            (Some(front), _) => front.say_closing(),
            (None, Some(back)) => back.say_closing(),
            (None, None) => {}
        }
    }

    fn observe(&mut self, link: LinkId) -> Option<Observation> {
        let end = &self.machine.ends[link.index()];
        if let Some(front) = &end.front {
            let view = front.observe();
            return Some(Observation {
                stamp: (Epoch::from_bytes(view.stamp.epoch.0), Number(view.stamp.number)),
                words: channel_words(view.words),
                closing: closing_word(view.closing),
                fence: Fence::Open,
            });
        }
        let view = end.back.as_ref()?.observe();
        Some(Observation {
            stamp: (Epoch::from_bits(0), Number(0)),
            words: channel_words(view.words),
            closing: closing_word(view.closing),
            fence: match view.fence {
                grant::Fence::Open => Fence::Open,
                grant::Fence::Closed => Fence::Closed,
            },
        })
    }

    fn port_state(&mut self, link: LinkId) -> PortState {
        let Some(port) = self.machine.ends[link.index()].port else { return PortState::Unknown };
        match self.machine.xen.port_info(self.machine.life, port) {
            xen::PortInfo::Interdomain => PortState::Bound,
            xen::PortInfo::Unbound => PortState::Unbound,
            xen::PortInfo::Closed => PortState::Unknown,
        }
    }

    fn peer_exists(&mut self, peer: DomId) -> PeerState {
        if self.machine.xen.exists(peer.0) { PeerState::Exists } else { PeerState::Gone }
    }

    fn sweep_quarantine(&mut self) -> QuarantineState {
        let machine = &mut *self.machine;
        let before = (machine.quarantine.state().pages + machine.window.stuck()) as u32;
        let spare = &mut machine.spare;
        let after = machine.quarantine.sweep(&mut machine.table, |set| spare.push(set));
        let _ = machine.window.sweep();
        let pages = (after.pages + machine.window.stuck()) as u32;
        QuarantineState { pages, freed: before - pages }
    }

    fn reached(&mut self, link: LinkId, step: Step) {
        self.world.reached(self.place, link, step, self.machine);
    }
}

fn channel_words(words: grant::PageWords) -> PageWords {
    PageWords { beat: words.beat, sent: words.sent, delivered: words.delivered }
}

fn closing_word(closing: Closing) -> ClosingWord {
    match closing {
        Closing::Asked => ClosingWord::Set,
        Closing::NotAsked => ClosingWord::Clear,
    }
}

/// Terms as the page header has them.
fn header_terms(terms: &Terms) -> grant::Terms {
    grant::Terms {
        epoch: grant::Epoch(terms.epoch.bytes()),
        number: terms.number.0,
        link: grant::LinkTag::new(terms.link.as_str()).expect("a link name fits its field"),
    }
}
