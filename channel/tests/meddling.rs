//! Tests of interference with a link's nodes: garbage, removal, children, a malformed introduction.
//! The link reports each kind once and survives at a bounded cost.

mod support;

use channel::event::Notice;
use channel::{Duration, LinkName};
use support::store::home;
use support::world::{BACK, FRONT, LINK};
use support::{Happened, World};
use xenbus::wire::op;

fn both_up(world: &World) -> bool {
    world.is_up(FRONT) && world.is_up(BACK)
}

#[test]
fn garbage_in_the_mailbox_is_named_once_and_survived() {
    let mut world = World::up(1);
    for value in [&b"garbage"[..], b"T1 x", &[0; 100]] {
        world.xen.borrow_mut().store.poke(&World::mailbox(FRONT, "a"), value);
        world.settle();
    }
    world.run_seconds(5);
    assert!(both_up(&world));
    let named = Happened::Notice(Notice::GarbageMailbox);
    assert_eq!(world.events(FRONT).iter().filter(|event| **event == named).count(), 1);
}

#[test]
fn a_mailbox_that_was_removed_is_made_again_and_the_link_lives() {
    let mut world = World::up(1);
    world.run_seconds(2);
    world.xen.borrow_mut().store.remove(&World::mailbox(FRONT, "a"));
    world.run_seconds(10);
    assert!(world.has(FRONT, &Happened::Notice(Notice::MailboxAbsent)));
    world.run_until(30, both_up);
    world.domain(BACK).driver.send(LINK, b"still here").unwrap();
    world.run_seconds(3);
    assert!(world.has(FRONT, &Happened::Message(b"still here".to_vec())));
}

#[test]
fn a_mailbox_that_was_made_again_and_read_costs_a_connected_link_no_more_requests() {
    let mut world = World::connected(1);
    world.run_seconds(5);
    world.xen.borrow_mut().store.remove(&World::mailbox(FRONT, "a"));
    world.run_seconds(3);
    assert!(world.has(FRONT, &Happened::Notice(Notice::MailboxAbsent)));
    let before = world.requests_of_all();
    world.run_seconds(10);
    assert_eq!(world.requests_of_all() - before, 0);
    assert!(both_up(&world));
}

#[test]
fn a_mailbox_that_could_not_be_made_again_is_read_until_it_can() {
    let mut world = World::connected(1);
    world.run_seconds(5);
    let earlier = world.events(FRONT).len();
    let mailbox = World::mailbox(FRONT, "a");
    world.xen.borrow_mut().store.faults.refuse = Some((op::MKDIR, "EQUOTA"));
    world.xen.borrow_mut().store.remove(&mailbox);
    world.run(Duration::from_milliseconds(30_500));
    assert!(world.has(FRONT, &Happened::Notice(Notice::MailboxKeepsVanishing)));
    // One more event: from here on the READs do not fall on the moment at which the 60 beats end.
    world.xen.borrow_mut().store.remove(&mailbox);
    world.settle();
    // It is left alone for the rest of the 60 beats, and made again with the next READ.
    world.xen.borrow_mut().store.faults.refuse = None;
    world.run_seconds(35);
    assert!(world.xen.borrow().store.value(&mailbox).is_some(), "{:?}", world.events(FRONT));
    world.domain(BACK).driver.send(LINK, b"still here").unwrap();
    world.run_seconds(3);
    assert!(world.has(FRONT, &Happened::Message(b"still here".to_vec())));
    assert!(
        !world.events(FRONT)[earlier..].iter().any(|event| matches!(event, Happened::Down(..))),
        "the session lives on: {:?}",
        world.events(FRONT)
    );
}

#[test]
fn a_mailbox_that_keeps_vanishing_is_failed_by_name_and_does_not_spin() {
    let mut world = World::up(1);
    for _ in 0..100 {
        world.xen.borrow_mut().store.remove(&World::mailbox(FRONT, "a"));
        world.settle();
    }
    assert!(world.has(FRONT, &Happened::Notice(Notice::MailboxKeepsVanishing)));
    world.run_until(200, both_up);
}

#[test]
fn nodes_that_a_peer_makes_below_the_mailbox_are_removed_at_a_bounded_rate() {
    let mut world = World::up(1);
    let before = world.requests(FRONT);
    for n in 0..50 {
        let stray = format!("{}/x{n}", World::mailbox(FRONT, "a"));
        world.xen.borrow_mut().store.put(&stray, b"", FRONT);
        world.settle();
    }
    assert!(world.has(FRONT, &Happened::Notice(Notice::StrayNodes)));
    assert!(both_up(&world));
    assert!(world.requests(FRONT) - before <= 10);
}

#[test]
fn a_garbled_introduction_is_named_and_the_link_goes_on_with_the_last_good_one() {
    let mut world = World::up(1);
    let link = LinkName::new(b"a").unwrap();
    let node = format!("{}/{}", home(FRONT), link.introduction().as_str());
    world.xen.borrow_mut().store.poke(&node, b"two 2");
    world.run_seconds(3);
    assert!(world.has(FRONT, &Happened::Notice(Notice::GarbageIntroduction)));
    assert!(both_up(&world));
}
