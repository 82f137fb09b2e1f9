//! Tests of sessions: the shipped driver over a simulated xenstored. Domains die, pause and return
//! with the same or another domid; the store loses events, stalls or is modified by others.

mod support;

use channel::driver::StoreEvent;
use channel::endpoint::SendError;
use channel::event::{DetectedBy, DownReason};
use channel::{LinkName, NotDrained, Role, Settings};
use support::world::{BACK, FRONT, LINK};
use support::{Happened, World};

fn downs(world: &World, domid: u16) -> Vec<(DownReason, DetectedBy)> {
    let events = world.events(domid).into_iter();
    events
        .filter_map(|event| match event {
            Happened::Down(reason, detected_by, _) => Some((reason, detected_by)),
            _ => None,
        })
        .collect()
}

fn both_up(world: &World) -> bool {
    world.is_up(FRONT) && world.is_up(BACK)
}

#[test]
fn a_link_without_introduction_reports_waiting_once_at_a_low_cost() {
    let mut world = World::new(1);
    world.create(FRONT, Role::Front, "a");
    world.run_seconds(300);
    assert_eq!(world.events(FRONT), [Happened::Waiting]);
    // RESET_WATCHES, WATCH, the first READ of the introduction, and one every thirty beats; the
    // watch on shutdown requests and its first READ.
    assert!(world.requests(FRONT) <= 3 + 10 + 2, "{}", world.requests(FRONT));
}

#[test]
fn an_introduction_is_found_without_its_event() {
    let mut world = World::new(1);
    world.create(FRONT, Role::Front, "a");
    world.create(BACK, Role::Back, "a");
    world.settle();
    world.xen.borrow_mut().store.faults.lose_event = 1;
    world.introduce(FRONT, BACK, "a");
    world.settle();
    world.xen.borrow_mut().store.faults.lose_event = 0;
    assert!(world.run_until(60, both_up) <= 45);
}

#[test]
fn introduced_in_whatever_order_around_the_starts_the_link_comes_up() {
    for order in 0..6 {
        let mut world = World::new(order + 1);
        let create_front = |world: &mut World| world.create(FRONT, Role::Front, "a");
        let create_back = |world: &mut World| world.create(BACK, Role::Back, "a");
        match order {
            0 => {
                create_front(&mut world);
                world.introduce_one(FRONT, BACK, "a");
                world.settle();
                create_back(&mut world);
                world.introduce_one(BACK, FRONT, "a");
            }
            1 => {
                create_back(&mut world);
                world.introduce_one(BACK, FRONT, "a");
                world.settle();
                create_front(&mut world);
                world.introduce_one(FRONT, BACK, "a");
            }
            2 | 3 => {
                create_front(&mut world);
                create_back(&mut world);
                let (one, other) = if order == 2 { (FRONT, BACK) } else { (BACK, FRONT) };
                world.introduce_one(one, other, "a");
                world.run_seconds(20);
                world.introduce_one(other, one, "a");
            }
            _ => {
                create_front(&mut world);
                create_back(&mut world);
                world.introduce(FRONT, BACK, "a");
                world.settle();
                world.introduce(FRONT, BACK, "a");
            }
        }
        assert!(world.run_until(60, both_up) <= 20, "order {order}");
    }
}

#[test]
fn messages_go_both_ways_exactly_once_and_back_pressure_passes() {
    let mut world = World::up(1);
    for batch in 0..10u32 {
        for domid in [FRONT, BACK] {
            let mut sent = 0;
            while sent < 8 {
                let text = format!("{domid} {batch} {sent}");
                match world.domain(domid).driver.send(LINK, text.as_bytes()) {
                    Ok(()) => sent += 1,
                    Err(error) => {
                        assert!(matches!(error, SendError::Full { .. }));
                        world.run_seconds(1);
                    }
                }
            }
        }
    }
    world.run_seconds(3);
    for (from, to) in [(FRONT, BACK), (BACK, FRONT)] {
        let due = (0..10).flat_map(|batch| {
            (0..8).map(move |n| Happened::Message(format!("{from} {batch} {n}").into_bytes()))
        });
        let got = world.events(to).into_iter().filter(|e| matches!(e, Happened::Message(_)));
        assert!(got.eq(due));
    }
}

#[test]
fn the_longest_message_arrives_and_invalid_ones_are_refused_with_a_reason() {
    let mut world = World::up(1);
    let longest = vec![b'~'; 1022];
    let mut send = |message: &[u8]| world.domain(FRONT).driver.send(LINK, message);
    assert_eq!(send(&longest), Ok(()));
    assert_eq!(send(&vec![b'~'; 1023]), Err(SendError::Length { limit: 1022 }));
    assert_eq!(send(b"tab\there"), Err(SendError::NotPrintable { at: 3 }));
    assert_eq!(send(b"\x7f"), Err(SendError::NotPrintable { at: 0 }));
    world.run_seconds(2);
    let all: Vec<_> = world.take_events(BACK).into_iter().skip(2).collect();
    assert_eq!(all, [Happened::Message(longest)]);
}

#[test]
fn a_full_window_is_acknowledged_at_once_and_not_at_the_next_beat() {
    let mut world = World::up(1);
    for n in 0..200u32 {
        let text = format!("{n}");
        if world.domain(FRONT).driver.send(LINK, text.as_bytes()).is_err() {
            world.settle();
            world.domain(FRONT).driver.send(LINK, text.as_bytes()).unwrap();
        }
    }
}

#[test]
fn what_was_unacknowledged_at_a_down_comes_back_as_unknown() {
    let mut world = World::up(1);
    world.domain(BACK).is_paused = true;
    for text in ["one", "two"] {
        world.domain(FRONT).driver.send(LINK, text.as_bytes()).unwrap();
    }
    world.run_until(20, |world| !world.is_up(FRONT));
    let down = Happened::Down(DownReason::BeatsMissed, DetectedBy::Register, 2);
    let events = world.take_events(FRONT);
    let at = events.iter().position(|event| *event == down).expect("a down");
    let unknown = [b"one", b"two"].map(|text| Happened::Unknown(text.to_vec()));
    assert_eq!(events[at + 1..at + 3], unknown);
}

#[test]
fn a_paused_peer_is_noticed_within_the_bound_and_starts_over_when_it_returns() {
    let mut world = World::up(1);
    world.run_seconds(3);
    world.domain(BACK).is_paused = true;
    let took = world.run_until(20, |world| !world.is_up(FRONT));
    assert!((3..=6).contains(&took), "{took} s");
    assert_eq!(downs(&world, FRONT), [(DownReason::BeatsMissed, DetectedBy::Register)]);
    world.run_seconds(100);
    world.domain(BACK).is_paused = false;
    assert!(world.run_until(30, both_up) <= 15);
    assert_eq!(downs(&world, BACK), [(DownReason::PeerRestarted, DetectedBy::Register)]);
}

#[test]
fn a_pause_shorter_than_the_limit_changes_nothing() {
    let mut world = World::up(1);
    for _ in 0..10 {
        world.run_seconds(3);
        world.domain(BACK).is_paused = true;
        world.run_seconds(2);
        world.domain(BACK).is_paused = false;
    }
    assert!(both_up(&world));
    assert!(downs(&world, FRONT).is_empty() && downs(&world, BACK).is_empty());
}

#[test]
fn a_silent_xenstored_is_reported_once_and_ends_no_session() {
    let mut world = World::up(1);
    world.run_seconds(2);
    world.xen.borrow_mut().store.is_silent = true;
    world.run_seconds(120);
    assert!(both_up(&world));
    world.xen.borrow_mut().store.is_silent = false;
    world.run_seconds(20);
    assert!(both_up(&world));
    for domid in [FRONT, BACK] {
        assert!(downs(&world, domid).is_empty());
        let said = |event: StoreEvent| {
            world.events(domid).iter().filter(|e| **e == Happened::Store(event)).count()
        };
        assert_eq!((said(StoreEvent::Silent), said(StoreEvent::Answering)), (1, 1));
    }
}

#[test]
fn a_destroyed_peer_is_noticed_and_its_successor_on_another_domid_served() {
    for died in [FRONT, BACK] {
        let mut world = World::up(1);
        let survivor = FRONT + BACK - died;
        world.destroy(died);
        let took = world.run_until(20, |world| !world.is_up(survivor));
        assert!(took <= 5, "{took} s");
        let (role, domid) = if died == FRONT { (Role::Front, 11) } else { (Role::Back, 12) };
        world.create(domid, role, "a");
        if died == FRONT {
            world.introduce(domid, BACK, "a");
        } else {
            world.introduce(FRONT, domid, "a");
        }
        world.run_until(30, |world| world.is_up(survivor) && world.is_up(domid));
    }
}

#[test]
fn a_peer_that_came_back_on_the_same_domid_with_a_lost_introduction_is_found() {
    for died in [FRONT, BACK] {
        let mut world = World::up(1);
        let survivor = FRONT + BACK - died;
        world.destroy(died);
        let role = if died == FRONT { Role::Front } else { Role::Back };
        world.create(died, role, "a");
        // Only the new domain is introduced; the survivor's introduction does not change.
        world.introduce_one(died, survivor, "a");
        world.run_until(60, both_up);
        assert_eq!(downs(&world, survivor).len(), 1);
    }
}

#[test]
fn an_introduction_to_another_domain_ends_the_session_by_name() {
    let mut world = World::up(1);
    world.create(9, Role::Back, "a");
    world.introduce(FRONT, 9, "a");
    world.settle();
    assert_eq!(downs(&world, FRONT), [(DownReason::Reintroduced, DetectedBy::Introduction)]);
    world.run_until(20, |world| world.is_up(FRONT) && world.is_up(9));
}

#[test]
fn a_restart_in_place_costs_the_session_and_no_time() {
    for domid in [FRONT, BACK] {
        let mut world = World::up(1);
        let domain = world.domain(domid);
        domain.driver.restart(domain.now(), LINK, &mut domain.platform);
        domain.drain();
        world.settle();
        assert!(both_up(&world));
        assert_eq!(downs(&world, domid), [(DownReason::Restarted, DetectedBy::Own)]);
        let other = FRONT + BACK - domid;
        assert_eq!(downs(&world, other), [(DownReason::PeerRestarted, DetectedBy::Register)]);
    }
}

#[test]
fn without_any_event_everything_still_works_at_the_pace_of_timers() {
    let mut world = World::new(1);
    world.create(FRONT, Role::Front, "a");
    world.create(BACK, Role::Back, "a");
    world.introduce(FRONT, BACK, "a");
    world.xen.borrow_mut().store.faults.lose_event = 1;
    world.run_until(30, both_up);
    world.domain(FRONT).driver.send(LINK, b"hello").unwrap();
    world.run_until(5, |world| world.has(BACK, &Happened::Message(b"hello".to_vec())));
    world.connect();
    world.run_until(10, |world| world.has(FRONT, &Happened::Connected(1)));
    world.disconnect(FRONT);
    world.run_until(10, |world| world.xen.borrow().held() == 0);
    assert!(world.xen.borrow().store.lost_events > 0);
}

#[test]
fn writes_that_the_daemon_could_not_do_are_tried_again() {
    let mut world = World::up(3);
    world.xen.borrow_mut().store.faults.refuse_with_eagain = 2;
    for n in 0..20 {
        let text = format!("{n}");
        world.domain(FRONT).driver.send(LINK, text.as_bytes()).unwrap();
        world.run_seconds(3);
    }
    let got = world.events(BACK).into_iter().filter(|e| matches!(e, Happened::Message(_)));
    assert_eq!(got.count(), 20);
    assert!(downs(&world, FRONT).is_empty() && downs(&world, BACK).is_empty());
}

#[test]
fn many_links_share_one_watch_without_affecting_each_other() {
    let mut world = World::up(1);
    for (domid, role) in [(FRONT, Role::Front), (BACK, Role::Back)] {
        for name in ["b", "c", "d"] {
            let name = LinkName::new(name.as_bytes()).unwrap();
            let domain = world.domain(domid);
            domain.driver.add_link(name, role, Settings::DEFAULT, &mut domain.platform).unwrap();
        }
    }
    for name in ["b", "c", "d"] {
        world.introduce(FRONT, BACK, name);
    }
    world.settle();
    for domid in [FRONT, BACK] {
        let domain = &world.domains[&domid];
        assert!(domain.driver.ids().all(|id| domain.driver.link(id).endpoint().is_up()));
        assert!(world.xen.borrow().store.count_watches(domid) <= 2);
    }
    let domain = world.domain(FRONT);
    domain.driver.restart(domain.now(), channel::LinkId::from_index(2), &mut domain.platform);
    domain.drain();
    world.run_seconds(5);
    let links_down: Vec<_> = world.domains[&BACK]
        .events
        .iter()
        .filter(|(_, event)| matches!(event, Happened::Down(..)))
        .map(|(link, _)| *link)
        .collect();
    assert_eq!(links_down, [channel::LinkId::from_index(2)]);
}

#[test]
fn a_resumed_domain_starts_over_with_its_new_domid() {
    let mut world = World::connected(1);
    // The domain is saved and restored under another domid: no local state is valid.
    let mut domain = world.domains.remove(&BACK).unwrap();
    world.xen.borrow_mut().remove_domain(BACK);
    let ring = world.xen.borrow_mut().store.add_domain(22);
    domain.platform.become_domain(22, ring);
    domain.driver.resumed(domain.now(), &mut domain.platform);
    domain.drain();
    world.domains.insert(22, domain);
    assert_eq!(downs(&world, 22), [(DownReason::Resumed, DetectedBy::Own)]);
    world.introduce(FRONT, 22, "a");
    world.run_until(30, |world| world.is_up(FRONT) && world.is_up(22));
    world.connect();
    world.settle();
    assert!(world.has(22, &Happened::Connected(1)));
}

#[test]
fn a_watch_that_is_refused_is_asked_for_again_and_an_introduction_is_not_waited_for() {
    let mut world = World::new(1);
    world.xen.borrow_mut().store.watches_to_refuse = 1;
    world.create(FRONT, Role::Front, "a");
    world.create(BACK, Role::Back, "a");
    world.run_seconds(3);
    assert_eq!(world.xen.borrow().store.watches_to_refuse, 0);
    world.introduce(FRONT, BACK, "a");
    // Without the watch it would be found 30 beats after the last READ.
    world.run_until(10, |world| world.is_up(FRONT) && world.is_up(BACK));
}

#[test]
fn a_driver_is_refused_links_that_make_no_sense() {
    let mut world = World::new(1);
    world.create(FRONT, Role::Front, "a");
    let domain = world.domain(FRONT);
    let platform = &mut domain.platform;
    let taken = LinkName::new(b"a").unwrap();
    let driver = &mut domain.driver;
    let again = driver.add_link(taken, Role::Front, Settings::DEFAULT, platform);
    assert_eq!(again, Err(channel::driver::AddError::NameTaken));
    let other = LinkName::new(b"b").unwrap();
    for settings in [
        Settings { pages: 0, ..Settings::DEFAULT },
        Settings { pages: 9, ..Settings::DEFAULT },
        Settings { beats_missed_max: 0, ..Settings::DEFAULT },
        Settings { beat: channel::Duration::ZERO, ..Settings::DEFAULT },
    ] {
        let refused = driver.add_link(other, Role::Front, settings, platform);
        assert_eq!(refused, Err(channel::driver::AddError::Settings));
    }
}

#[test]
fn a_step_before_the_last_ones_events_were_taken_is_refused() {
    let mut world = World::new(1);
    world.create(FRONT, Role::Front, "a");
    let domain = world.domain(FRONT);
    assert_eq!(domain.driver.step(domain.now(), &mut domain.platform), Ok(()));
    world.xen.borrow_mut().store.serve();
    let domain = world.domain(FRONT);
    assert_eq!(domain.driver.step(domain.now(), &mut domain.platform), Ok(()));
    let requests = domain.driver.counts().requests_total();
    assert_eq!(domain.driver.step(domain.now(), &mut domain.platform), Err(NotDrained));
    assert_eq!(domain.driver.counts().requests_total(), requests, "nothing was done");
    while domain.driver.poll_event().is_some() {}
    assert_eq!(domain.driver.step(domain.now(), &mut domain.platform), Ok(()));
}
