//! How domains come and go: created by the toolstack, ended by a crash or by force, suspended and
//! resumed under another number.
//!
//! An end has three parts that come in any order: the toolstack removes the home, the daemon hears
//! of it, Xen undoes the mappings. Until all are done the number is not free.

use super::clock::{Clock, MS, SECOND};
use super::guest::{Guest, Snapshot};
use super::machine::Machine;
use super::store::wire::Kind;
use super::world::{Happening, World};
use super::xen::Life;

/// A place where one domain lives after the other.
#[derive(Debug)]
pub struct Place {
    /// The present domain's program, unless it is in the middle of a turn.
    pub guest: Option<Box<Guest>>,
    /// The present life.
    pub life: Option<Life>,
    /// The present number, or the last one.
    pub domid: u16,
    /// When its next turn is planned.
    pub turn_at_ns: u64,
    /// It stands still until then.
    pub paused_until_ns: u64,
    /// Xenstored has rung since its last turn.
    pub store_rang: bool,
    /// A link whose endpoint is to be restarted in place.
    pub restart_due: Option<usize>,
    /// It is to be suspended at the end of its turn.
    pub suspend_due: Option<Suspension>,
    /// Snapshots that are to be started at this place, instead of fresh domains.
    pub snapshots: Vec<Snapshot>,
    /// World links by the link number in the domain's driver.
    pub links: Vec<usize>,
    /// How often a creation has waited for a number to be free.
    waits: u32,
    /// How many domains have lived here.
    pub lives: u32,
}

/// How a domain comes back from being suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspension {
    /// Once.
    Once,
    /// Twice, one after the other, out of the same snapshot.
    Twice,
}

impl Default for Place {
    fn default() -> Self {
        Place {
            guest: None,
            life: None,
            domid: 0,
            turn_at_ns: u64::MAX,
            paused_until_ns: 0,
            store_rang: false,
            restart_due: None,
            suspend_due: None,
            snapshots: Vec::new(),
            links: Vec::new(),
            waits: 0,
            lives: 0,
        }
    }
}

/// The part of an end that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    HomeRemoved,
    DaemonHears,
    XenFinishes,
}

/// A domain that ends.
#[derive(Clone, Debug)]
pub struct End {
    life: Life,
    domid: u16,
    left: Vec<Part>,
}

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
        let anywhere_ns = self.chances.timing.between(0, 100 * SECOND);
        let shown_ns = snapshot.as_ref().map_or(anywhere_ns, Snapshot::shown_ns);
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
            Some(snapshot) => Guest::resume(snapshot, machine, &mut self.oracle),
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
                self.plan_in((MS, self.params.beat_ns), Happening::Create(place));
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
                self.plan_in((0, self.params.beat_ns * 2), Happening::Introduce(link));
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
        let mut left = vec![Part::HomeRemoved, Part::DaemonHears, Part::XenFinishes];
        for last in (1..left.len()).rev() {
            left.swap(last, self.chances.timing.below(last as u32 + 1) as usize);
        }
        self.dom0.ends.push(End { life, domid, left });
        self.plan_in((MS, 50 * MS), Happening::Ending(self.dom0.ends.len() - 1));
        self.plan_in(self.params.vacant_ns, Happening::Create(place));
    }

    /// One part of an end.
    pub fn ending(&mut self, number: usize) {
        let end = &mut self.dom0.ends[number];
        let (life, domid) = (end.life, end.domid);
        let part = end.left.pop().expect("planned as long as there is a part");
        let more = !end.left.is_empty();
        match part {
            Part::HomeRemoved => {
                let home = format!("/local/domain/{domid}\0");
                // The daemon may have removed it already.
                let _ = self.store.request(Kind::Remove, 0, home.as_bytes(), self.now_ns());
            }
            Part::DaemonHears => self.store.domain_destroyed(domid, self.now_ns()),
            Part::XenFinishes => self.xen.finish(life),
        }
        self.daemon_by(self.now_ns() + 1);
        if more {
            self.plan_in((MS, 100 * MS), Happening::Ending(number));
        }
    }

    /// Suspends the domain at a place: it goes, and what it was comes back at the same place as
    /// another one.
    pub fn suspend(&mut self, place: usize, how: Suspension) {
        let now_ns = self.now_ns();
        let Some(guest) = self.places[place].guest.as_deref() else { return };
        let snapshots = match how {
            Suspension::Once => 1,
            Suspension::Twice => 2,
        };
        let taken: Vec<Snapshot> =
            (0..snapshots).map(|_| guest.snapshot(&self.oracle, now_ns)).collect();
        // An older snapshot is not started any more.
        self.places[place].snapshots = taken;
        self.trace.line(self.now_ns(), format_args!("place {place} is suspended"));
        self.kill(place);
    }
}
