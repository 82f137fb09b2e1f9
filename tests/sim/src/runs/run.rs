//! One whole run of a seed: faults, then none; and what must come true in the end.
//!
//! *Safety*: while faults strike, nothing wrong may happen; the oracle and the strict machine
//! watch. *Liveness*: once they stop, every link is joined within a bound, connects and moves its
//! bytes; then it is quiet, without a request; a death is noticed within a bound; the dead come
//! back; and at last nothing is left behind.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use crate::base::clock::SECOND;
use crate::base::trace::Trace;
use crate::world::faults::{Mask, Matrix};
use crate::world::oracle::{Side, Tally};
use crate::world::{Place, World};
use prng::Choices;

/// What a run has come to.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// Where it went wrong, if it did.
    pub failure: Option<String>,
    /// The trace's number: two runs of a seed agree on it.
    pub hash: u64,
    /// The trace's text, if it was kept.
    pub lines: Vec<String>,
    /// What struck where.
    pub matrix: Matrix,
    /// How many faults were decided, left out or not.
    pub decided: u32,
    /// What the users saw.
    pub tally: Tally,
    /// What else is worth knowing.
    pub measures: Measures,
}

/// Figures of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measures {
    /// Virtual nanoseconds.
    pub virtual_ns: u64,
    /// Beats from the last introduction until every link was joined, the longest time.
    pub joined_beats: f64,
    /// Beats until a death was noticed, the longest time.
    pub noticed_beats: f64,
    /// Domains that lived.
    pub lives: u64,
    /// Pages that ever went into quarantine.
    pub quarantined: u64,
    /// Requests that the daemon answered.
    pub requests: u64,
    /// What the daemon and the hypervisor did to make things hard.
    pub hard: Hard,
}

/// Hard things that come from the models, not from faults; counted so that they can be shown to
/// have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hard {
    /// Events that were not queued because the same one waited.
    pub events_coalesced: u64,
    /// Events given up after 20 s.
    pub events_expired: u64,
    /// Replies and events that went out in pieces.
    pub messages_split: u64,
    /// Passes that did not read a ring because of outstanding requests.
    pub stalls_outstanding: u64,
    /// Passes that did not read a ring because of the write-rate limit.
    pub stalls_rate: u64,
    /// Permission entries for domains that did not exist.
    pub void_permissions: u64,
    /// Transactions that had to be done again.
    pub transactions_again: u64,
    /// Pending bits set by a bind for nothing.
    pub spurious_binds: u64,
    /// Ports that lost their other end silently.
    pub silent_closes: u64,
    /// Events sent to nobody.
    pub sends_to_nobody: u64,
    /// Maps that were refused.
    pub maps_refused: u64,
    /// Dead domains whose number stayed taken because their pages were mapped.
    pub zombies: u64,
}

impl Hard {
    /// Name and count of each.
    pub fn list(&self) -> [(&'static str, u64); 12] {
        [
            ("events-coalesced", self.events_coalesced),
            ("events-expired", self.events_expired),
            ("messages-split", self.messages_split),
            ("stalls-outstanding", self.stalls_outstanding),
            ("stalls-rate", self.stalls_rate),
            ("void-permissions", self.void_permissions),
            ("transactions-again", self.transactions_again),
            ("spurious-binds", self.spurious_binds),
            ("silent-closes", self.silent_closes),
            ("sends-to-nobody", self.sends_to_nobody),
            ("maps-refused", self.maps_refused),
            ("zombies", self.zombies),
        ]
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Hard) {
        self.events_coalesced += other.events_coalesced;
        self.events_expired += other.events_expired;
        self.messages_split += other.messages_split;
        self.stalls_outstanding += other.stalls_outstanding;
        self.stalls_rate += other.stalls_rate;
        self.void_permissions += other.void_permissions;
        self.transactions_again += other.transactions_again;
        self.spurious_binds += other.spurious_binds;
        self.silent_closes += other.silent_closes;
        self.sends_to_nobody += other.sends_to_nobody;
        self.maps_refused += other.maps_refused;
        self.zombies += other.zombies;
    }
}

/// Runs a seed. Panics inside become the failure.
pub fn run(seed: u64, mask: Mask, trace: Trace) -> RunOutcome {
    run_choices(Choices::Seed(seed), mask, trace)
}

/// Runs a world of any choices. Panics inside become the failure.
pub fn run_choices(choices: Choices<'_>, mask: Mask, trace: Trace) -> RunOutcome {
    let mut world = World::new(choices, mask, trace);
    let mut measures = Measures::default();
    let ran = catch_unwind(AssertUnwindSafe(|| live(&mut world, &mut measures)));
    let failure = ran.err().map(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without words".to_owned())
    });
    measures.virtual_ns = world.now_ns();
    measures.lives = world.places.iter().map(|place| u64::from(place.lives)).sum();
    measures.quarantined = world.quarantined;
    measures.requests = world.store.counts().requests;
    measures.hard = hard(&world);
    RunOutcome {
        failure,
        hash: world.trace.hash(),
        matrix: world.faults.matrix().clone(),
        decided: world.faults.decided(),
        tally: *world.oracle.tally(),
        measures,
        lines: world.trace.into_lines(),
    }
}

fn hard(world: &World) -> Hard {
    let (store, xen) = (world.store.counts(), world.xen.counts());
    Hard {
        events_coalesced: store.events_coalesced,
        events_expired: store.events_expired,
        messages_split: store.messages_split,
        stalls_outstanding: store.stalls_outstanding,
        stalls_rate: store.stalls_rate,
        void_permissions: store.void_permissions,
        transactions_again: store.transactions_again,
        spurious_binds: xen.spurious_binds,
        silent_closes: xen.silent_closes,
        sends_to_nobody: xen.sends_to_nobody,
        maps_refused: xen.maps_refused,
        zombies: xen.zombies,
    }
}

/// The whole life of a world.
fn live(world: &mut World, measures: &mut Measures) {
    world.begin();
    world.faults.set_enabled(true);
    world.plan_stray();
    let faulty_ns = world.params.faulty_ns;
    world.run_until(faulty_ns);
    world.faults.set_enabled(false);
    world.heal();
    join(world, measures);
    world.oracle.set_calm(true);
    work(world);
    bear_silence(world);
    rest(world);
    world.oracle.set_calm(false);
    notice_a_death(world, measures);
    join(world, measures);
    world.oracle.set_calm(true);
    clear_up(world);
}

/// Beats within which links are joined once both domains run, are introduced, and xenstored serves
/// (guarantee 4): who is still up alone goes down first, then a hello timer may have to run out.
fn joined_within_beats(world: &World) -> u64 {
    noticed_within_beats(world) + 8 + 8 / 4 + 2
}

/// Beats within which a death is noticed (guarantee 5).
fn noticed_within_beats(world: &World) -> u64 {
    u64::from(world.params.beats_missed_max) + 3
}

/// What the world's own slowness adds to a bound: some rounds of requests of all links.
fn slack_ns(world: &World) -> u64 {
    let params = &world.params;
    params.request_ns * params.links.len() as u64 * 10 + params.dom0_ns.1
}

/// Once everybody is there, introduced and served, every link is joined within a bound.
fn join(world: &mut World, measures: &mut Measures) {
    let beat_ns = world.params.beat_ns;
    let patience_ns = world.now_ns() + world.params.vacant_ns.1 + 40 * beat_ns + SECOND;
    let there = world.run_while(patience_ns, |world| {
        let here = |place: &Place| place.life.is_some() && place.suspend_due.is_none();
        world.places.iter().all(here) && world.store.is_serving()
    });
    assert!(there, "the world did not make its domains");
    let boot_ns = world.params.boot_ns.1;
    world.run_until(world.now_ns() + boot_ns);
    for link in 0..world.params.links.len() {
        world.introduce(link);
    }
    let patience_ns = world.now_ns() + world.params.dom0_ns.1 * 20 + 10 * beat_ns;
    assert!(world.run_while(patience_ns, |world| world.dom0.is_idle()), "domain 0 hangs");
    let start_ns = world.now_ns();
    let bound_ns = start_ns + joined_within_beats(world) * beat_ns + slack_ns(world);
    let links = world.params.links.len();
    let joined =
        world.run_while(bound_ns, |world| (0..links).all(|link| world.oracle.is_joined(link)));
    assert!(joined, "G4: links are not joined within {} beats", joined_within_beats(world));
    let beats = (world.now_ns() - start_ns) as f64 / beat_ns as f64;
    measures.joined_beats = measures.joined_beats.max(beats);
    // Permissions may still be void for a side that came up on what was written before: its next
    // WRITE finds out, and the two begin again.
    world.run_until(world.now_ns() + 3 * beat_ns);
    let again = world.run_while(world.now_ns() + joined_within_beats(world) * beat_ns, |world| {
        (0..links).all(|link| world.oracle.is_joined(link))
    });
    assert!(again, "G4: links that were joined are not joined again");
}

/// Every link delivers what was sent, and brings a connection to its end.
fn work(world: &mut World) {
    let cycles = |world: &World| -> Vec<u64> {
        let fronts = world.params.links.iter().map(|plan| plan.front);
        let of = |(link, place): (usize, usize)| {
            world.guest(place).map_or(0, |guest| {
                guest.users().iter().filter(|user| user.link == link).map(|user| user.cycles).sum()
            })
        };
        fronts.enumerate().map(of).collect()
    };
    let before = cycles(world);
    let bound_ns = world.now_ns()
        + 60 * world.params.beat_ns
        + slack_ns(world) * 4
        + world.params.traffic.rest_ns.1;
    let worked = world.run_while(bound_ns, |world| {
        cycles(world).iter().zip(&before).all(|(now, before)| now > before)
    });
    assert!(worked, "a link does not bring a connection to its end");
}

/// Xenstored stands still for longer than a peer may be silent: nobody dies of that (the oracle is
/// calm).
fn bear_silence(world: &mut World) {
    let beats = u64::from(world.params.beats_missed_max) + 2;
    world.store.live_update(beats * world.params.beat_ns, world.now_ns());
    world.daemon_by(world.now_ns() + 1);
    world.run_until(world.now_ns() + (beats + 2) * world.params.beat_ns + slack_ns(world));
}

/// Users start nothing new: a connected link with nothing outstanding makes no request at all.
fn rest(world: &mut World) {
    world.users_rest = true;
    let beat_ns = world.params.beat_ns;
    let links = world.params.links.len();
    let bound_ns =
        world.now_ns() + 40 * beat_ns + slack_ns(world) * 4 + world.params.traffic.rest_ns.1;
    let connected = world.run_while(bound_ns, |world| {
        (0..links).all(|link| {
            [Side::Front, Side::Back].into_iter().all(|side| world.oracle.is_connected(link, side))
                && world.oracle.is_all_delivered(link)
        })
    });
    assert!(connected, "a link at rest is not connected with everything delivered");
    // Beats move into the page, and the last acknowledgements go. What a driver asks for its domain
    // and not for a link, the watch on the toolstack's orders above all, is no part of the budget: it
    // comes again for as long as the daemon refuses it.
    let asked = |world: &World| -> u64 {
        (0..world.places.len())
            .filter_map(|place| world.guest(place))
            .map(|guest| guest.driver().link_requests())
            .sum()
    };
    world.run_until(world.now_ns() + 6 * beat_ns + 3 * SECOND + slack_ns(world));
    let before = asked(world);
    world.run_until(world.now_ns() + 10 * beat_ns);
    let requests = asked(world) - before;
    assert!(requests == 0, "budget: {requests} requests in 10 beats of rest");
}

/// One domain dies, or hangs; every peer is told within a bound.
fn notice_a_death(world: &mut World, measures: &mut Measures) {
    let place = world.chances.timing.below(world.places.len() as u32) as usize;
    let peers: Vec<(usize, Side)> = (0..world.params.links.len())
        .filter(|link| world.ends(*link).contains(&place))
        .map(|link| (link, world.side_of(link, place).other()))
        .collect();
    let hangs = world.chances.timing.below(2) == 0;
    // The place stays vacant until the death was noticed.
    world.hold_creations = true;
    if hangs {
        world.places[place].paused_until_ns = u64::MAX;
    } else {
        world.kill(place);
    }
    let start_ns = world.now_ns();
    let bound_ns = start_ns + noticed_within_beats(world) * world.params.beat_ns + slack_ns(world);
    let noticed = world.run_while(bound_ns, |world| {
        peers.iter().all(|(link, side)| !world.oracle.is_up(*link, *side))
    });
    let how = if hangs { "hang" } else { "death" };
    assert!(noticed, "G5: a {how} is not noticed within {} beats", noticed_within_beats(world));
    let beats = (world.now_ns() - start_ns) as f64 / world.params.beat_ns as f64;
    measures.noticed_beats = measures.noticed_beats.max(beats);
    world.hold_creations = false;
    world.users_rest = false;
    if hangs {
        world.places[place].paused_until_ns = 0;
        world.turn_by(place, world.now_ns() + 1);
    } else {
        world.create(place);
    }
}

/// Everything is disconnected; nothing is left of it (invariant I4).
fn clear_up(world: &mut World) {
    world.users_leave = true;
    let beat_ns = world.params.beat_ns;
    let bound_ns =
        world.now_ns() + 60 * beat_ns + slack_ns(world) * 4 + world.params.traffic.rest_ns.1;
    let empty = world.run_while(bound_ns, |world| {
        (0..world.places.len()).all(|place| {
            world.guest(place).is_some_and(|guest| {
                let holdings = guest.machine.holdings();
                holdings.grants + holdings.mappings + holdings.ports == 0
            })
        })
    });
    let holdings: Vec<_> = (0..world.places.len())
        .map(|place| world.guest(place).map(|guest| guest.machine.holdings()))
        .collect();
    assert!(empty, "I4: something is left behind: {holdings:?}");
    world.check_store();
}
