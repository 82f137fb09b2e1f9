//! The honest half: one link with the shipped driver and platform, as far as a connection; and
//! requests to xenstore past the driver, while it is quiet.

use alloc::boxed::Box;
use core::time::Duration;

use channel::back::BackState;
use channel::driver::StoreEvent;
use channel::front::FrontState;
use channel::link::{Link, Machine as LinkMachine};
use channel::{DomId, EpochSource, Instant, LinkId, LinkName, Platform, Role, Settings};
use xenbus::Client;
use xenbus::blocking::{Store, StoreError};

use super::chance::Chance;
use channel::Driver;
use kernel::platform::{Breakpoints, XenPlatform};
use kernel::store::{StoreAccess, StoreRing};
use kernel::{Machine, clock, events, trace};

/// How long the victim may take until it is up and connected: two of its hello timer's longest
/// periods, at the default beat.
const MEET_NS: u64 = 16_000_000_000;
/// Turns until what is under way in xenstore must have been answered.
const QUIET_TURNS: u32 = 1000;
/// One wait of these.
const TURN_NS: u64 = 10_000_000;

/// The only link.
pub(crate) const LINK: LinkId = LinkId::from_index(0);

/// This image's end of the pair.
pub(crate) struct Pair {
    role: Role,
    pub(crate) driver: Box<Driver>,
    pub(crate) xen: XenPlatform,
    pub(crate) chance: Chance,
    pub(crate) name: LinkName,
    client: &'static mut Client,
}

/// Why a lie could not be told.
pub(crate) type Problem = &'static str;

impl Pair {
    pub(crate) fn new(machine: Machine, role: Role) -> Result<Self, Problem> {
        let Machine { options, store, grants, .. } = machine;
        let [name] = options.links[..] else {
            return Err("hostile takes one link: link=NAME");
        };
        let Ok(seed) = options.own("seed").unwrap_or("1").parse() else {
            return Err("malformed option seed=");
        };
        let StoreAccess { ring, client } = store;
        let mut xen = XenPlatform::new(ring, grants, Breakpoints::new(None, None));
        if xen.finish_setup().is_err() {
            return Err("Xen does not place the grant table, or tell the domain's number");
        }
        xen.add_link(name);
        let mut driver = Box::new(Driver::new());
        if driver.add_link(name, role, Settings::DEFAULT, &mut xen).is_err() {
            return Err("the link was not added");
        }
        Ok(Self { role, driver, xen, chance: Chance::new(seed), name, client })
    }

    /// One turn of the loop, waiting until `until_ns` at most.
    fn turn(&mut self, until_ns: u64) -> Result<(), Problem> {
        self.driver.step(self.xen.now(), &mut self.xen).expect("all events were taken");
        self.take_events();
        while let Some(event) = self.driver.poll_store_event() {
            if let StoreEvent::Ended(ended) = event {
                trace!("store ended: {ended}");
                return Err("xenstore is lost");
            }
        }
        let until = self.driver.deadline().min(Instant::from_nanoseconds(until_ns));
        if self.xen.now() < until && self.xen.wait(until) {
            self.driver.woke();
        }
        Ok(())
    }

    fn take_events(&mut self) {
        while let Some((_, event)) = self.driver.poll_event() {
            if let channel::event::Event::Refused { number, reason } = event {
                trace!("refused k={} reason={}", number.0, reason.word());
            }
        }
    }

    fn link(&self) -> &Link {
        self.driver.link(LINK)
    }

    fn is_connected(&self) -> bool {
        match self.link().machine() {
            LinkMachine::Front(front) => front.state() == FrontState::Connected,
            LinkMachine::Back(back) => back.state() == BackState::Serving,
        }
    }

    /// Comes up with the victim and, where told, has a connection with it.
    pub(crate) fn meet(&mut self, connected: bool) -> Result<(), Problem> {
        let until_ns = clock::now_ns().saturating_add(MEET_NS);
        loop {
            let is_up = self.link().endpoint().is_up();
            if is_up && (!connected || self.is_connected()) {
                return Ok(());
            }
            if clock::now_ns() >= until_ns {
                return Err(if is_up { "up, but never connected" } else { "never up" });
            }
            if is_up && self.role == Role::Front {
                // Refused where one is under way; then it goes on.
                let _ = self.driver.connect(self.xen.now(), LINK, &mut self.xen);
            }
            self.turn(until_ns)?;
        }
    }

    /// Behaves for so long.
    pub(crate) fn behave(&mut self, ns: u64) -> Result<(), Problem> {
        let until_ns = clock::now_ns().saturating_add(ns);
        while clock::now_ns() < until_ns {
            self.turn(until_ns)?;
        }
        Ok(())
    }

    /// Goes on until xenstore has told all that it began to tell, so that the ring can be used past
    /// the driver.
    pub(crate) fn quieten(&mut self) -> Result<(), Problem> {
        for _ in 0..QUIET_TURNS {
            if self.driver.is_quiet() {
                return Ok(());
            }
            self.turn(clock::now_ns().saturating_add(TURN_NS))?;
        }
        Err("xenstore does not answer")
    }

    /// Asks xenstore past the driver, which must be quiet ([`Self::quieten`]) and must not be used
    /// again before [`Self::begin_anew`]. An event for the driver's watch may come meanwhile, and by
    /// halves: whoever has the ring next begins with a whole packet.
    pub(crate) fn ask<T>(
        &mut self,
        problem: Problem,
        ask: impl FnOnce(&mut Store<'_, StoreRing>) -> Result<T, StoreError>,
    ) -> Result<T, Problem> {
        self.client.start(self.xen.fresh_epoch().bits() as u32);
        let mut store = Store::new(self.client, self.xen.store_ring());
        let answer = ask(&mut store).map_err(|error| {
            trace!("xenstore: {error}");
            problem
        })?;
        for _ in 0..QUIET_TURNS {
            if store.client().is_quiet() {
                return Ok(answer);
            }
            store.change(Duration::from_nanos(TURN_NS)).map_err(|_| problem)?;
        }
        Err("xenstore does not end a packet")
    }

    /// Neither speaks nor listens for so long.
    pub(crate) fn keep_still(&mut self, ns: u64) {
        events::wait(&[], clock::now_ns().saturating_add(ns));
    }

    pub(crate) fn peer(&self) -> Option<DomId> {
        Some(self.link().endpoint().introduction()?.peer)
    }

    /// As after a resume: a new epoch, the ring and the introduction looked at anew.
    pub(crate) fn begin_anew(&mut self) {
        self.driver.resumed(self.xen.now(), &mut self.xen);
        self.take_events();
    }
}
