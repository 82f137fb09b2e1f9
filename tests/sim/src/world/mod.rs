//! The world: places with domains, one daemon, one hypervisor, and a heap of things to come.
//!
//! Time is virtual and jumps to the next thing. Things at the same time happen in the order in
//! which they were planned. A domain's turn runs the shipped driver; in the middle of it, as a step
//! of the protocol is reached, the world may go on without that domain, or end it there. The
//! neighbours: `dom0` is the toolstack, `inject` does the faults, `life` brings domains up and
//! down, [`crate::runs::run`] says what a whole run is.

pub mod faults;
pub mod oracle;
pub mod params;
pub mod toolstack;

use core::any::Any;
use core::cmp::Ordering;
use core::panic::AssertUnwindSafe;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::panic::{catch_unwind, resume_unwind};

use channel::{Epoch, LinkId, Step};

use crate::base::clock::MS;
use crate::base::trace::Trace;
use crate::machine::Machine;
use crate::store::Daemon;
use crate::store::wire::Kind;
use crate::world::faults::{Company, Fault, Faults, Mask};
use crate::world::oracle::{Oracle, Side};
use crate::world::params::{Params, Span};
use crate::world::toolstack::Dom0;
use crate::xen::{Life, Xen};
use prng::{Choices, Prng, Stream};

/// Something that is going to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimEvent {
    /// The toolstack does the next step of a job.
    Dom0(usize),
    /// The toolstack begins to introduce a link.
    Introduce(usize),
    /// A vacant place gets a domain.
    Create(usize),
    /// One part of a domain's end.
    Ending(usize),
    /// Something goes wrong.
    Stray,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Planned {
    at_ns: u64,
    order: u64,
    what: SimEvent,
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        // A heap gives its greatest first.
        (other.at_ns, other.order).cmp(&(self.at_ns, self.order))
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Streams of choices, by purpose.
#[derive(Clone, Debug)]
pub struct Prngs {
    /// Latencies and orders.
    pub timing: Prng,
    /// What users do.
    pub users: Prng,
    /// Epochs.
    pub epochs: Prng,
}

/// What runs in a domain. The world gives it its turns, and knows no more of it.
pub trait Program: Any + core::fmt::Debug {
    /// One turn: until there is nothing to do. The world's time at which the next one is due.
    fn turn(&mut self, world: &mut World, place: usize, woken: bool) -> u64;

    /// What the domain has.
    fn machine(&mut self) -> &mut Machine;
}

/// A place where one domain lives after the other.
#[derive(Debug)]
pub struct Place {
    /// The present domain's program, unless it is in the middle of a turn.
    pub guest: Option<Box<dyn Program>>,
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
    /// Programs, put away, that are to be started at this place instead of fresh domains.
    pub snapshots: Vec<Box<dyn Any>>,
    /// World links by the link number in the domain's driver.
    pub links: Vec<usize>,
    /// How often a creation has waited for a number to be free.
    pub(crate) waits: u32,
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

/// What unwinds out of a domain's turn when it dies in the middle of it.
struct Died;

/// A world.
pub struct World {
    now_ns: u64,
    planned: BinaryHeap<Planned>,
    order: u64,
    /// The time at which some domain further down the stack must go on.
    go_on_by_ns: u64,
    daemon_at_ns: u64,
    /// Places whose turn is planned, by its time.
    turns: BTreeSet<(u64, usize)>,
    /// Places by the numbers of the domains that live there.
    homes: BTreeMap<u16, usize>,
    /// What the seed decided.
    pub params: Params,
    /// Choices.
    pub chances: Prngs,
    /// Grants, events, domains.
    pub xen: Xen,
    /// Xenstored.
    pub store: Daemon,
    /// Where domains live.
    pub places: Vec<Place>,
    /// The toolstack.
    pub dom0: Dom0,
    /// What goes wrong.
    pub faults: Faults,
    /// The judge.
    pub oracle: Oracle,
    /// What happened.
    pub trace: Trace,
    /// Users start nothing new and keep their connections.
    pub users_rest: bool,
    /// But those of this link do not rest.
    pub restless: Option<usize>,
    /// Users end their connections and start nothing new.
    pub users_leave: bool,
    /// The place of a domain that lies.
    pub hostile: Option<usize>,
    /// Links whose front dies as an end of them reaches a step: after how many more.
    pub doomed: BTreeMap<usize, u32>,
    /// Vacant places stay vacant.
    pub hold_creations: bool,
    /// Pages that ever went into quarantine.
    pub quarantined: u64,
    rung: Vec<Life>,
}

/// The time of what never happens.
const NEVER: u64 = u64::MAX;

impl World {
    /// The world of these choices, before anything has happened in it.
    pub fn new(choices: Choices<'_>, mask: Mask, trace: Trace) -> Self {
        Self::of(Params::draw(&mut choices.stream(Stream::Params)), choices, mask, trace)
    }

    /// A world whose parameters were not drawn.
    pub fn of(params: Params, choices: Choices<'_>, mask: Mask, trace: Trace) -> Self {
        let chances = Prngs {
            timing: choices.stream(Stream::Timing),
            users: choices.stream(Stream::Users),
            epochs: choices.stream(Stream::Epochs),
        };
        let company = match params.hostile {
            None => Company::Honest,
            Some(_) => Company::Hostile,
        };
        let mut store = Daemon::with_quotas(params.flavour, params.quotas);
        if trace.is_kept() {
            store.keep_journal();
        }
        World {
            now_ns: 0,
            planned: BinaryHeap::new(),
            order: 0,
            go_on_by_ns: NEVER,
            daemon_at_ns: NEVER,
            turns: BTreeSet::new(),
            homes: BTreeMap::new(),
            store,
            places: (0..params.places).map(|_| Place::default()).collect(),
            oracle: Oracle::new(params.links.len()),
            dom0: Dom0::default(),
            faults: Faults::new(choices.stream(Stream::Faults), mask, company),
            xen: Xen::new(params.sizes),
            hostile: params.hostile,
            params,
            chances,
            trace,
            users_rest: false,
            restless: None,
            doomed: BTreeMap::new(),
            users_leave: false,
            hold_creations: false,
            quarantined: 0,
            rung: Vec::new(),
        }
    }

    /// The present time.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Plans something.
    pub fn plan(&mut self, at_ns: u64, what: SimEvent) {
        self.order += 1;
        self.planned.push(Planned { at_ns, order: self.order, what });
    }

    /// Plans something after a time drawn from a span.
    pub fn plan_in(&mut self, span: Span, what: SimEvent) {
        let wait_ns = self.chances.timing.between(span.0, span.1);
        self.plan(self.now_ns + wait_ns, what);
    }

    /// An epoch that nobody ever had: from a hardware source, whatever was restored from a
    /// snapshot.
    pub fn fresh_epoch(&mut self, place: usize) -> Epoch {
        let epoch = self.chances.epochs.wide();
        if self.hostile != Some(place) {
            self.oracle.drawn(epoch);
        }
        Epoch::from_bits(epoch)
    }

    /// Pages went into quarantine.
    pub fn note_quarantined(&mut self, pages: usize) {
        self.quarantined += pages as u64;
    }

    /// A domain rings xenstored's doorbell.
    pub fn ring_store(&mut self, place: usize) {
        self.trace.note([1, place as u64, self.now_ns]);
        let wait_ns = self.draw(self.params.doorbell_ns);
        self.daemon_by(self.now_ns + wait_ns);
    }

    fn draw(&mut self, span: Span) -> u64 {
        self.chances.timing.between(span.0, span.1)
    }

    /// Lets the daemon do a pass by then.
    pub fn daemon_by(&mut self, at_ns: u64) {
        self.daemon_at_ns = self.daemon_at_ns.min(at_ns);
    }

    /// Gives a domain a turn by then.
    pub fn turn_by(&mut self, place: usize, at_ns: u64) {
        self.turn_at(place, at_ns.min(self.places[place].turn_at_ns));
    }

    /// Plans a domain's next turn for then, and no other.
    fn turn_at(&mut self, place: usize, at_ns: u64) {
        let old_ns = core::mem::replace(&mut self.places[place].turn_at_ns, at_ns);
        self.turns.remove(&(old_ns, place));
        if at_ns < NEVER {
            self.turns.insert((at_ns, place));
        }
    }

    /// A domain lives at a place now, and has no turn yet.
    pub fn settle(&mut self, place: usize, domid: u16) {
        self.homes.insert(domid, place);
        self.turn_at(place, NEVER);
    }

    /// The domain at a place is gone.
    pub fn vacate(&mut self, place: usize) {
        self.homes.remove(&self.places[place].domid);
        self.turn_at(place, NEVER);
    }

    /// Lets everything happen that is planned until `until_ns`, and lets the time come.
    pub fn run_until(&mut self, until_ns: u64) {
        while self.run_one(until_ns) {}
        self.now_ns = self.now_ns.max(until_ns);
    }

    /// Runs until `done` says so; false if that did not come by `until_ns`.
    pub fn run_while(&mut self, until_ns: u64, mut done: impl FnMut(&World) -> bool) -> bool {
        loop {
            if done(self) {
                return true;
            }
            if !self.run_one(until_ns) {
                self.now_ns = self.now_ns.max(until_ns);
                return done(self);
            }
        }
    }

    /// Lets the next thing happen if it is planned for `until_ns` or before. At the same time:
    /// first what is in the heap, then the daemon, then the places by number.
    fn run_one(&mut self, until_ns: u64) -> bool {
        let mut next_ns = self.daemon_at_ns;
        let mut next_place = None;
        // Who is in the middle of a turn, further down the stack, looks again by itself.
        let is_there = |turn: &&(u64, usize)| self.places[turn.1].guest.is_some();
        if let Some((at_ns, place)) = self.turns.iter().find(is_there)
            && *at_ns < next_ns
        {
            (next_ns, next_place) = (*at_ns, Some(*place));
        }
        let from_heap = self.planned.peek().is_some_and(|planned| planned.at_ns <= next_ns);
        if from_heap {
            next_ns = self.planned.peek().map_or(NEVER, |planned| planned.at_ns);
        }
        if next_ns > until_ns || next_ns == NEVER {
            return false;
        }
        assert!(next_ns >= self.now_ns, "time does not go back");
        self.now_ns = next_ns;
        match (from_heap, next_place) {
            (true, _) => self.happen(),
            (false, None) => self.daemon(),
            (false, Some(place)) => self.turn(place),
        }
        true
    }

    /// The next thing of the heap.
    fn happen(&mut self) {
        match self.planned.pop().expect("just peeked").what {
            SimEvent::Dom0(job) => self.dom0_step(job),
            SimEvent::Introduce(link) => self.introduce(link),
            SimEvent::Create(place) => self.create(place),
            SimEvent::Ending(number) => self.ending(number),
            SimEvent::Stray => self.stray(),
        }
    }

    /// One pass of the daemon.
    fn daemon(&mut self) {
        self.daemon_at_ns = NEVER;
        let chunk = self.draw(self.params.chunk) as usize;
        let served = self.store.serve(self.now_ns, chunk);
        if self.trace.is_kept() {
            for (domid, header, payload) in self.store.take_journal() {
                let kind = Kind::parse(header.kind);
                self.trace
                    .line(self.now_ns, format_args!("store: {domid} asks {kind:?} {payload}"));
            }
        }
        for at in 0..self.store.notified().len() {
            let domid = self.store.notified()[at];
            self.trace.note([2, u64::from(domid), self.now_ns]);
            if let Some(place) = self.place_of(domid) {
                self.places[place].store_rang = true;
                let wait_ns = self.draw(self.params.doorbell_ns);
                self.turn_by(place, self.now_ns + wait_ns);
            }
        }
        if served.busy {
            let wait_ns = self.draw(self.params.daemon_ns);
            self.daemon_by(self.now_ns + wait_ns);
        } else if let Some(wake_ns) = served.wake_ns {
            self.daemon_by(wake_ns.max(self.now_ns + 1));
        }
    }

    /// A domain's turn.
    fn turn(&mut self, place: usize) {
        let paused_until_ns = self.places[place].paused_until_ns;
        if paused_until_ns > self.now_ns {
            self.turn_at(place, paused_until_ns);
            return;
        }
        self.turn_at(place, NEVER);
        let home = &mut self.places[place];
        let mut guest = home.guest.take().expect("only who is there has a turn");
        let woken = core::mem::take(&mut home.store_rang);
        let turned = catch_unwind(AssertUnwindSafe(|| guest.turn(self, place, woken)));
        self.spread_rings();
        let deadline_ns = match turned {
            Ok(deadline_ns) => deadline_ns,
            Err(payload) if payload.is::<Died>() => return,
            Err(payload) => resume_unwind(payload),
        };
        self.places[place].guest = Some(guest);
        // A deadline that never comes is no multiple of anything.
        let slack_ns = self.params.slack_ns;
        let due_ns = deadline_ns.checked_next_multiple_of(slack_ns).unwrap_or(deadline_ns);
        let at_ns = self.places[place].turn_at_ns.min(due_ns).max(self.now_ns + 1);
        self.turn_at(place, at_ns);
        if let Some(how) = self.places[place].suspend_due.take() {
            self.suspend(place, how);
        }
    }

    /// Gives the domains that an event has reached their turns.
    fn spread_rings(&mut self) {
        let mut rung = core::mem::take(&mut self.rung);
        self.xen.take_rung(&mut rung);
        for life in rung.drain(..) {
            if let Some(place) = self.places.iter().position(|it| it.life == Some(life)) {
                let wait_ns = self.draw(self.params.doorbell_ns);
                self.turn_by(place, self.now_ns + wait_ns);
            }
        }
        self.rung = rung;
    }

    /// The place where a domain number lives.
    pub fn place_of(&self, domid: u16) -> Option<usize> {
        self.homes.get(&domid).copied()
    }

    /// The domain at `place` has reached a step in the middle of its turn. It may not return.
    pub fn reached(&mut self, place: usize, link: LinkId, step: Step, machine: &mut Machine) {
        let link = self.places[place].links[link.index()];
        self.trace.note([3 + step as u64, (place * 8 + link) as u64, self.now_ns]);
        if self.trace.is_kept() {
            let (name, word) = (self.params.links[link].name.clone(), step.word());
            self.trace.line(self.now_ns, format_args!("place {place} link {name} reached {word}"));
        }
        if step == Step::DisconnectedSent {
            machine.assert_no_loose_mappings(self.places[place].links.len());
        }
        if self.chances.timing.happens(self.params.interleave_ppm) {
            let wait_ns = self.chances.timing.between(1000, 3 * MS);
            self.go_on(wait_ns);
        }
        self.doom(link);
        if let Some(fault) = self.faults.at_step(step) {
            self.inject(fault, place, link, Some(machine));
        }
        if self.places[place].life != Some(machine.life) {
            resume_unwind(Box::new(Died));
        }
    }

    /// Counts a step of a link whose front is doomed, and kills it after the last.
    fn doom(&mut self, link: usize) {
        let Some(left) = self.doomed.get_mut(&link) else { return };
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.doomed.remove(&link);
            self.kill(self.params.links[link].front);
        }
    }

    /// Whether the users of a link start nothing new and keep their connection.
    pub fn is_at_rest(&self, link: usize) -> bool {
        self.users_rest && self.restless != Some(link)
    }

    /// Lets the world go on while a domain stands still in the middle of its turn. Its events wait.
    pub fn go_on(&mut self, wait_ns: u64) {
        // Who stands still further down the stack is not kept waiting longer than was drawn.
        let until_ns = (self.now_ns + wait_ns).min(self.go_on_by_ns);
        let outer_ns = core::mem::replace(&mut self.go_on_by_ns, until_ns);
        self.spread_rings();
        self.run_until(until_ns);
        self.go_on_by_ns = outer_ns;
    }

    /// The two ends of a link: places of front and back.
    pub fn ends(&self, link: usize) -> [usize; 2] {
        let plan = &self.params.links[link];
        [plan.front, plan.back]
    }

    /// Which side of a link a place is.
    pub fn side_of(&self, link: usize, place: usize) -> Side {
        if self.params.links[link].front == place { Side::Front } else { Side::Back }
    }

    /// Something goes wrong somewhere, and the next time is planned.
    fn stray(&mut self) {
        if let Some(fault) = self.faults.stray() {
            let link = self.faults.chance().below(self.params.links.len() as u32) as usize;
            let end = self.faults.chance().below(2) as usize;
            let place = self.ends(link)[end];
            self.inject(fault, place, link, None);
        }
        self.plan_stray();
    }

    /// Plans the next stray fault.
    pub fn plan_stray(&mut self) {
        let (low, high) = self.params.stray_ns;
        let wait_ns = self.faults.chance().between(low, high);
        self.plan(self.now_ns + wait_ns, SimEvent::Stray);
    }

    /// Notes a fault in the trace.
    pub fn note_fault(&mut self, fault: Fault, place: usize, link: usize) {
        self.trace.note([64 + fault as u64, (place * 8 + link) as u64, self.now_ns]);
        if self.trace.is_kept() {
            let number = self.faults.decided() - 1;
            let name = self.params.links[link].name.clone();
            let word = fault.word();
            self.trace.line(
                self.now_ns,
                format_args!("fault {number}: {word}, place {place}, link {name}"),
            );
        }
    }

    /// Plans the first domains. What a liar's links deliver is not judged.
    pub fn begin(&mut self) {
        for link in 0..self.params.links.len() {
            if self.hostile.is_some_and(|liar| self.ends(link).contains(&liar)) {
                self.oracle.distrust(link);
            }
        }
        for place in 0..self.places.len() {
            self.plan_in(self.params.vacant_ns, SimEvent::Create(place));
        }
    }

    /// Ends what faults have left going on: who lies is ended, who stands still goes on, and
    /// snapshots are forgotten.
    pub fn heal(&mut self) {
        if let Some(liar) = self.hostile.take() {
            self.kill(liar);
            self.places[liar].snapshots.clear();
            for link in 0..self.params.links.len() {
                self.oracle.trust(link);
            }
        }
        for place in 0..self.places.len() {
            let home = &mut self.places[place];
            home.paused_until_ns = 0;
            home.snapshots.clear();
            home.suspend_due = None;
            self.turn_by(place, self.now_ns + 1);
        }
    }
}
