//! Many links: one backend with many frontends, each a domain of its own, at the quotas that the
//! daemon has by default or at raised ones. Nothing goes wrong there but what is done on purpose.

use core::cell::Cell;

use crate::actions::dom0::{Meddling, link_home};
use crate::base::clock::{MS, SECOND};
use crate::base::trace::Trace;
use crate::store::Flavour;
use crate::store::limits::Quotas;
use crate::store::wire::Kind;
use crate::world::faults::Mask;
use crate::world::oracle::Side;
use crate::world::params::{LinkPlan, Load, Params, Traffic};
use crate::world::{SimEvent, World};
use crate::xen::Sizes;
use prng::{Choices, Prng};

/// The backend's place; the front of link `n` lives at the place after `n` more.
const BACK: usize = 0;
/// The beat of all links.
const BEAT_NS: u64 = SECOND;
/// Beats within which everything here must have happened, but for what waits its turn (guarantee 4).
const BEATS: u64 = 24;
/// Watches that a domain may have, whatever the number of links.
const WATCHES_MAX: usize = 2;
/// Nodes of the backend that are no link's: its home's, the root of the links and their folders.
const NODES_ASIDE: usize = 24;
/// A doomed front dies before so many more steps of its link.
const STEPS_MAX: u32 = 9;

/// One backend and its frontends.
pub struct ManyLinks {
    world: World,
    links: usize,
    victims: Prng,
}

fn params(links: usize, flavour: Flavour, quotas: Quotas) -> Params {
    let plan =
        |link: usize| LinkPlan { name: format!("l{link}").into(), front: link + 1, back: BACK };
    // One link more than are there at first: the one too many.
    let plans: Vec<LinkPlan> = (0..=links).map(plan).collect();
    Params {
        load: Load::Light,
        flavour,
        quotas,
        sizes: Sizes::MANY,
        places: plans.len() + 1,
        links: plans,
        hostile: None,
        beat_ns: BEAT_NS,
        beats_missed_max: 4,
        pages: 1,
        // Slow doorbells: a turn of the backend goes through all its links, and does much then. Not so
        // slow that 1,024 links in a beat are more than is answered (docs/protocol.md §12).
        daemon_ns: (MS / 5, MS / 5),
        doorbell_ns: (MS / 2, 2 * MS),
        request_ns: 13 * MS,
        dom0_ns: (MS / 10, MS),
        boot_ns: (MS, 10 * MS),
        slack_ns: BEAT_NS / 20,
        vacant_ns: (0, BEAT_NS),
        chunk: (1024, 1024),
        interleave_ppm: 0,
        same_domid_ppm: 0,
        stray_ns: (1, 1),
        faulty_ns: 0,
        traffic: Traffic {
            gap_ns: (BEAT_NS, BEAT_NS * 8),
            quick_messages: 1,
            quick_connections: u32::MAX,
            burst: (1, 2),
            padding: (0, 30),
            stream_bytes: (1, 300),
            rest_ns: (BEAT_NS, BEAT_NS * 2),
            back_closes_ppm: 0,
            front_hurries_ppm: 0,
        },
    }
}

impl ManyLinks {
    /// A backend with so many links, all up and connected, everything said and nothing to do.
    ///
    /// # Panics
    /// If they do not come to that in time, or the domain has more than its budgets say.
    pub fn at_rest(links: usize, flavour: Flavour, quotas: Quotas, seed: u64) -> Self {
        let params = params(links, flavour, quotas);
        let choices = Choices::Seed(seed);
        let mut world = World::of(params, choices, Mask::default(), Trace::hashed());
        // They only connect, and keep that.
        world.users_rest = true;
        world.plan(0, SimEvent::Create(BACK));
        for link in 0..links {
            world.plan_in((MS, BEAT_NS), SimEvent::Create(link + 1));
        }
        let mut links = ManyLinks { world, links, victims: Prng::seeded(seed, 99) };
        links.await_all("connected", is_connected);
        links.pass(3);
        links.check_budgets();
        links.world.oracle.set_calm(true);
        links
    }

    /// Lets beats pass.
    fn pass(&mut self, beats: u64) {
        self.world.run_until(self.world.now_ns() + beats * BEAT_NS);
    }

    /// Runs until something holds of every link but the one too many.
    fn await_all(&mut self, what: &str, holds: impl Fn(&World, usize) -> bool) {
        // Who holds is not asked again before the others do: asking all each time would be a square.
        let first = Cell::new(0);
        let bound_ns = self.world.now_ns() + BEATS * BEAT_NS;
        let links = self.links;
        let all = self.world.run_while(bound_ns, |world| {
            while first.get() < links && holds(world, first.get()) {
                first.set(first.get() + 1);
            }
            first.get() == links && (0..links).all(|link| holds(world, link))
        });
        let late = (0..links).filter(|link| !holds(&self.world, *link)).count();
        assert!(all, "{late} of {links} links are not {what} within {BEATS} beats");
    }

    fn check_budgets(&self) {
        self.world.check_budgets();
        let domid = self.world.places[BACK].domid;
        let watches = self.world.store.connection(domid).map_or(0, |it| it.watches.len());
        assert!(watches <= WATCHES_MAX, "budget: {watches} watches");
        let nodes = self.nodes_of_back();
        let most = 2 * self.links + NODES_ASIDE;
        assert!(nodes <= most, "budget: {nodes} nodes of {} links", self.links);
        assert!((nodes as i64) < self.world.params.quotas.nodes, "budget: the quota");
    }

    /// Nodes that the daemon counts as the backend's.
    pub fn nodes_of_back(&self) -> usize {
        let domid = self.world.places[BACK].domid;
        self.world.store.tree().charged(domid).try_into().expect("no less than none")
    }

    /// Lets one link disconnect and connect again, while all others rest; the requests of all that.
    ///
    /// # Panics
    /// If it does not, or any other link takes notice.
    pub fn cost_of_cycle(&mut self, link: usize) -> u64 {
        let before = self.requests();
        let bound_ns = self.world.now_ns() + BEATS * BEAT_NS;
        // Messages are another matter, and so is a link that is up without a connection.
        let quiet = Traffic { burst: (0, 0), rest_ns: (0, 0), ..self.world.params.traffic.clone() };
        let usual = core::mem::replace(&mut self.world.params.traffic, quiet);
        self.world.restless = Some(link);
        let front = self.world.places[link + 1].life;
        self.wake(link);
        let gone =
            self.world.run_while(bound_ns, |world| !is_connected_at(world, link, Side::Front));
        assert!(gone, "link {link} does not disconnect");
        let again = self.world.run_while(bound_ns, |world| is_connected(world, link));
        assert!(again, "link {link} does not connect again");
        assert_eq!(front, self.world.places[link + 1].life, "in one life");
        self.world.restless = None;
        self.world.params.traffic = usual;
        self.requests() - before
    }

    /// Gives the domains of a link a turn: what their users may do has changed.
    fn wake(&mut self, link: usize) {
        let soon_ns = self.world.now_ns() + 1;
        self.world.turn_by(link + 1, soon_ns);
        self.world.turn_by(BACK, soon_ns);
    }

    /// What all drivers have asked for their links.
    fn requests(&self) -> u64 {
        let guests = (0..self.world.places.len()).filter_map(|place| self.world.guest(place));
        guests.map(|guest| guest.driver().link_requests()).sum()
    }

    /// Lets everybody talk and connect, and kills some fronts in the midst of it, each as its link
    /// comes to a step that was drawn. The others take no notice and get on; the dead come back.
    ///
    /// # Panics
    /// If another link's session ends, or one does not get on.
    pub fn survive_deaths(&mut self, deaths: usize) {
        let links = self.links as u32;
        while self.world.doomed.len() < deaths {
            let (link, steps) =
                (self.victims.below(links), self.victims.between(1, STEPS_MAX.into()));
            self.world.oracle.expect_trouble(link as usize);
            self.world.doomed.insert(link as usize, steps as u32);
        }
        let doomed: Vec<usize> = self.world.doomed.keys().copied().collect();
        let lives = |world: &World, link: usize| world.places[link + 1].lives;
        let before: Vec<u64> = (0..self.links).map(|link| cycles(&self.world, link)).collect();
        self.world.users_rest = false;
        for link in 0..self.links {
            self.wake(link);
        }
        self.await_all("where they should be", |world, link| match doomed.contains(&link) {
            true => lives(world, link) == 2,
            false => cycles(world, link) > before[link],
        });
        self.world.users_rest = true;
        self.await_all("connected again", |world, link| {
            is_connected(world, link) && world.oracle.is_all_delivered(link)
        });
        assert!(self.world.doomed.is_empty());
        let died = (0..self.links).filter(|link| lives(&self.world, *link) == 2).count();
        assert_eq!(died, deaths, "nobody else has died");
        self.pass(3);
        self.check_budgets();
    }

    /// Fills the backend's quota of nodes and introduces one more front. Domain 0 may still make its
    /// mailbox; the backend may not when it is lost, and says so of that link. Once there is room
    /// again, the link heals by itself.
    ///
    /// # Panics
    /// If the refusal is not told, or told of another link, or another link takes notice.
    pub fn refuse_one_too_many(&mut self) {
        let extra = self.links;
        self.world.oracle.expect_trouble(extra);
        let domid = self.world.places[BACK].domid;
        let filler = format!("/local/domain/{domid}/data/filler");
        let mut count = 0;
        // Full even when the lost mailbox is not counted.
        while (self.nodes_of_back() as i64) < self.world.params.quotas.nodes {
            self.order(Kind::Write, &format!("{filler}/{}/{count}\0", count % 16));
            count += 1;
        }
        assert_eq!(self.world.oracle.take_over_quota(), [], "nobody was refused anything before");
        self.world.create(extra + 1);
        let bound_ns = self.world.now_ns() + BEATS * BEAT_NS;
        let up = |world: &World| world.oracle.is_up(extra, Side::Back);
        assert!(self.world.run_while(bound_ns, up), "domain 0 is bound by no quota");
        self.world.meddle(BACK, extra, Meddling::Remove);
        self.pass(3);
        let told = self.world.oracle.take_over_quota();
        assert!(told.contains(&(extra, Side::Back)), "the backend says whose mailbox has no room");
        // oxenstored tells the front the same, who would write there.
        assert!(told.iter().all(|(link, _)| *link == extra), "another link is named: {told:?}");
        let mailbox = format!("{}/box", link_home(domid, &self.world.params.links[extra].name));
        assert!(!self.world.store.tree().contains(&mailbox), "there is no room for it");
        self.order(Kind::Remove, &format!("{filler}\0"));
        let bound_ns = self.world.now_ns() + BEATS * BEAT_NS;
        let made = self.world.run_while(bound_ns, |world| world.store.tree().contains(&mailbox));
        assert!(made, "there is room for it, and it is not made");
        let bound_ns = self.world.now_ns() + BEATS * BEAT_NS;
        let healed = self.world.run_while(bound_ns, |world| is_connected(world, extra));
        assert!(healed, "it has its mailbox, and is not connected");
    }

    fn order(&mut self, kind: Kind, payload: &str) {
        let now_ns = self.world.now_ns();
        self.world.store.request(kind, 0, payload.as_bytes(), now_ns).expect("domain 0 may");
        self.world.daemon_by(now_ns + 1);
    }
}

fn is_connected_at(world: &World, link: usize, side: Side) -> bool {
    world.oracle.is_connected(link, side)
}

fn is_connected(world: &World, link: usize) -> bool {
    [Side::Front, Side::Back].into_iter().all(|side| is_connected_at(world, link, side))
}

/// Connections that the front of a link has brought to their end in this life.
fn cycles(world: &World, link: usize) -> u64 {
    let users = world.guest(link + 1).map_or(&[][..], |guest| guest.users());
    users.iter().map(|user| user.cycles).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "G5")]
    fn a_link_that_ends_without_being_doomed_is_noticed() {
        let mut links = ManyLinks::at_rest(2, Flavour::C, Quotas::default(), 1);
        links.world.kill(1);
        links.pass(BEATS);
    }

    #[test]
    #[should_panic(expected = "budget: the quota")]
    fn links_that_leave_no_room_in_the_quota_are_noticed() {
        ManyLinks::at_rest(10, Flavour::Ocaml, Quotas { nodes: 30 }, 1);
    }
}
