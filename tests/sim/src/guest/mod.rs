//! A domain's program: the image's loop around the shipped driver, and a user for each link.
//!
//! Step the driver; take every event; say what the users want; move data; look when to wake up.
//! That is docs/protocol.md §1 and the loop of `kernel/src/image/links`, with the world in place of Xen.

pub mod platform;
pub mod user;

use core::any::Any;

use channel::driver::Driver;
use channel::link::Settings;
use channel::{Duration, Instant, LinkName, Role};

use crate::guest::platform::SimPlatform;
use crate::guest::user::User;
use crate::machine::Machine;
use crate::world::oracle::{Oracle, Saved};
use crate::world::{Program, World};

/// Turns of the loop after which the domain has hung: nothing that a peer or the daemon does may
/// keep it busy without end.
const LOOPS_MAX: u32 = 2000;

/// A domain's program and machine.
pub struct Guest {
    driver: Box<Driver>,
    /// What the domain has.
    pub machine: Machine,
    users: Vec<User>,
    resumed: bool,
}

/// A domain's program, put away.
pub struct Snapshot {
    driver: Box<Driver>,
    users: Vec<User>,
    books: Vec<Saved>,
    shown_ns: u64,
}

impl Snapshot {
    /// What the domain's clock showed: it goes on from there, for it never steps back.
    pub fn shown_ns(&self) -> u64 {
        self.shown_ns
    }
}

impl core::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} links", self.users.len())
    }
}

impl core::fmt::Debug for Guest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "domain {}", self.machine.domid)
    }
}

impl Guest {
    /// The program for a place, not yet started.
    pub fn new(world: &mut World, place: usize, machine: Machine) -> Self {
        let mut driver = Box::new(Driver::new());
        let mut users = Vec::new();
        let mut guest_links = Vec::new();
        let settings = Settings {
            beat: Duration::from_nanoseconds(world.params.beat_ns),
            beats_missed_max: world.params.beats_missed_max,
            pages: world.params.pages,
        };
        let mut machine = machine;
        for number in 0..world.params.links.len() {
            let plan = world.params.links[number].clone();
            let role = match (plan.front == place, plan.back == place) {
                (true, _) => Role::Front,
                (_, true) => Role::Back,
                _ => continue,
            };
            let name = LinkName::new(plan.name.as_bytes()).expect("a valid name");
            let mut platform = SimPlatform { world: &mut *world, machine: &mut machine, place };
            let id = driver.add_link(name, role, settings, &mut platform).expect("few links");
            assert!(id.index() == guest_links.len());
            users.push(User::new(id, number, world.side_of(number, place)));
            guest_links.push(number);
        }
        world.places[place].links = guest_links;
        Guest { driver, machine, users, resumed: false }
    }

    /// What a snapshot of the domain holds: the program as it is, with the same random state.
    pub fn snapshot(&self, oracle: &Oracle, now_ns: u64) -> Snapshot {
        let books = self.users.iter().map(|user| oracle.save(user.link, user.side())).collect();
        let shown_ns = self.machine.clock.local(now_ns);
        Snapshot { driver: self.driver.clone(), users: self.users.clone(), books, shown_ns }
    }

    /// The program of a snapshot, started in another domain.
    pub fn resume(snapshot: Snapshot, mut machine: Machine, oracle: &mut Oracle) -> Self {
        let Snapshot { driver, users, books, .. } = snapshot;
        for (user, book) in users.iter().zip(books) {
            oracle.restore(user.link, user.side(), book);
        }
        for _ in &users {
            machine.connections.add_link();
        }
        Guest { driver, machine, users, resumed: true }
    }

    /// One round of the loop.
    fn once(&mut self, world: &mut World, place: usize) -> Instant {
        self.machine.take_pending();
        let mut platform = SimPlatform { world, machine: &mut self.machine, place };
        let now = platform.now();
        let restart = platform.world.places[place].restart_due.take();
        let mut has_stepped = false;
        if core::mem::take(&mut self.resumed) {
            self.driver.resumed(now, &mut platform);
        } else if let Some(number) = restart {
            let user = self.users.iter().find(|user| user.link == number);
            let id = user.expect("a link of this place").id;
            self.driver.restart(now, id, &mut platform);
        } else {
            self.driver.step(now, &mut platform).expect("all events were taken");
            has_stepped = true;
        }
        take_events(&mut self.driver, &mut self.users, &mut platform);
        while self.driver.poll_store_event().is_some() {}
        let mut deadline = Instant::NEVER;
        for user in &mut self.users {
            deadline = deadline.min(user.want(&mut self.driver, &mut platform));
        }
        if take_events(&mut self.driver, &mut self.users, &mut platform) > 0 {
            deadline = Instant::START;
        }
        for user in &mut self.users {
            deadline = deadline.min(user.move_data(&mut platform));
        }
        if !has_stepped {
            // As in the images, nobody sleeps before a step: what woke the domain may lie in the ring.
            return Instant::START;
        }
        deadline.min(self.driver.deadline())
    }

    /// Its driver.
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Its users.
    pub fn users(&self) -> &[User] {
        &self.users
    }
}

impl Program for Guest {
    fn turn(&mut self, world: &mut World, place: usize, woken: bool) -> u64 {
        if woken {
            self.driver.woke();
        }
        let mut loops = 0;
        loop {
            loops += 1;
            assert!(loops < LOOPS_MAX, "I5: domain {} never rests", self.machine.domid);
            let deadline = self.once(world, place);
            let now = Instant::from_nanoseconds(self.machine.clock.local(world.now_ns()));
            if deadline > now {
                return self.machine.clock.world(deadline.nanoseconds());
            }
        }
    }

    fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }
}

impl World {
    /// A guest at a place, if it has one and is not in the middle of a turn.
    pub fn guest(&self, place: usize) -> Option<&Guest> {
        let program: &dyn Any = self.places[place].guest.as_deref()?;
        program.downcast_ref()
    }
}

/// Takes every event to its user; how many there were.
fn take_events(driver: &mut Driver, users: &mut [User], platform: &mut SimPlatform<'_>) -> usize {
    let mut taken = 0;
    while let Some((link, event)) = driver.poll_event() {
        users[link.index()].handle_event(&event, platform);
        taken += 1;
    }
    taken
}
