//! Budgets of xenstore requests, for both sides together. A change that exceeds one of them is a
//! change of the design.

mod support;

use channel::{LinkId, Role};
use support::world::{BACK, FRONT};
use support::{Happened, World};

/// The RESET_WATCHES of each side belongs to boot, not to the channel.
const BOOT_REQUESTS: u64 = 2;

#[test]
fn cold_up_costs_at_most_twelve_requests_when_introduced_after_both_started() {
    let mut world = World::new(1);
    world.create(FRONT, Role::Front, "a");
    world.create(BACK, Role::Back, "a");
    world.settle();
    assert!(world.has(FRONT, &Happened::Waiting));
    world.introduce(FRONT, BACK, "a");
    world.settle();
    assert!(world.is_up(FRONT) && world.is_up(BACK));
    assert_eq!(world.requests_of_all() - BOOT_REQUESTS, 12);
}

#[test]
fn a_driver_tells_the_links_requests_from_those_of_the_domain() {
    let mut world = World::new(1);
    world.create(FRONT, Role::Front, "a");
    world.create(BACK, Role::Back, "a");
    world.introduce(FRONT, BACK, "a");
    world.run_seconds(3);
    for domid in [FRONT, BACK] {
        let before = world.domain(domid).driver.link_requests();
        assert_eq!(before, world.requests(domid) - 3, "the reset, and two for orders");
        assert!(world.domain(domid).driver.link_requests_at_up() <= before);
        world.run_seconds(2);
        let more = world.domain(domid).driver.link_requests() - before;
        assert!(more > 0 && world.requests(domid) - 3 == before + more);
    }
    let link_requests_at_up: u64 =
        [FRONT, BACK].map(|domid| world.domain(domid).driver.link_requests_at_up()).iter().sum();
    assert!((1..=12).contains(&link_requests_at_up), "{link_requests_at_up}");
}

#[test]
fn cold_up_costs_at_most_twelve_requests_when_introduced_before_either_started() {
    for front_first in [true, false] {
        let mut world = World::new(1);
        world.create(FRONT, Role::Front, "a");
        world.create(BACK, Role::Back, "a");
        world.introduce(FRONT, BACK, "a");
        let (first, second) = if front_first { (FRONT, BACK) } else { (BACK, FRONT) };
        world.domain(second).is_paused = true;
        world.settle();
        world.domain(second).is_paused = false;
        assert!(!world.is_up(first));
        world.settle();
        assert!(world.is_up(FRONT) && world.is_up(BACK));
        let cost = world.requests_of_all() - BOOT_REQUESTS;
        assert!(cost <= 12, "{cost}, front first: {front_first}");
    }
}

#[test]
fn connect_costs_two_requests_and_disconnect_two() {
    let mut world = World::up(1);
    for cycle in 1..=20 {
        let before = world.requests_of_all();
        world.connect();
        world.settle();
        assert!(world.has(FRONT, &Happened::Connected(cycle)));
        let connected = world.requests_of_all();
        assert_eq!(connected - before, 2, "connect {cycle}");
        world.disconnect(FRONT);
        world.settle();
        assert_eq!(world.requests_of_all() - connected, 2, "disconnect {cycle}");
        assert_eq!(world.xen.borrow().held(), 0);
    }
}

/// One front and one back with many links: the cost to connect one link does not depend on the
/// number of other links or how many of them are connected.
#[test]
fn a_connect_costs_two_requests_whatever_the_number_of_links() {
    for links in [1, 2, 8, 32] {
        let names: Vec<String> = (0..links).map(|number| format!("l{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut world = World::new(1);
        world.create_with(FRONT, Role::Front, &names);
        world.create_with(BACK, Role::Back, &names);
        for name in &names {
            world.introduce(FRONT, BACK, name);
            world.settle();
        }
        for number in 0..links {
            let before = world.requests_of_all();
            let domain = world.domain(FRONT);
            domain
                .driver
                .connect(domain.now(), LinkId::from_index(number), &mut domain.platform)
                .expect("it is up");
            world.settle();
            assert_eq!(world.requests_of_all() - before, 2, "link {number} of {links}");
        }
        let connected = |event: &&Happened| **event == Happened::Connected(1);
        assert_eq!(world.events(FRONT).iter().filter(connected).count(), links);
    }
}

#[test]
fn messages_announced_in_the_page_cost_no_extra_requests() {
    let mut world = World::up(1);
    world.run_seconds(2);
    // Beats of a link that is up, for comparison: they carry the connection's messages.
    let before = world.requests_of_all();
    world.run_seconds(10);
    let idle = world.requests_of_all() - before;
    let before = world.requests_of_all();
    world.connect();
    world.run_seconds(5);
    world.disconnect(FRONT);
    world.run_seconds(5);
    let cost = world.requests_of_all() - before;
    assert_eq!(world.xen.borrow().held(), 0);
    assert!(cost < idle, "{cost} with a connection of 5 s, {idle} without");
}

#[test]
fn a_connected_link_with_nothing_outstanding_makes_no_request() {
    let mut world = World::connected(1);
    world.run_seconds(5);
    let before = world.requests_of_all();
    world.run_seconds(600);
    assert_eq!(world.requests_of_all() - before, 0);
    assert!(world.is_up(FRONT) && world.is_up(BACK));
}

#[test]
fn an_idle_link_that_is_up_beats_once_a_second_each_way_and_no_more() {
    let mut world = World::up(1);
    world.run_seconds(2);
    let before = world.requests_of_all();
    world.run_seconds(60);
    let cost = world.requests_of_all() - before;
    // A WRITE of one and a READ of the other each second, both ways; polls may add a READ.
    assert!((4 * 58..=6 * 61).contains(&cost), "{cost}");
    assert!(world.is_up(FRONT) && world.is_up(BACK));
}

#[test]
fn the_nodes_and_watches_of_a_link_do_not_grow() {
    let mut world = World::up(1);
    // The watch on shutdown requests follows one beat later.
    world.run_seconds(2);
    let nodes = |world: &World| {
        let xen = world.xen.borrow();
        [FRONT, BACK].map(|it| (xen.store.count_nodes(it), xen.store.count_watches(it)))
    };
    let before = nodes(&world);
    for _ in 0..10 {
        world.connect();
        world.settle();
        world.disconnect(FRONT);
        world.run_seconds(3);
    }
    assert_eq!(nodes(&world), before);
    assert_eq!(before[0].1, 2, "one watch for all links, one for the toolstack's orders");
}

#[test]
fn a_connected_side_that_was_paused_looks_at_the_page_before_it_asks_the_mailbox() {
    for side in [FRONT, BACK] {
        let mut world = World::connected(1);
        world.run_seconds(5);
        let before = world.requests(side);
        world.domain(side).is_paused = true;
        world.run_seconds(3);
        world.domain(side).is_paused = false;
        world.settle();
        assert_eq!(world.requests(side), before, "the peer has beaten in the page meanwhile");
    }
}
