//! Tests of rules S8 to S11 and Q of docs/protocol.md §4 and §5: an endpoint while it is up, and
//! the end of its session. Each test is named after its rule.

use super::pair::{A, B, BEAT, Pair, forged};
use crate::endpoint::{
    HeartbeatPath, ReadFailure, SendError, SessionEvent, StoreRequest, Timer, WriteOutcome,
};
use crate::event::{Breach, DetectedBy, DownReason};
use crate::instant::{Duration, Instant};
use crate::limits::PAGE_GRACE_DIVISOR;
use crate::register::Seq;
use crate::testing::Counter;

#[test]
fn s8_messages_arrive_once_and_in_order_whatever_is_read_again() {
    let mut pair = Pair::up();
    for _ in 0..20 {
        assert!(pair.send(A));
        assert!(pair.send(B));
        pair.settle();
        for side in [A, B] {
            let shown = pair.sides[side].mailbox.clone();
            pair.show(side, &shown);
        }
        pair.tick();
    }
    assert_eq!((pair.sides[A].delivered_ever, pair.sides[B].delivered_ever), (20, 20));
    assert!(pair.end(A).all_acked() && pair.end(B).all_acked());
}

#[test]
fn s8_reading_delivered_messages_again_causes_no_write() {
    let mut pair = Pair::up();
    pair.send(A);
    pair.settle();
    let shown = pair.sides[B].mailbox.clone();
    let writes = pair.sides[B].writes;
    for _ in 0..5 {
        pair.show(B, &shown);
    }
    assert_eq!(pair.sides[B].writes, writes);
}

#[test]
fn s8_an_acknowledgement_beyond_what_was_sent_is_a_breach() {
    let mut pair = Pair::up();
    let (my, peer) = (pair.end(A).epoch().bits(), pair.end(B).epoch().bits());
    pair.send(A);
    pair.show(A, &forged(peer, Some(my), 2, 1, &[]));
    assert_eq!(pair.downs(A), [DownReason::Protocol(Breach::AckBeyondSent)]);
    assert_eq!(pair.sides[A].unknown.len(), 1);
}

#[test]
fn s8_a_gap_is_a_breach() {
    let mut pair = Pair::up();
    let (my, peer) = (pair.end(A).epoch().bits(), pair.end(B).epoch().bits());
    pair.show(A, &forged(peer, Some(my), 0, 2, &["second"]));
    assert_eq!(pair.downs(A), [DownReason::Protocol(Breach::Gap)]);
    assert_eq!(pair.sides[A].delivered_ever, 0);
}

#[test]
fn s8_a_register_that_takes_up_and_breaks_the_protocol_at_once_is_never_announced() {
    let mut pair = Pair::new();
    pair.introduce(A);
    let my = pair.end(A).epoch().bits();
    pair.show(A, &forged(0x77, Some(my), 9, 1, &[]));
    assert!(!pair.is_up(A));
    assert!(pair.sides[A].events.is_empty());
    assert_ne!(pair.end(A).epoch().bits(), my, "the session that never was is over");
}

#[test]
fn s9_a_register_of_the_peer_that_is_not_addressed_to_this_session_is_ignored_while_up() {
    let mut pair = Pair::up();
    let peer = pair.end(B).epoch().bits();
    let before = pair.end(A).delivered();
    for to in [None, Some(0x99)] {
        pair.show(A, &forged(peer, to, 7, 9, &["stray"]));
        assert!(pair.is_up(A));
        assert_eq!(pair.end(A).delivered(), before);
    }
}

#[test]
fn s10_absent_empty_and_garbage_mailboxes_witness_nothing() {
    let mut pair = Pair::up();
    for value in [&b""[..], b"garbage", b"T1 ", &[0xff; 300]] {
        pair.show(A, value);
        assert!(pair.is_up(A));
    }
    pair.end(A).handle_hint();
    assert!(pair.submit(A));
    let now = pair.now;
    pair.end(A).handle_unread(now, ReadFailure::Absent);
    assert!(pair.is_up(A));
    assert_eq!(pair.end(A).poll_request(), Some(StoreRequest::RecreateMailbox), "made again");
}

#[test]
fn s10_a_mailbox_that_keeps_vanishing_is_made_again_so_often_and_then_rests() {
    let mut pair = Pair::up();
    let mut recreated = 0;
    for _ in 0..50 {
        pair.end(A).handle_hint();
        while let Some(request) = pair.end(A).poll_request() {
            recreated += u32::from(request == StoreRequest::RecreateMailbox);
            let now = pair.now;
            pair.end(A).handle_submitted(now, request);
            if request == StoreRequest::Read {
                pair.end(A).handle_unread(now, ReadFailure::Absent);
            }
            if request == StoreRequest::Write {
                pair.end(A).handle_written(now, WriteOutcome::Done, &mut Counter(1000));
            }
        }
    }
    assert_eq!(recreated, crate::limits::MENDS_MAX);
    assert!(pair.end(A).has_given_up_mending());
    let later = pair.now.after(BEAT.times(61));
    pair.end(A).handle_timeout(later);
    assert!(!pair.end(A).has_given_up_mending());
}

#[test]
fn s11_a_verdict_ends_a_session_and_hands_back_what_is_unacknowledged() {
    let mut pair = Pair::up();
    for _ in 0..3 {
        assert!(pair.send(A));
    }
    let epoch = pair.end(A).epoch();
    pair.verdict(A);
    assert_eq!(pair.downs(A), [DownReason::BeatsMissed]);
    assert_eq!(pair.sides[A].unknown.len(), 3);
    assert_ne!(pair.end(A).epoch(), epoch);
    assert!(pair.end(A).peer_epoch().is_some(), "the peer is kept");
}

#[test]
fn s11_a_verdict_on_an_end_that_is_not_up_changes_nothing() {
    let mut pair = Pair::introduced();
    let before = pair.end(A).clone();
    pair.verdict(A);
    assert_eq!(*pair.end(A), before);
}

#[test]
fn s11_a_refused_write_counts_only_if_it_carried_the_present_epoch() {
    let mut pair = Pair::up();
    pair.send(A);
    assert!(pair.submit(A));
    pair.verdict(A);
    pair.forget_flights(A);
    let epoch = pair.end(A).epoch();
    let (now, mut epochs) = (pair.now, Counter(1000));
    pair.end(A).handle_written(now, WriteOutcome::Refused, &mut epochs);
    assert_eq!(pair.end(A).epoch(), epoch, "the old life's refusal");
    pair.settle();
    assert!(pair.is_up(A));
    pair.send(A);
    assert!(pair.submit(A));
    let now = pair.now;
    pair.end(A).handle_written(now, WriteOutcome::Refused, &mut epochs);
    assert!(matches!(
        pair.end(A).poll_event(),
        Some(SessionEvent::Down {
            reason: DownReason::WriteRefused,
            detected_by: DetectedBy::Store
        })
    ));
}

#[test]
fn a_write_that_the_daemon_could_not_do_is_tried_again_after_a_while() {
    let mut pair = Pair::up();
    pair.send(A);
    assert!(pair.submit(A));
    let now = pair.now;
    pair.end(A).handle_written(now, WriteOutcome::Later, &mut Counter(1000));
    assert!(pair.is_up(A));
    assert_eq!(pair.end(A).poll_request(), None, "not at once");
    assert!(pair.end(A).timers().is_set(Timer::Retry));
    let later = now.after(BEAT.divided(4));
    pair.end(A).handle_timeout(later);
    assert_eq!(pair.end(A).poll_request(), Some(StoreRequest::Write));
}

#[test]
fn a_full_window_is_back_pressure_that_says_when_to_try_again() {
    let mut pair = Pair::up();
    for _ in 0..3 {
        assert!(pair.send(A));
    }
    let Err(SendError::Full { try_again }) = pair.end(A).send(b"one too many") else {
        panic!("three are the window")
    };
    assert!(try_again.since(pair.now) <= BEAT);
    pair.settle();
    pair.tick();
    assert!(pair.send(A), "acknowledged meanwhile");
}

#[test]
fn invalid_messages_are_refused_by_name() {
    let mut pair = Pair::new();
    assert_eq!(pair.end(A).send(b"x"), Err(SendError::NotUp));
    let mut pair = Pair::up();
    assert_eq!(pair.end(A).send(b""), Err(SendError::Length { limit: 58 }));
    assert_eq!(pair.end(A).send(&[b'x'; 59]), Err(SendError::Length { limit: 58 }));
    assert_eq!(pair.end(A).send(b"ab\n"), Err(SendError::NotPrintable { at: 2 }));
    assert_eq!(pair.end(A).send(b"ab"), Ok(Seq(1)));
}

#[test]
fn in_the_page_acknowledgements_cost_no_write_and_quiet_needs_no_read() {
    let mut pair = Pair::up();
    let now = pair.now;
    for side in [A, B] {
        pair.end(side).set_heartbeat_path(now, HeartbeatPath::Page);
    }
    assert!(pair.end(B).is_quiet());
    assert_eq!(pair.end(B).deadline(), Instant::NEVER);
    pair.send(A);
    pair.settle();
    assert_eq!(pair.sides[B].delivered_ever, 1);
    assert!(!pair.end(A).all_acked());
    let mut epochs = Counter(1000);
    pair.end(A).handle_page(now, Seq(0), Seq(1), &mut epochs);
    assert!(pair.end(A).all_acked() && pair.end(A).is_quiet());
}

#[test]
fn q_a_mailbox_that_was_lost_is_read_until_it_is_known_to_be_there() {
    let mut pair = Pair::up();
    let now = pair.now;
    pair.end(A).handle_hint();
    pair.end(A).handle_submitted(now, StoreRequest::Read);
    pair.end(A).handle_unread(now, ReadFailure::Absent);
    pair.end(A).set_heartbeat_path(now, HeartbeatPath::Page);
    // The daemon may refuse to recreate it because of a quota.
    pair.end(A).handle_submitted(now, StoreRequest::RecreateMailbox);
    let later = now.after(BEAT);
    assert!(pair.end(A).deadline() <= later);
    pair.end(A).handle_timeout(later);
    assert!(!pair.end(A).is_quiet());
    let requests = core::iter::from_fn(|| {
        let request = pair.end(A).poll_request()?;
        pair.end(A).handle_submitted(later, request);
        Some(request)
    });
    assert!(requests.take(3).any(|request| request == StoreRequest::Read));
}

#[test]
fn q_a_message_announced_in_the_page_is_read_without_its_event_and_a_lie_only_once() {
    let mut pair = Pair::up();
    let (now, mut epochs) = (pair.now, Counter(1000));
    pair.end(A).set_heartbeat_path(now, HeartbeatPath::Page);
    pair.end(A).handle_page(now, Seq(1), Seq(0), &mut epochs);
    assert_eq!(pair.end(A).poll_request(), None, "the event has its chance");
    let grace = now.after(BEAT.divided(PAGE_GRACE_DIVISOR));
    assert_eq!(pair.end(A).deadline(), grace);
    pair.end(A).handle_timeout(grace);
    assert_eq!(pair.end(A).poll_request(), Some(StoreRequest::Read));
    pair.settle_one(A);
    pair.end(A).handle_page(grace, Seq(1), Seq(0), &mut epochs);
    assert_eq!(pair.end(A).poll_request(), None, "at the pace of beats from now on");
    assert!(!pair.end(A).is_quiet());
}

#[test]
fn q_a_message_that_its_event_has_brought_is_not_read_again_for_the_page() {
    let mut pair = Pair::up();
    let (now, mut epochs) = (pair.now, Counter(1000));
    for side in [A, B] {
        pair.end(side).set_heartbeat_path(now, HeartbeatPath::Page);
    }
    pair.end(B).handle_page(now, Seq(1), Seq(0), &mut epochs);
    pair.send(A);
    pair.settle();
    assert_eq!(pair.sides[B].delivered_ever, 1);
    pair.end(B).handle_timeout(now.after(BEAT.divided(PAGE_GRACE_DIVISOR)));
    assert_ne!(pair.end(B).poll_request(), Some(StoreRequest::Read));
}

#[test]
fn q_an_acknowledgement_in_the_page_beyond_what_was_sent_is_a_breach() {
    let mut pair = Pair::up();
    let (now, mut epochs) = (pair.now, Counter(1000));
    pair.end(A).set_heartbeat_path(now, HeartbeatPath::Page);
    pair.end(A).handle_page(now, Seq(0), Seq(1), &mut epochs);
    assert!(matches!(
        pair.end(A).poll_event(),
        Some(SessionEvent::Down { detected_by: DetectedBy::Page, .. })
    ));
}

#[test]
#[should_panic(expected = "drain rule")]
fn an_event_that_is_not_taken_before_the_next_input_is_a_mistake() {
    let mut pair = Pair::up();
    let (now, mut epochs) = (pair.now, Counter(1000));
    pair.end(A).handle_peer_failure(now, DownReason::Fenced, DetectedBy::Page, &mut epochs);
    pair.end(A).handle_timeout(now.after(Duration::from_milliseconds(1)));
}
