//! Tests of connections: setup, teardown, refusal, death at every step, and release of resources.
//! The test environment is strict: mapping a page twice, writing before verification, or freeing a
//! mapped page fails the test.

mod support;

use channel::connection::{PrepareError, Released};
use channel::event::{ConnectRefused, DetectedBy, DownReason, End};
use channel::front::ConnectError;
use channel::message::RefuseReason;
use channel::{Duration, Role, Step};
use support::world::{BACK, FRONT, LINK};
use support::xen::Sabotage;
use support::{Happened, World};

fn is_down(world: &World, domid: u16, reason: DownReason, detected_by: DetectedBy) -> bool {
    world.has(domid, &Happened::Down(reason, detected_by, 0))
}

#[test]
fn a_connection_goes_through_its_steps_in_order() {
    let mut world = World::connected(1);
    world.disconnect(FRONT);
    world.settle();
    let steps = |domid| {
        let xen = world.xen.borrow();
        let of = xen.steps.iter().filter(|(who, _)| *who == domid);
        of.map(|(_, step)| *step).collect::<Vec<_>>()
    };
    let front = [
        Step::Up,
        Step::Prepared,
        Step::ConnectSent,
        Step::Connected,
        Step::DisconnectSent,
        Step::Released,
    ];
    assert_eq!(steps(FRONT), front);
    let back = [
        Step::Up,
        Step::Got,
        Step::Mapped,
        Step::Verified,
        Step::Stamped,
        Step::Serving,
        Step::Unmapped,
        Step::DisconnectedSent,
    ];
    assert_eq!(steps(BACK), back);
    let released = Released::Freed;
    for domid in [FRONT, BACK] {
        assert!(world.has(domid, &Happened::Disconnected(1, End::InOrder, released)));
    }
}

#[test]
fn the_back_may_ask_for_the_end_and_the_front_disconnects_by_itself() {
    let mut world = World::connected(1);
    world.disconnect(BACK);
    world.settle();
    assert!(world.has(FRONT, &Happened::Closing(1)));
    assert!(world.has(FRONT, &Happened::Disconnected(1, End::InOrder, Released::Freed)));
    assert_eq!(world.xen.borrow().held(), 0);
    world.connect();
    world.settle();
    assert!(world.has(BACK, &Happened::Connected(2)));
}

#[test]
fn t11_disconnect_and_closing_get_through_though_every_event_is_lost() {
    // Misreading: no request at all while connected. The page announces a message to read.
    for domid in [FRONT, BACK] {
        let mut world = World::connected(1);
        world.run_seconds(5);
        world.xen.borrow_mut().store.faults.lose_event = 1;
        world.disconnect(domid);
        let took = world.run_until(10, |world| world.xen.borrow().held() == 0);
        assert!(took <= 4, "{took} s");
    }
}

#[test]
fn each_refusal_has_its_name_and_leaves_nothing_behind() {
    for (sabotage, reason) in [
        (Sabotage::Map, RefuseReason::BadGrant),
        (Sabotage::Verify, RefuseReason::Header),
        (Sabotage::Bind, RefuseReason::BadPort),
    ] {
        let mut world = World::up(1);
        world.xen.borrow_mut().sabotage = Some(sabotage);
        world.connect();
        world.settle();
        let refused = Happened::Refused(1, ConnectRefused::ByBack(reason));
        assert!(world.has(FRONT, &refused) && world.has(BACK, &refused), "{sabotage:?}");
        assert_eq!(world.xen.borrow().held(), 0);
        world.connect();
        world.settle();
        assert!(world.has(FRONT, &Happened::Connected(2)), "after {sabotage:?}");
    }
    for (sabotage, error) in [
        (Sabotage::NoPages, PrepareError::NoPages),
        (Sabotage::NoGrants, PrepareError::NoGrants),
        (Sabotage::NoPorts, PrepareError::NoPorts),
    ] {
        let mut world = World::up(1);
        world.xen.borrow_mut().sabotage = Some(sabotage);
        world.connect();
        world.settle();
        assert!(world.has(FRONT, &Happened::Refused(1, ConnectRefused::Here(error))));
        assert_eq!(world.xen.borrow().held(), 0);
    }
}

#[test]
fn a_disconnect_right_behind_connect_ends_in_order_wherever_it_meets_the_back() {
    for sabotage in [None, Some(Sabotage::Map)] {
        let mut world = World::up(1);
        world.xen.borrow_mut().sabotage = sabotage;
        world.connect();
        world.disconnect(FRONT);
        world.settle();
        assert_eq!(world.xen.borrow().held(), 0);
        world.connect();
        world.settle();
        assert!(world.has(FRONT, &Happened::Connected(2)));
    }
}

#[test]
fn wishes_that_make_no_sense_are_refused_by_name() {
    let mut world = World::new(1);
    world.create(FRONT, Role::Front, "a");
    let domain = world.domain(FRONT);
    let early = domain.driver.connect(domain.now(), LINK, &mut domain.platform);
    assert_eq!(early, Err(ConnectError::NotUp));
    let mut world = World::connected(1);
    let domain = world.domain(FRONT);
    let second = domain.driver.connect(domain.now(), LINK, &mut domain.platform);
    assert_eq!(second, Err(ConnectError::Busy));
    let domain = world.domain(BACK);
    let wrong = domain.driver.connect(domain.now(), LINK, &mut domain.platform);
    assert_eq!(wrong, Err(ConnectError::WrongRole));
}

#[test]
fn a_back_destroyed_while_connected_is_noticed_by_its_port_and_all_is_given_back() {
    let mut world = World::connected(1);
    world.run_seconds(5);
    world.destroy(BACK);
    let took = world.run_until(20, |world| !world.is_up(FRONT));
    assert!(took <= 3, "{took} s");
    assert!(is_down(&world, FRONT, DownReason::PortUnbound, DetectedBy::Port));
    let end = End::SessionEnded;
    assert!(world.has(FRONT, &Happened::Disconnected(1, end, Released::Freed)));
    assert_eq!(world.xen.borrow().held(), 0);
}

#[test]
fn a_front_destroyed_while_connected_is_noticed_and_unmapped() {
    let mut world = World::connected(1);
    world.run_seconds(5);
    world.destroy(FRONT);
    let took = world.run_until(20, |world| !world.is_up(BACK));
    assert!(took <= 3, "{took} s");
    assert!(!world.domains[&BACK].platform.is_mapping());
    assert_eq!(world.xen.borrow().held(), 0, "no zombie stays for our sake");
}

#[test]
fn a_peer_destroyed_right_after_its_beat_is_noticed_at_the_next() {
    for (victim, survivor) in [(FRONT, BACK), (BACK, FRONT)] {
        for milliseconds in (0..1000).step_by(100) {
            let mut world = World::connected(1);
            world.run_seconds(5);
            world.run(Duration::from_milliseconds(milliseconds));
            world.destroy(victim);
            world.run(Duration::from_milliseconds(1001));
            assert!(!world.is_up(survivor), "{victim} destroyed {milliseconds} ms later");
        }
    }
}

#[test]
fn a_peer_that_hangs_while_connected_is_noticed_a_beat_after_the_limit_at_the_latest() {
    for (victim, survivor) in [(FRONT, BACK), (BACK, FRONT)] {
        for milliseconds in (0..1000).step_by(100) {
            let mut world = World::connected(1);
            world.run_seconds(5);
            world.run(Duration::from_milliseconds(milliseconds));
            world.domain(victim).is_paused = true;
            world.run(Duration::from_milliseconds(2900));
            assert!(world.is_up(survivor), "too early, {victim} paused {milliseconds} ms later");
            world.run(Duration::from_milliseconds(2150));
            assert!(!world.is_up(survivor), "{victim} paused {milliseconds} ms later");
        }
    }
}

#[test]
fn a_quarantine_is_swept_once_a_beat_whatever_else_happens_and_an_empty_one_is_not() {
    let mut world = World::connected(1);
    world.run_seconds(10);
    assert_eq!(world.domain(FRONT).platform.end_tries(), 0, "nothing to sweep");
    world.domain(BACK).is_paused = true;
    world.run_until(20, |world| !world.is_up(FRONT));
    world.run_seconds(2);
    assert_eq!(world.domain(FRONT).driver.quarantined(), 1);
    for _ in 0..20 {
        let before = world.domain(FRONT).platform.end_tries();
        let now = world.xen.borrow().now;
        let at = world.domain(FRONT).driver.deadline().nanoseconds();
        assert!(at <= now + 1_000_000_000, "it wakes up for that");
        world.run_seconds(1);
        assert_eq!(world.domain(FRONT).platform.end_tries(), before + 1);
        // Other steps do not sweep.
        for _ in 0..3 {
            world.domain(FRONT).step();
        }
        assert_eq!(world.domain(FRONT).platform.end_tries(), before + 1);
    }
}

#[test]
fn the_pages_of_a_quick_link_are_tried_again_at_its_own_beat() {
    let mut world = World::new(1);
    world.settings.beat = Duration::from_milliseconds(50);
    world.create(FRONT, Role::Front, "a");
    world.create(BACK, Role::Back, "a");
    world.introduce(FRONT, BACK, "a");
    world.settle();
    world.connect();
    world.settle();
    world.domain(BACK).is_paused = true;
    world.run_until(2, |world| !world.is_up(FRONT));
    world.run(Duration::from_milliseconds(60));
    assert_eq!(world.domain(FRONT).driver.quarantined(), 1);
    world.destroy(BACK);
    world.run(Duration::from_milliseconds(60));
    assert_eq!(world.domain(FRONT).driver.quarantined(), 0);
}

#[test]
fn a_connect_behind_a_message_waits_for_it_to_be_taken_and_not_for_the_next_beat() {
    let mut world = World::up(1);
    world.domain(FRONT).driver.send(LINK, b"first").unwrap();
    world.connect();
    world.settle();
    let first = Happened::Message(b"first".to_vec());
    assert_eq!(world.take_events(BACK).split_off(2), [first, Happened::Connected(1)]);
    assert!(world.has(FRONT, &Happened::Connected(1)));
}

#[test]
fn a_front_that_connected_by_the_stamp_still_gets_the_message() {
    let mut world = World::connected(1);
    world.run_seconds(3);
    let link = |world: &mut World, domid: u16| {
        let link = world.domain(domid).driver.link(LINK);
        (link.endpoint().sent(), link.endpoint().acked())
    };
    let one = channel::register::Seq(1);
    assert_eq!(link(&mut world, FRONT), (one, one), "CONNECT");
    assert_eq!(link(&mut world, BACK), (one, one), "CONNECTED");
}

#[test]
fn a_paused_back_is_fenced_quarantined_and_finds_out_when_it_returns() {
    let mut world = World::connected(1);
    world.run_seconds(5);
    world.domain(BACK).is_paused = true;
    let took = world.run_until(20, |world| !world.is_up(FRONT));
    assert!((4..=8).contains(&took), "{took} s");
    assert!(is_down(&world, FRONT, DownReason::BeatsMissed, DetectedBy::Page));
    let released = Released::Quarantined { pages: 1 };
    assert!(world.has(FRONT, &Happened::Disconnected(1, End::SessionEnded, released)));
    assert_eq!(world.domains[&FRONT].platform.quarantined(), 1);
    world.run_seconds(60);
    assert_eq!(world.domains[&FRONT].platform.quarantined(), 1, "mapped is mapped");
    world.domain(BACK).is_paused = false;
    world.run_until(30, |world| world.is_up(FRONT) && world.is_up(BACK));
    assert!(is_down(&world, BACK, DownReason::Fenced, DetectedBy::Page));
    world.run_seconds(3);
    assert_eq!(world.domains[&FRONT].platform.quarantined(), 0);
    assert_eq!(world.domains[&FRONT].driver.quarantined(), 0);
    assert_eq!(world.xen.borrow().held(), 0);
}

#[test]
fn a_paused_front_is_unmapped_and_starts_over_when_it_returns() {
    let mut world = World::connected(1);
    world.run_seconds(5);
    world.domain(FRONT).is_paused = true;
    world.run_until(20, |world| !world.is_up(BACK));
    assert!(is_down(&world, BACK, DownReason::BeatsMissed, DetectedBy::Page));
    assert!(!world.domains[&BACK].platform.is_mapping());
    world.domain(FRONT).is_paused = false;
    world.run_until(30, |world| world.is_up(FRONT) && world.is_up(BACK));
    assert_eq!(world.xen.borrow().held(), 0);
    world.connect();
    world.settle();
    assert!(world.has(BACK, &Happened::Connected(1)));
}

#[test]
fn a_full_quarantine_refuses_connects_by_that_name() {
    let mut world = World::new(1);
    world.page_sets = 1;
    world.bring_up();
    world.connect();
    world.settle();
    world.run_seconds(5);
    // The back never unmaps; another one replaces it.
    world.domain(BACK).is_paused = true;
    world.run_until(20, |world| !world.is_up(FRONT));
    world.create(9, Role::Back, "a");
    world.introduce(FRONT, 9, "a");
    world.run_until(20, |world| world.is_up(FRONT) && world.is_up(9));
    world.connect();
    world.settle();
    let error = PrepareError::QuarantineFull;
    assert!(world.has(FRONT, &Happened::Refused(1, ConnectRefused::Here(error))));
}

#[test]
fn what_a_failed_map_leaves_mapped_is_unmapped_later() {
    let mut world = World::new(1);
    world.settings.pages = 2;
    world.bring_up();
    world.xen.borrow_mut().sabotage = Some(Sabotage::MapHalf);
    world.connect();
    world.settle();
    let refused = ConnectRefused::ByBack(RefuseReason::BadGrant);
    assert!(world.has(FRONT, &Happened::Refused(1, refused)));
    world.run_seconds(3);
    assert_eq!(world.domains[&FRONT].driver.quarantined(), 0);
    assert_eq!(world.xen.borrow().held(), 0);
}

#[test]
fn an_unmap_that_xen_refuses_is_tried_again_and_the_quarantine_empties() {
    let mut world = World::connected(1);
    world.xen.borrow_mut().sabotage = Some(Sabotage::Unmap);
    world.disconnect(FRONT);
    world.run_seconds(3);
    assert_eq!(world.xen.borrow().sabotage, None, "an unmap was refused");
    assert_eq!(world.domains[&FRONT].platform.quarantined(), 0);
    assert_eq!(world.xen.borrow().held(), 0);
}

#[test]
fn t14_a_restart_in_place_forgets_neither_grants_nor_mappings() {
    for domid in [FRONT, BACK] {
        let mut world = World::connected(1);
        let domain = world.domain(domid);
        domain.driver.restart(domain.now(), LINK, &mut domain.platform);
        domain.drain();
        world.run_seconds(5);
        assert!(world.is_up(FRONT) && world.is_up(BACK));
        assert_eq!(world.xen.borrow().held(), 0, "restarted: {domid}");
        assert_eq!(world.domains[&FRONT].platform.quarantined(), 0);
    }
}

#[test]
fn t12_a_fence_found_closed_ends_the_session() {
    let mut world = World::connected(1);
    world.xen.borrow_mut().fence_all();
    let fenced = |world: &World| is_down(world, BACK, DownReason::Fenced, DetectedBy::Page);
    world.run_until(3, fenced);
    world.run_until(10, |world| world.is_up(FRONT) && world.is_up(BACK));
}

#[test]
fn t16_connects_and_disconnects_in_a_row_hold_back_and_do_not_fail() {
    let mut world = World::up(1);
    world.domain(BACK).is_paused = true;
    for n in 0..8 {
        // Application messages fill the window now.
        let _ = world.domain(FRONT).driver.send(LINK, format!("{n}").as_bytes());
    }
    world.connect();
    world.disconnect(FRONT);
    world.domain(BACK).is_paused = false;
    world.run_seconds(3);
    assert!(world.is_up(FRONT) && world.is_up(BACK));
    assert_eq!(world.xen.borrow().held(), 0);
    for cycle in 2..=10 {
        world.connect();
        world.disconnect(FRONT);
        world.settle();
        assert!(world.events(FRONT).iter().any(
            |event| matches!(event, Happened::Disconnected(n, End::InOrder, _) if *n == cycle)
        ));
    }
}

#[test]
fn messages_flow_beside_a_connection_and_cost_no_acknowledging_write() {
    let mut world = World::connected(1);
    world.run_seconds(5);
    let before = world.requests_of_all();
    world.domain(FRONT).driver.send(LINK, b"beside").unwrap();
    world.settle();
    assert!(world.has(BACK, &Happened::Message(b"beside".to_vec())));
    world.run_seconds(10);
    let cost = world.requests_of_all() - before;
    // The WRITE and its READ, and at most one repetition per beat until the page is read.
    assert!((2..=4).contains(&cost), "{cost}");
}

#[test]
fn a_connection_dies_at_every_step_and_nothing_is_left() {
    // A domain vanishes right after each turn of a whole connection, front or back.
    for died in [FRONT, BACK] {
        for turns in 0..14 {
            let mut world = World::up(1);
            world.connect();
            for _ in 0..turns {
                if !world.turn() {
                    world.disconnect_if_connected();
                }
            }
            world.destroy(died);
            let survivor = FRONT + BACK - died;
            world.run_until(30, |world| !world.is_up(survivor));
            world.run_seconds(5);
            assert_eq!(world.xen.borrow().held(), 0, "{died} died after {turns} turns");
            let role = if died == FRONT { Role::Front } else { Role::Back };
            world.create(died, role, "a");
            world.introduce(FRONT, BACK, "a");
            world.run_until(30, |world| world.is_up(FRONT) && world.is_up(BACK));
            world.connect();
            world.settle();
            assert!(world.has(died, &Happened::Connected(1)), "{died} after {turns} turns");
        }
    }
}

#[test]
fn a_connection_that_closes_before_the_front_has_seen_it_is_reported_from_its_beginning() {
    let mut world = World::up(1);
    world.connect();
    world.domain(FRONT).step();
    world.domain(FRONT).is_paused = true;
    world.settle();
    assert!(world.has(BACK, &Happened::Connected(1)));
    world.disconnect(BACK);
    world.settle();
    // The page contains the stamp and the closing word now.
    world.domain(FRONT).is_paused = false;
    world.settle();
    let events = world.events(FRONT);
    let ended = Happened::Disconnected(1, End::InOrder, Released::Freed);
    let expected = [Happened::Connected(1), Happened::Closing(1), ended];
    assert!(events.ends_with(&expected), "{events:?}");
}
