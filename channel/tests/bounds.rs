//! Tests of bounds under load and attack: requests in flight for any number of links, fairness
//! between links, and a peer that writes arbitrary values.

mod support;

use channel::driver::StoreEvent;
use channel::event::{Breach, DetectedBy, DownReason};
use channel::{Driver, LinkId, LinkName, Role, Settings};
use grant::PageWords;
use support::world::{BACK, FRONT};
use support::{Happened, World};

fn name(n: usize) -> LinkName {
    LinkName::new(format!("l{n}").as_bytes()).unwrap()
}

#[test]
fn at_most_sixteen_requests_are_in_flight_whatever_the_number_of_links() {
    let world = World::new(1);
    let ring = world.xen.borrow_mut().store.add_domain(7);
    let xen = std::rc::Rc::clone(&world.xen);
    let mut platform = support::xen::TestPlatform::new(7, xen, ring, 4);
    let mut driver = Driver::new();
    let now = channel::Instant::from_nanoseconds(1);
    for n in 0..100 {
        driver.add_link(name(n), Role::Front, Settings::DEFAULT, &mut platform).unwrap();
    }
    world.xen.borrow_mut().store.is_silent = true;
    for _ in 0..50 {
        driver.step(now, &mut platform).expect("all events were taken");
        while driver.poll_event().is_some() {}
    }
    assert_eq!(driver.counts().requests_total(), 16);
    assert!(driver.deadline() > channel::Instant::START, "nothing to hurry for");
    world.xen.borrow_mut().store.is_silent = false;
    let mut waiting = std::collections::BTreeSet::new();
    for _ in 0..50 {
        world.xen.borrow_mut().store.serve();
        driver.step(now, &mut platform).expect("all events were taken");
        while let Some((link, event)) = driver.poll_event() {
            assert_eq!(event, channel::event::Event::Waiting);
            assert!(waiting.insert(link), "reported once");
        }
    }
    assert_eq!(waiting.len(), 100, "every link had its turn");
    assert_eq!(waiting.last(), Some(&LinkId::from_index(99)));
}

#[test]
fn a_peer_that_writes_without_end_costs_a_read_each_and_disturbs_no_other_link() {
    let mut world = World::up(1);
    for (domid, role) in [(FRONT, Role::Front), (BACK, Role::Back)] {
        let domain = world.domain(domid);
        let platform = &mut domain.platform;
        domain.driver.add_link(name(0), role, Settings::DEFAULT, platform).unwrap();
    }
    world.introduce(FRONT, BACK, "l0");
    world.settle();
    let mailbox = World::mailbox(FRONT, "a");
    for n in 0..200u32 {
        // A different unknown peer each time.
        let value = format!("T1 {n:032x} - 0 1 1 0");
        world.xen.borrow_mut().store.poke(&mailbox, value.as_bytes());
        world.settle();
    }
    world.run_seconds(30);
    let other = LinkId::from_index(1);
    for domid in [FRONT, BACK] {
        let domain = &world.domains[&domid];
        assert!(domain.driver.link(other).endpoint().is_up());
        let down = |(link, event): &&(LinkId, Happened)| {
            *link == other && matches!(event, Happened::Down(..))
        };
        assert_eq!(domain.events.iter().filter(down).count(), 0);
    }
    assert!(world.is_up(FRONT) && world.is_up(BACK), "and this one recovers");
}

#[test]
fn lies_in_the_page_are_named_or_read_at_the_pace_of_beats() {
    let mut world = World::connected(1);
    world.run_seconds(5);
    let before = world.requests(FRONT);
    for n in 0..100 {
        let words = PageWords { beat: n, sent: 1_000_000, delivered: 0 };
        world.xen.borrow_mut().scribble(1, words);
        world.domain(FRONT).step();
        world.settle();
    }
    assert!(world.requests(FRONT) - before <= 3, "one READ for one lie");
    assert!(world.is_up(FRONT));
    let words = PageWords { beat: 0, sent: 0, delivered: 99 };
    world.xen.borrow_mut().scribble(1, words);
    world.domain(FRONT).step();
    let reason = DownReason::Protocol(Breach::AckBeyondSent);
    assert!(world.has(FRONT, &Happened::Down(reason, DetectedBy::Page, 0)));
}

#[test]
fn a_daemon_that_breaks_the_protocol_is_named_and_nothing_panics() {
    let mut world = World::connected(1);
    world.run_seconds(3);
    world.xen.borrow_mut().store.break_ring(FRONT);
    world.domain(FRONT).step();
    let ended = |event: &Happened| matches!(event, Happened::Store(StoreEvent::Ended(_)));
    assert!(world.events(FRONT).iter().any(ended));
    world.run_seconds(30);
    assert_eq!(world.events(FRONT).iter().filter(|event| ended(event)).count(), 1, "once");
    // The page still works: the connection lasts while nothing needs xenstore.
    assert!(world.is_up(FRONT) && world.is_up(BACK));
    assert!(!world.has(BACK, &Happened::Closing(1)) && world.domain(BACK).steps > 0);
    assert!(world.domains[&BACK].platform.is_mapping());
}
