//! Plausible misreadings of the session's rules, each with its shortest counterexample. The actual
//! rules must pass each of them. The numbers are those of docs/protocol.md §4.

use super::pair::{A, B, Pair};
use crate::endpoint::{StoreRequest, WriteOutcome};
use crate::event::DownReason;

#[test]
fn t1_crossing_hellos_do_not_answer_each_other_endlessly() {
    // Misreading: a new from-epoch makes an endpoint that is down draw a new epoch. Each then makes
    // the other draw again.
    let mut pair = Pair::introduced();
    let epochs = [pair.end(A).epoch(), pair.end(B).epoch()];
    pair.settle();
    assert!(pair.is_up(A) && pair.is_up(B));
    assert_eq!([pair.end(A).epoch(), pair.end(B).epoch()], epochs);
}

#[test]
fn t2_a_message_to_a_peers_former_life_is_not_delivered_to_its_next() {
    // Misreading: an endpoint goes up when it reads any register, without checking the to-epoch.
    let mut pair = Pair::introduced();
    pair.settle_one(B);
    pair.restart(B);
    // A reads the hello of B's former epoch, and addresses its messages to that epoch.
    assert!(pair.submit(A) && pair.serve(A) && pair.answer(A));
    assert!(!pair.is_up(A), "no echo, no session");
    assert!(!pair.send(A));
    pair.settle();
    assert!(pair.is_up(A) && pair.is_up(B));
    assert!(pair.send(A));
    pair.settle();
    assert_eq!(pair.sides[B].delivered_ever, 1);
}

#[test]
fn t3_after_a_false_verdict_the_same_register_is_not_delivered_again() {
    // Misreading: the epoch is kept after a timeout.
    let mut pair = Pair::up();
    pair.send(A);
    pair.settle();
    assert_eq!(pair.sides[B].delivered_ever, 1);
    pair.verdict(B);
    let shown = pair.sides[B].mailbox.clone();
    pair.show(B, &shown);
    assert!(!pair.is_up(B));
    assert_eq!(pair.sides[B].delivered_ever, 1);
    pair.settle();
    assert!(pair.is_up(A) && pair.is_up(B));
}

#[test]
fn t4_an_older_register_seen_after_a_newer_one_brings_nothing_back() {
    // Misreading: the epoch is kept when the peer's from-epoch changes. The counterexample also
    // needs reads out of order.
    let mut pair = Pair::up();
    pair.send(A);
    pair.settle();
    let old = pair.sides[B].mailbox.clone();
    pair.restart(A);
    pair.settle();
    pair.send(A);
    pair.settle();
    let new = pair.sides[B].mailbox.clone();
    let delivered = pair.sides[B].delivered_ever;
    for shown in [&old, &new, &old, &new] {
        pair.show(B, shown);
    }
    assert_eq!(pair.sides[B].delivered_ever, delivered);
}

#[test]
fn t5_an_introduction_repeated_after_the_hellos_loses_none_of_them() {
    // Misreading: an introduction recreates the mailbox, which erases the only hello.
    let mut pair = Pair::introduced();
    pair.settle_one(A);
    pair.settle_one(B);
    pair.introduce(A);
    assert!(!pair.sides[A].mailbox.is_empty());
    pair.settle();
    assert!(pair.is_up(A) && pair.is_up(B));
}

#[test]
fn t5_an_erased_mailbox_recovers_within_beats() {
    let mut pair = Pair::up();
    pair.send(A);
    assert!(pair.submit(A) && pair.serve(A));
    pair.sides[B].mailbox.clear();
    pair.tick_until(6, |pair| pair.sides[B].delivered_ever == 1);
    pair.sides[A].mailbox.clear();
    pair.tick_until(6, |pair| pair.sides[A].end.all_acked());
}

#[test]
fn t6_two_refused_hellos_are_not_the_end() {
    // Misreading: the side that starts second can use the other's mailbox. A permission for a domid
    // that does not exist is void, so the hello timer sets the permissions again.
    let mut pair = Pair::introduced();
    pair.sides[A].is_open = false;
    pair.sides[B].is_open = false;
    pair.settle();
    assert!(!pair.is_up(A) && !pair.is_up(B));
    pair.tick_until(4, |pair| pair.is_up(A) && pair.is_up(B));
}

#[test]
fn t7_a_peer_that_died_and_came_back_unnoticed_is_found_out_by_its_hello() {
    let mut pair = Pair::up();
    pair.replace(B);
    // Only B is introduced: A's event is lost, and its introduction names the same domid.
    pair.introduce(B);
    pair.tick_until(8, |pair| pair.is_up(A) && pair.is_up(B));
    assert_eq!(pair.downs(A), [DownReason::PeerRestarted]);
}

#[test]
fn t7_a_dead_peer_without_a_home_is_detected_by_the_next_beat() {
    let mut pair = Pair::up();
    pair.replace(B);
    pair.tick();
    pair.tick();
    assert_eq!(pair.downs(A), [DownReason::WriteRefused]);
}

#[test]
fn t8_two_ends_that_are_up_and_have_nothing_to_say_write_nothing_but_beats() {
    // Misreading: every changed register is answered, or messages that are still visible are
    // acknowledged again.
    let mut pair = Pair::up();
    pair.send(A);
    pair.send(B);
    pair.settle();
    for _ in 0..4 {
        pair.tick();
    }
    assert!(pair.end(A).all_acked() && pair.end(B).all_acked());
    let writes = pair.sides[A].writes + pair.sides[B].writes;
    pair.end(A).handle_hint();
    pair.end(B).handle_hint();
    pair.settle();
    assert_eq!(pair.sides[A].writes + pair.sides[B].writes, writes);
}

#[test]
fn an_old_write_that_lands_after_a_restart_does_no_harm() {
    let mut pair = Pair::up();
    pair.send(A);
    assert!(pair.submit(A));
    pair.restart(A);
    // The register of the former epoch is written and answered now.
    assert!(pair.serve(A));
    pair.settle();
    assert!(pair.is_up(A) && pair.is_up(B));
    assert_eq!(pair.sides[A].unknown.len(), 1);
}

#[test]
fn an_answer_to_the_former_lifes_write_says_nothing_about_the_new_one() {
    let mut pair = Pair::up();
    pair.send(A);
    assert!(pair.submit(A));
    pair.restart(A);
    let now = pair.now;
    pair.forget_flights(A);
    let mut epochs = crate::testing::Counter(1000);
    pair.end(A).handle_written(now, WriteOutcome::Done, &mut epochs);
    assert_eq!(pair.end(A).stored().0, 0);
    // Permissions and the READ come first; the hello is still pending.
    let mut requests = std::vec::Vec::new();
    while let Some(request) = pair.end(A).poll_request() {
        requests.push(request);
        pair.submit(A);
        pair.serve(A);
        pair.answer(A);
    }
    assert!(requests.contains(&StoreRequest::Write));
}
