//! Tests of interference with a link's nodes: garbage, removal, children, a malformed introduction.
//! The link reports each kind once and survives at a bounded cost.

mod support;

use channel::LinkName;
use channel::event::Notice;
use support::store::home;
use support::world::{BACK, FRONT, LINK};
use support::{Happened, World};

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
