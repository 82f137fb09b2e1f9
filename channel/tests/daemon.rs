//! Tests of a driver against faults of xenstored: a reset ring, refused requests, a lost watch.
//! Also tests of the toolstack's shutdown requests.

mod support;

use channel::driver::{ShutdownRequest, StoreEvent};
use channel::event::Notice;
use channel::{Duration, Role};
use support::store::home;
use support::world::{BACK, FRONT, LINK};
use support::{Happened, World};
use xenbus::wire::op;
use xenbus::{Errno, Refusal};

fn both_up(world: &World) -> bool {
    world.is_up(FRONT) && world.is_up(BACK)
}

fn messages(world: &World, domid: u16) -> Vec<Vec<u8>> {
    let events = world.events(domid).into_iter();
    events
        .filter_map(|event| match event {
            Happened::Message(bytes) => Some(bytes),
            _ => None,
        })
        .collect()
}

#[test]
fn a_domain_that_the_daemon_takes_in_anew_goes_on_with_everything_that_was_under_way() {
    let mut world = World::up(1);
    let requests = world.requests(FRONT);
    for round in 0..4u8 {
        world.domain(FRONT).driver.send(LINK, &[b'a' + round]).unwrap();
        world.domain(BACK).driver.send(LINK, &[b'A' + round]).unwrap();
        if round % 2 == 0 {
            // The requests are lost with the ring.
            world.domain(FRONT).step();
        }
        world.xen.borrow_mut().store.introduce_anew(FRONT);
        world.run_seconds(2);
    }
    assert!(both_up(&world), "{:?}", world.all_events());
    assert_eq!(messages(&world, BACK), [b"a", b"b", b"c", b"d"]);
    assert_eq!(messages(&world, FRONT), [b"A", b"B", b"C", b"D"]);
    assert!(!world.events(FRONT).iter().any(|event| matches!(event, Happened::Down(..))));
    // Both watches, on links and on shutdown requests, are registered again, once each.
    assert_eq!(world.xen.borrow().store.count_watches(FRONT), 2);
    assert!(world.requests(FRONT) - requests < 100);
}

#[test]
fn a_write_refused_for_want_of_quota_is_named_and_done_later() {
    let mut world = World::up(1);
    for errno in ["EQUOTA", "ENOSPC"] {
        world.xen.borrow_mut().store.faults.refuse = Some((op::WRITE, errno));
        world.domain(FRONT).driver.send(LINK, errno.as_bytes()).unwrap();
        world.run_seconds(2);
        assert!(messages(&world, BACK).iter().all(|message| message != errno.as_bytes()));
        world.xen.borrow_mut().store.faults.refuse = None;
        world.run_seconds(2);
        assert!(messages(&world, BACK).iter().any(|message| message == errno.as_bytes()));
    }
    assert!(both_up(&world));
    assert!(world.has(FRONT, &Happened::Notice(Notice::Quota)));
}

#[test]
fn a_read_that_the_daemon_cannot_do_just_now_is_done_later() {
    let mut world = World::up(1);
    world.xen.borrow_mut().store.faults.refuse = Some((op::READ, "EIO"));
    world.domain(FRONT).driver.send(LINK, b"late").unwrap();
    let before = world.requests_of_all();
    world.run_seconds(2);
    assert!(world.requests_of_all() - before < 100, "a refusal is no reason to ask without end");
    assert_eq!(messages(&world, BACK), [b""; 0]);
    world.xen.borrow_mut().store.faults.refuse = None;
    world.run_seconds(4);
    assert_eq!(messages(&world, BACK), [b"late"]);
    assert!(both_up(&world), "{:?}", world.all_events());
}

#[test]
fn an_introduction_that_the_daemon_cannot_read_just_now_is_read_a_quarter_beat_later() {
    let mut world = World::new(1);
    world.create(FRONT, Role::Front, "a");
    world.create(BACK, Role::Back, "a");
    world.settle();
    world.xen.borrow_mut().store.faults.refuse = Some((op::READ, "ENOMEM"));
    world.introduce(FRONT, BACK, "a");
    world.settle();
    let before = world.requests_of_all();
    world.run_seconds(10);
    let asked = world.requests_of_all() - before;
    assert!((40..=2 * 4 * 10 + 10).contains(&asked), "four looks a beat and end: {asked}");
    world.xen.borrow_mut().store.faults.refuse = None;
    assert!(world.run_until(30, both_up) <= 3, "not only at the next look, thirty beats later");
}

#[test]
fn a_refusal_on_the_own_nodes_is_named() {
    for (refused, errno, notice) in [
        (op::SET_PERMS, "EACCES", Notice::StoreRefused),
        (op::SET_PERMS, "EQUOTA", Notice::Quota),
        (op::MKDIR, "EINVAL", Notice::StoreRefused),
    ] {
        let mut world = World::up(1);
        world.xen.borrow_mut().store.faults.refuse = Some((refused, errno));
        // Makes the front recreate its mailbox.
        world.xen.borrow_mut().store.remove(&World::mailbox(FRONT, "a"));
        world.run_seconds(10);
        assert!(world.has(FRONT, &Happened::Notice(notice)), "{errno}: {:?}", world.events(FRONT));
        world.xen.borrow_mut().store.faults.refuse = None;
        world.run_until(120, both_up);
    }
}

#[test]
fn a_refused_watch_is_named_and_timers_do_its_work() {
    let mut world = World::new(1);
    world.xen.borrow_mut().store.faults.refuse = Some((op::WATCH, "EQUOTA"));
    world.create(FRONT, Role::Front, "a");
    world.create(BACK, Role::Back, "a");
    world.introduce(FRONT, BACK, "a");
    world.run_until(120, both_up);
    let refused = StoreEvent::WatchRefused(Refusal::Errno(Errno::Equota));
    assert!(world.has(FRONT, &Happened::Store(refused)));
}

/// The xenstore events that the domain has received.
fn store_events(world: &World, domid: u16) -> Vec<StoreEvent> {
    let events = world.events(domid).into_iter();
    events
        .filter_map(|event| match event {
            Happened::Store(event) => Some(event),
            _ => None,
        })
        .collect()
}

#[test]
fn a_silence_that_ends_as_the_next_begins_is_reported_with_its_end() {
    let mut world = World::up(1);
    world.run(Duration::from_milliseconds(500));
    world.xen.borrow_mut().store.requests_to_handle = Some(0);
    // A WRITE now, and a READ half a second later.
    world.domain(FRONT).driver.send(LINK, b"first").unwrap();
    world.run_seconds(6);
    assert_eq!(store_events(&world, FRONT), [StoreEvent::Silent]);
    // The WRITE is answered; the READ has waited for too long by then.
    world.xen.borrow_mut().store.requests_to_handle = Some(1);
    world.settle();
    let (silent, answering) = (StoreEvent::Silent, StoreEvent::Answering);
    assert_eq!(store_events(&world, FRONT), [silent, answering, silent]);
    world.xen.borrow_mut().store.requests_to_handle = None;
    world.run_seconds(2);
    assert_eq!(store_events(&world, FRONT), [silent, answering, silent, answering]);
}

#[test]
fn a_refused_watch_is_reported_beside_a_silence() {
    let mut world = World::new(1);
    world.xen.borrow_mut().store.faults.refuse = Some((op::WATCH, "EQUOTA"));
    world.xen.borrow_mut().store.requests_to_handle = Some(0);
    world.create(FRONT, Role::Front, "a");
    world.run_seconds(5);
    // RESET_WATCHES and WATCH are answered, the READ behind them is not.
    world.xen.borrow_mut().store.requests_to_handle = Some(2);
    world.settle();
    let refused = StoreEvent::WatchRefused(Refusal::Errno(Errno::Equota));
    let (silent, answering) = (StoreEvent::Silent, StoreEvent::Answering);
    assert_eq!(store_events(&world, FRONT), [silent, answering, refused, silent]);
}

#[test]
fn a_silence_is_one_even_if_the_ring_is_reset_meanwhile() {
    let mut world = World::up(1);
    world.xen.borrow_mut().store.requests_to_handle = Some(0);
    world.run_seconds(6);
    world.xen.borrow_mut().store.introduce_anew(FRONT);
    world.domain(FRONT).step();
    world.run_seconds(20);
    assert_eq!(store_events(&world, FRONT), [StoreEvent::Silent]);
    world.xen.borrow_mut().store.requests_to_handle = None;
    world.run_seconds(2);
    assert_eq!(store_events(&world, FRONT), [StoreEvent::Silent, StoreEvent::Answering]);
    assert!(both_up(&world));
}

#[test]
fn the_end_of_a_ring_is_not_reported_for_the_next_one() {
    let mut world = World::up(1);
    world.xen.borrow_mut().store.break_ring(FRONT);
    let domain = world.domain(FRONT);
    domain.driver.step(domain.now(), &mut domain.platform).expect("all events were taken");
    domain.driver.resumed(domain.now(), &mut domain.platform);
    domain.drain();
    assert_eq!(store_events(&world, FRONT), []);
}

/// dom0 writes a shutdown request, and the domain gets time to read it.
fn request_shutdown(world: &mut World, word: &[u8]) {
    let path = format!("{}/control/shutdown", home(FRONT));
    let mut xen = world.xen.borrow_mut();
    xen.store.put(&path, word, FRONT);
    drop(xen);
    world.run_seconds(2);
}

#[test]
fn an_order_of_the_toolstacks_comes_once_and_acknowledged() {
    let mut world = World::up(1);
    world.run_seconds(3);
    assert_eq!(world.domain(FRONT).driver.poll_shutdown_request(), None);
    for (word, expected) in
        [(&b"reboot"[..], ShutdownRequest::Reboot), (b"poweroff", ShutdownRequest::PowerOff)]
    {
        request_shutdown(&mut world, word);
        assert_eq!(world.domain(FRONT).driver.poll_shutdown_request(), Some(expected));
        assert_eq!(world.domain(FRONT).driver.poll_shutdown_request(), None);
        let path = format!("{}/control/shutdown", home(FRONT));
        assert_eq!(world.xen.borrow().store.value(&path), Some(&b""[..]), "understood");
    }
    request_shutdown(&mut world, b"dance");
    assert_eq!(world.domain(FRONT).driver.poll_shutdown_request(), None);
    assert!(both_up(&world));
}

#[test]
fn a_domain_that_is_to_be_suspended_leaves_its_ring_alone() {
    let mut world = World::up(1);
    world.run_seconds(3);
    request_shutdown(&mut world, b"suspend");
    let quiet_from = world.requests(FRONT);
    world.domain(FRONT).driver.send(LINK, b"not before the resume").unwrap();
    world.run_seconds(2);
    assert_eq!(world.requests(FRONT), quiet_from, "nothing is asked before it is taken");
    assert_eq!(world.domain(FRONT).driver.poll_shutdown_request(), Some(ShutdownRequest::Suspend));
}

#[test]
fn an_order_waits_until_the_one_before_is_taken() {
    let mut world = World::up(1);
    world.run_seconds(3);
    request_shutdown(&mut world, b"poweroff");
    request_shutdown(&mut world, b"suspend");
    assert_eq!(world.domain(FRONT).driver.poll_shutdown_request(), Some(ShutdownRequest::PowerOff));
    world.domain(FRONT).step();
    world.run_seconds(2);
    assert_eq!(world.domain(FRONT).driver.poll_shutdown_request(), Some(ShutdownRequest::Suspend));
}

#[test]
fn a_shutdown_request_is_reported_once_despite_repeated_events() {
    let mut world = World::up(1);
    world.run_seconds(3);
    let path = format!("{}/control/shutdown", home(FRONT));
    world.xen.borrow_mut().store.requests_to_handle = Some(0);
    for _ in 0..2 {
        world.xen.borrow_mut().store.put(&path, b"reboot", FRONT);
        world.settle();
    }
    let mut orders = Vec::new();
    for _ in 0..40 {
        world.xen.borrow_mut().store.requests_to_handle = Some(1);
        world.settle();
        orders.extend(world.domain(FRONT).driver.poll_shutdown_request());
    }
    assert_eq!(orders, [ShutdownRequest::Reboot]);
}

#[test]
fn an_acknowledged_order_outlives_a_reset_of_the_ring() {
    let mut world = World::up(1);
    world.run_seconds(3);
    request_shutdown(&mut world, b"poweroff");
    world.xen.borrow_mut().store.introduce_anew(FRONT);
    world.domain(FRONT).step();
    world.run_seconds(3);
    assert_eq!(world.domain(FRONT).driver.poll_shutdown_request(), Some(ShutdownRequest::PowerOff));
    world.run_seconds(3);
    assert_eq!(world.domain(FRONT).driver.poll_shutdown_request(), None);
}
