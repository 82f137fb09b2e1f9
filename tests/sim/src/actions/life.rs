//! How domains come and go: created by the toolstack, ended by a crash or by force, suspended and
//! resumed under another number.
//!
//! An end has three parts that come in any order: the toolstack removes the home, the daemon hears
//! of it, Xen undoes the mappings. Until all are done the number is not free.

use core::any::Any;

use crate::base::clock::{Clock, MS, SECOND};
use crate::guest::{Guest, Snapshot};
use crate::machine::Machine;
use crate::store::wire::Kind;
use crate::world::toolstack::{DomainEnd, EndPart};
use crate::world::{SimEvent, Suspension, World};

/// How often a creation waits for the wanted number before it takes another.
const WAITS_MAX: u32 = 10;

impl World {
    /// Gives a vacant place a domain: a fresh one, or one out of a snapshot.
    pub fn create(&mut self, place: usize) {
        if self.places[place].life.is_some() || self.hold_creations {
            return;
        }
        let Some(domid) = self.choose_domid(place) else { return };
        let life = self.xen.create(domid);
        self.store.domain_created(domid);
        self.make_home(domid);
        let snapshot = self.places[place].snapshots.pop();
        let snapshot = snapshot.map(|any| any.downcast::<Snapshot>().expect("this file's own"));
        let anywhere_ns = self.chances.timing.between(0, 100 * SECOND);
        let shown_ns = snapshot.as_ref().map_or(anywhere_ns, |snapshot| snapshot.shown_ns());
        let fast_ppm = self.chances.timing.between(0, 400) as i64 - 200;
        let clock = Clock::new(shown_ns, self.now_ns(), fast_ppm);
        let machine = Machine::new(&self.xen, life, domid, clock);
        self.store.introduce(domid, machine.ring.page().clone(), self.now_ns());
        self.settle(place, domid);
        let home = &mut self.places[place];
        home.life = Some(life);
        home.domid = domid;
        home.paused_until_ns = 0;
        home.store_rang = false;
        (home.restart_due, home.suspend_due) = (None, None);
        home.waits = 0;
        home.lives += 1;
        let resumed = snapshot.is_some();
        let guest = match snapshot {
            Some(snapshot) => Guest::resume(*snapshot, machine, &mut self.oracle),
            None => Guest::new(self, place, machine),
        };
        self.places[place].guest = Some(Box::new(guest));
        self.trace.note([128, u64::from(domid), self.now_ns()]);
        self.trace.line(
            self.now_ns(),
            format_args!(
                "place {place} gets domain {domid}{}",
                if resumed { ", resumed" } else { "" }
            ),
        );
        let boot_ns = self.chances.timing.between(self.params.boot_ns.0, self.params.boot_ns.1);
        self.turn_by(place, self.now_ns() + boot_ns);
        self.introduce_all_of(place);
    }

    /// The number for a new domain at a place; none if it is worth waiting for one.
    fn choose_domid(&mut self, place: usize) -> Option<u16> {
        let old = self.places[place].domid;
        let wants_old = old != 0 && self.chances.timing.happens(self.params.same_domid_ppm);
        if wants_old {
            if self.is_free(old) {
                return Some(old);
            }
            if self.places[place].waits < WAITS_MAX {
                self.places[place].waits += 1;
                self.plan_in((MS, self.params.beat_ns), SimEvent::Create(place));
                return None;
            }
        }
        (1..).find(|domid| *domid > self.dom0.last_domid).inspect(|domid| {
            self.dom0.last_domid = *domid;
        })
    }

    /// Whether a number can be given to a new domain.
    fn is_free(&self, domid: u16) -> bool {
        self.xen.is_free(domid)
            && self.dom0.ends.iter().all(|end| end.domid != domid || end.left.is_empty())
    }

    /// Plans the introduction of every link of a place whose other end is there too.
    pub fn introduce_all_of(&mut self, place: usize) {
        for link in 0..self.params.links.len() {
            let ends = self.ends(link);
            if ends.contains(&place) && ends.iter().all(|end| self.places[*end].life.is_some()) {
                self.plan_in((0, self.params.beat_ns * 2), SimEvent::Introduce(link));
            }
        }
    }

    /// Ends the domain at a place, if there is one. In the middle of its turn it dies as soon as
    /// it would go on.
    pub fn kill(&mut self, place: usize) {
        let Some(life) = self.places[place].life.take() else { return };
        let domid = self.places[place].domid;
        for at in 0..self.places[place].links.len() {
            let link = self.places[place].links[at];
            let side = self.side_of(link, place);
            self.oracle.died(link, side);
        }
        self.xen.destroy(life);
        self.places[place].guest = None;
        self.vacate(place);
        self.trace.note([129, u64::from(domid), self.now_ns()]);
        self.trace.line(self.now_ns(), format_args!("place {place}: domain {domid} is gone"));
        let mut left = vec![EndPart::HomeRemoved, EndPart::DaemonHears, EndPart::XenFinishes];
        for last in (1..left.len()).rev() {
            left.swap(last, self.chances.timing.below(last as u32 + 1) as usize);
        }
        self.dom0.ends.push(DomainEnd { life, domid, left });
        self.plan_in((MS, 50 * MS), SimEvent::Ending(self.dom0.ends.len() - 1));
        self.plan_in(self.params.vacant_ns, SimEvent::Create(place));
    }

    /// One part of an end.
    pub fn ending(&mut self, number: usize) {
        let end = &mut self.dom0.ends[number];
        let (life, domid) = (end.life, end.domid);
        let part = end.left.pop().expect("planned as long as there is a part");
        let more = !end.left.is_empty();
        match part {
            EndPart::HomeRemoved => {
                let home = format!("/local/domain/{domid}\0");
                // The daemon may have removed it already.
                let _ = self.store.request(Kind::Remove, 0, home.as_bytes(), self.now_ns());
            }
            EndPart::DaemonHears => self.store.domain_destroyed(domid, self.now_ns()),
            EndPart::XenFinishes => self.xen.finish(life),
        }
        self.daemon_by(self.now_ns() + 1);
        if more {
            self.plan_in((MS, 100 * MS), SimEvent::Ending(number));
        }
    }

    /// Suspends the domain at a place: it goes, and what it was comes back at the same place as
    /// another one.
    pub fn suspend(&mut self, place: usize, how: Suspension) {
        let now_ns = self.now_ns();
        let Some(guest) = self.guest(place) else { return };
        let snapshots = match how {
            Suspension::Once => 1,
            Suspension::Twice => 2,
        };
        let taken: Vec<Box<dyn Any>> = (0..snapshots)
            .map(|_| Box::new(guest.snapshot(&self.oracle, now_ns)) as Box<dyn Any>)
            .collect();
        // An older snapshot is not started any more.
        self.places[place].snapshots = taken;
        self.trace.line(self.now_ns(), format_args!("place {place} is suspended"));
        self.kill(place);
    }
}
