//! Random runs of two domains with the shipped driver: lost and repeated events, delayed writes,
//! pauses, a stalled store, restarts, deaths and returns, interference, all while messages and
//! connections are in use. After the faults end, everything must work and no resource may be
//! leaked. A failure prints its seed; put it into `SEEDS` to run it alone.

mod support;

use std::collections::HashMap;

use channel::event::End;
use channel::{Duration, Epoch, Role};
use support::world::{BACK, FRONT, LINK};
use support::{Happened, Random, World};

const SEEDS: core::ops::RangeInclusive<u64> = 1..=100;

/// Checks, from the events alone, that each session delivers a prefix of the messages sent in it.
#[derive(Default)]
struct Oracle {
    /// Messages sent, by (sender's epoch, receiver's epoch).
    sent: HashMap<(Epoch, Epoch), u32>,
    delivered: HashMap<(Epoch, Epoch), u32>,
    session: HashMap<u16, (Epoch, Epoch)>,
    total: u32,
}

impl Oracle {
    fn send(&mut self, world: &mut World, domid: u16) {
        let Some(&session) = self.session.get(&domid) else { return };
        let next = self.sent.get(&session).copied().unwrap_or(0) + 1;
        let text = format!("{} {} {next}", session.0.bits(), session.1.bits());
        if world.domain(domid).driver.send(LINK, text.as_bytes()).is_ok() {
            self.sent.insert(session, next);
        }
    }

    fn look(&mut self, world: &mut World, domid: u16, seed: u64) {
        if !world.domains.contains_key(&domid) {
            return;
        }
        for event in world.take_events(domid) {
            match event {
                Happened::Up(my, peer) => {
                    let before = self.session.insert(domid, (my, peer));
                    assert_eq!(before, None, "up and down alternate, seed {seed}");
                }
                Happened::Down(..) => {
                    assert!(self.session.remove(&domid).is_some(), "seed {seed}");
                }
                Happened::Message(bytes) => {
                    let (my, peer) = self.session[&domid];
                    let number = self.delivered.entry((peer, my)).or_insert(0);
                    *number += 1;
                    self.total += 1;
                    let due = format!("{} {} {number}", peer.bits(), my.bits());
                    assert_eq!(String::from_utf8(bytes).unwrap(), due, "seed {seed}");
                    assert!(self.sent[&(peer, my)] >= *number, "seed {seed}");
                }
                _ => {}
            }
        }
    }

    fn forget(&mut self, domid: u16) {
        self.session.remove(&domid);
    }
}

fn role(domid: u16) -> Role {
    if domid == FRONT { Role::Front } else { Role::Back }
}

fn disturb(world: &mut World, oracle: &mut Oracle, random: &mut Random) {
    let domid = if random.one_in(2) { FRONT } else { BACK };
    match random.below(40) {
        0..=11 => oracle.send(world, domid),
        12..=15 if world.is_up(FRONT) => {
            let domain = world.domain(FRONT);
            let _ = domain.driver.connect(domain.now(), LINK, &mut domain.platform);
        }
        16..=19 => {
            let domain = world.domain(domid);
            let _ = domain.driver.disconnect(domain.now(), LINK, &mut domain.platform);
        }
        20..=21 => world.domain(domid).is_paused ^= true,
        22 => world.xen.borrow_mut().store.is_silent ^= true,
        23 => {
            let domain = world.domain(domid);
            domain.driver.restart(domain.now(), LINK, &mut domain.platform);
            domain.drain();
        }
        24 => {
            world.destroy(domid);
            oracle.forget(domid);
            if random.one_in(2) {
                world.run(Duration::from_milliseconds(random.below(9000)));
            }
            world.create(domid, role(domid), "a");
            // The survivor may never notice it.
            world.introduce_one(domid, FRONT + BACK - domid, "a");
            if random.one_in(2) {
                world.introduce(FRONT, BACK, "a");
            }
        }
        25 => world.introduce(FRONT, BACK, "a"),
        26 => {
            let mailbox = World::mailbox(domid, "a");
            let mut xen = world.xen.borrow_mut();
            match random.below(3) {
                0 => xen.store.remove(&mailbox),
                _ if xen.store.value(&mailbox).is_none() => {}
                1 => xen.store.poke(&mailbox, b""),
                _ => xen.store.poke(&mailbox, b"T1 nonsense"),
            }
        }
        27 => world.xen.borrow_mut().fence_all(),
        28..=30 => {
            let mut xen = world.xen.borrow_mut();
            xen.store.faults.lose_event = random.below(4);
            xen.store.faults.repeat_event = random.below(4);
            xen.store.faults.refuse_with_eagain = random.below(8);
        }
        _ => world.run(Duration::from_milliseconds(random.below(2500))),
    }
}

fn calm(world: &mut World) {
    for domid in [FRONT, BACK] {
        world.domain(domid).is_paused = false;
    }
    let mut xen = world.xen.borrow_mut();
    xen.store.is_silent = false;
    xen.store.faults = support::store::Faults::default();
}

#[test]
fn whatever_happens_sessions_hold_and_afterwards_everything_works() {
    let mut total = 0;
    for seed in SEEDS {
        let mut random = Random::new(seed);
        let mut world = World::up(seed);
        let mut oracle = Oracle::default();
        for _ in 0..250 {
            for domid in [FRONT, BACK] {
                oracle.look(&mut world, domid, seed);
            }
            disturb(&mut world, &mut oracle, &mut random);
            world.run(Duration::from_milliseconds(random.below(200)));
        }
        calm(&mut world);
        world.run_seconds(90);
        for domid in [FRONT, BACK] {
            oracle.look(&mut world, domid, seed);
            assert!(world.is_up(domid), "{domid} is not up, seed {seed}");
        }
        // An existing connection is ended, and a complete new one succeeds.
        let domain = world.domain(FRONT);
        let _ = domain.driver.disconnect(domain.now(), LINK, &mut domain.platform);
        world.run_seconds(20);
        assert_eq!(world.xen.borrow().held(), 0, "{}, seed {seed}", world.xen.borrow().describe());
        world.connect();
        world.run_seconds(1);
        let connected = |event: &Happened| matches!(event, Happened::Connected(_));
        assert!(world.take_events(FRONT).iter().any(connected), "seed {seed}");
        world.disconnect(FRONT);
        world.run_seconds(1);
        let ended = |event: &Happened| matches!(event, Happened::Disconnected(_, End::InOrder, _));
        assert!(world.take_events(FRONT).iter().any(ended), "seed {seed}");
        assert_eq!(world.xen.borrow().held(), 0, "seed {seed}");
        total += oracle.total;
    }
    assert!(total > 500, "{total}: the faults left room for messages");
}
