//! Tests of rules S0 to S7 of docs/protocol.md §4: how an endpoint starts, sends hellos, comes up
//! and detects a restarted peer. Each test is named after its rule.

use std::format;
use std::vec::Vec;

use super::pair::{A, B, BEAT, Pair, Small, forged};
use crate::endpoint::{Found, Introduction, SessionEvent, StoreRequest, Timing};
use crate::epoch::{Epoch, EpochSource};
use crate::event::{DetectedBy, DownReason};
use crate::ids::DomId;
use crate::instant::Instant;
use crate::testing::Counter;

#[test]
fn s0_a_new_endpoint_asks_for_nothing_before_it_is_introduced() {
    let mut pair = Pair::new();
    assert_eq!(pair.end(A).poll_request(), None);
    pair.end(A).handle_hint();
    assert_eq!(pair.end(A).poll_request(), None);
    assert_eq!(pair.end(A).deadline(), Instant::NEVER);
}

#[test]
fn s0_a_restart_in_place_draws_an_epoch_and_forgets_the_peer() {
    let mut pair = Pair::up();
    let before = pair.end(A).epoch();
    pair.restart(A);
    assert_ne!(pair.end(A).epoch(), before);
    assert_eq!(pair.end(A).peer_epoch(), None);
    assert_eq!(pair.downs(A), [DownReason::Restarted]);
    pair.settle();
    assert!(pair.is_up(A) && pair.is_up(B), "without any time passing");
    assert_eq!(pair.downs(B), [DownReason::PeerRestarted]);
}

#[test]
fn s0_a_resumed_domain_has_nothing_under_way_and_waits_to_be_introduced() {
    let mut pair = Pair::up();
    pair.send(A);
    pair.submit(A);
    let (now, mut epochs) = (pair.now, Counter(1000));
    pair.end(A).handle_resumed(now, &mut epochs);
    assert!(matches!(
        pair.end(A).poll_event(),
        Some(SessionEvent::Down { reason: DownReason::Resumed, detected_by: DetectedBy::Own })
    ));
    assert_eq!(pair.end(A).introduction(), None);
    assert_eq!(pair.end(A).poll_request(), None);
    assert_eq!(pair.end(A).deadline(), Instant::NEVER);
}

#[test]
fn s1_the_first_hello_sets_no_permissions_and_later_ones_do() {
    let mut pair = Pair::new();
    pair.introduce(A);
    pair.settle_one(A);
    assert_eq!((pair.sides[A].writes, pair.sides[A].permits), (1, 0));
    pair.tick();
    assert_eq!((pair.sides[A].writes, pair.sides[A].permits), (2, 1));
}

#[test]
fn s1_a_repeated_introduction_leaves_an_up_session_alone_and_has_the_register_written_again() {
    let mut pair = Pair::up();
    let (epoch, writes) = (pair.end(A).epoch(), pair.sides[A].writes);
    pair.introduce(A);
    pair.settle();
    assert!(pair.is_up(A) && pair.is_up(B));
    assert_eq!(pair.end(A).epoch(), epoch);
    assert_eq!(pair.sides[A].writes, writes + 1);
}

#[test]
fn s1_reading_the_same_introduction_again_changes_nothing() {
    let mut pair = Pair::up();
    let before = pair.end(A).clone();
    let read = before.introduction().unwrap();
    let (now, mut epochs) = (pair.now, Counter(1000));
    pair.end(A).handle_introduction(now, read, Found::Later, &mut epochs);
    assert_eq!(*pair.end(A), before);
}

#[test]
fn s1_an_introduction_to_another_domain_ends_the_session() {
    let mut pair = Pair::up();
    pair.introduce_to(A, DomId(99));
    assert_eq!(pair.downs(A), [DownReason::Reintroduced]);
    assert!(!pair.is_up(A));
}

#[test]
fn s1_a_back_that_is_introduced_late_leaves_the_first_hello_to_the_front() {
    let mut epochs = Counter(0);
    let pace = Timing { beat: BEAT, first_hello: BEAT.divided(4) };
    let mut end = Small::new(epochs.fresh_epoch(), pace);
    let read = Introduction { peer: DomId(1), number: 1 };
    end.handle_introduction(Instant::START, read, Found::Later, &mut epochs);
    assert_eq!(end.poll_request(), None);
    let soon = Instant::START.after(BEAT.divided(4));
    assert_eq!(end.deadline(), soon);
    end.handle_timeout(soon);
    assert_eq!(end.poll_request(), Some(StoreRequest::Read));
    assert_eq!(end.epoch(), Epoch::from_bits(1), "waiting draws no epoch");
}

#[test]
fn s2_hello_ticks_permit_read_and_write_and_back_off_to_a_bound() {
    let mut pair = Pair::new();
    pair.introduce(A);
    pair.settle_one(A);
    let mut gaps = Vec::new();
    for tick in 1..=12u32 {
        let before = pair.now;
        pair.tick();
        gaps.push(pair.now.since(before));
        assert_eq!(pair.sides[A].permits, tick);
        assert_eq!(pair.sides[A].writes, tick + 1);
    }
    let bound = BEAT.times(8).nanoseconds() * 5 / 4;
    assert!(gaps.iter().all(|gap| gap.nanoseconds() <= bound), "{gaps:?}");
    assert!(gaps[11] >= BEAT.times(8), "backed off");
    assert!(gaps[0] < BEAT.times(2), "from one beat");
}

#[test]
fn s2_news_of_the_peer_makes_the_ticks_quick_again() {
    let mut pair = Pair::new();
    pair.introduce(A);
    for _ in 0..8 {
        pair.tick();
    }
    pair.show(A, &forged(0x77, None, 0, 1, &[]));
    let wait = pair.end(A).deadline().since(pair.now);
    assert!(wait < BEAT.times(2), "{wait:?}");
}

#[test]
fn s2_while_up_every_beat_reads_and_writes() {
    let mut pair = Pair::up();
    let writes = pair.sides[A].writes;
    for _ in 0..10 {
        pair.tick();
    }
    assert!(pair.sides[A].writes >= writes + 4);
    assert_eq!(pair.ups(A), 1);
}

#[test]
fn s3_one_write_is_under_way_at_most_and_a_later_change_is_written_after_it() {
    let mut pair = Pair::up();
    pair.send(A);
    assert!(pair.submit(A));
    pair.send(A);
    assert_eq!(pair.end(A).poll_request(), None, "one at a time");
    assert!(pair.serve(A));
    assert_eq!(pair.end(A).poll_request(), Some(StoreRequest::Write));
    pair.settle();
    assert_eq!(pair.sides[B].delivered_ever, 2);
}

#[test]
fn s4_news_while_not_up_is_adopted_and_answered_once_without_a_new_epoch() {
    let mut pair = Pair::new();
    pair.introduce(A);
    pair.settle_one(A);
    let (epoch, writes) = (pair.end(A).epoch(), pair.sides[A].writes);
    for _ in 0..3 {
        pair.show(A, &forged(0x77, None, 0, 1, &[]));
    }
    assert_eq!(pair.end(A).epoch(), epoch);
    assert_eq!(pair.end(A).peer_epoch(), Some(Epoch::from_bits(0x77)));
    assert_eq!(pair.sides[A].writes, writes + 1, "once per new epoch");
}

#[test]
fn s5_up_comes_with_the_echo_of_the_present_epoch_and_delivers_what_is_in_the_same_register() {
    let mut pair = Pair::new();
    pair.introduce(A);
    pair.sides[B].is_open = true;
    let my = pair.end(A).epoch().bits();
    // The peer is already up and has sent a message.
    let message = format!("119>{my}#1");
    pair.show(A, &forged(0x77, Some(my), 0, 1, &[&message]));
    assert!(pair.is_up(A));
    assert_eq!(pair.sides[A].delivered_ever, 1);
}

#[test]
fn s5_a_hello_that_already_says_all_is_not_written_twice() {
    let mut pair = Pair::introduced();
    pair.settle();
    assert!(pair.is_up(A) && pair.is_up(B));
    let total = pair.sides[A].writes + pair.sides[B].writes;
    assert!(total <= 4, "{total}: a hello each, and an answer each at most");
}

#[test]
fn s6_a_register_addressed_to_an_older_epoch_brings_neither_up_nor_message() {
    let mut pair = Pair::new();
    pair.introduce(A);
    let old = pair.end(A).epoch().bits();
    pair.restart(A);
    pair.show(A, &forged(0x77, Some(old), 5, 1, &["from the past"]));
    assert!(!pair.is_up(A));
    assert_eq!(pair.sides[A].delivered_ever, 0);
    assert_eq!(pair.end(A).peer_epoch(), Some(Epoch::from_bits(0x77)));
}

#[test]
fn s7_another_epoch_while_up_ends_the_session_and_does_not_begin_one() {
    let mut pair = Pair::up();
    let my = pair.end(A).epoch().bits();
    pair.show(A, &forged(0x77, Some(my), 0, 1, &["too early"]));
    assert!(!pair.is_up(A));
    assert_eq!(pair.downs(A), [DownReason::PeerRestarted]);
    assert_eq!(pair.end(A).peer_epoch(), Some(Epoch::from_bits(0x77)));
    assert_ne!(pair.end(A).epoch().bits(), my);
    assert_eq!(pair.sides[A].delivered_ever, 0);
}
