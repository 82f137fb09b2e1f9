//! Noticing a silent daemon: only silence while something is in flight counts, events do not break
//! it, the doorbell is rung once more at half the bound, and a late answer ends it.

mod common;

use common::Bench;
use xenbus::Request;
use xenbus::fake::Reading;
use xenbus::stall::{Patience, StallState, Stalled};

const BOUND_NS: u64 = 1000;

fn silent() -> (Bench, Patience) {
    let mut bench = Bench::new();
    bench.daemon.reading = Reading::Off;
    bench.submit(Request::Read { path: "data" });
    bench.settle();
    (bench, Patience::new(BOUND_NS, 0))
}

#[test]
fn silence_is_named_when_the_bound_has_passed_and_not_before() {
    let (bench, mut patience) = silent();
    assert_eq!(patience.check(&bench.client, 499), StallState::Fine);
    assert_eq!(patience.deadline_ns(), 500);
    assert_eq!(patience.check(&bench.client, 500), StallState::RingAgain);
    assert_eq!(patience.check(&bench.client, 501), StallState::Fine, "once is enough");
    assert_eq!(patience.deadline_ns(), 1000);
    assert_eq!(patience.check(&bench.client, 999), StallState::Fine);
    let stalled = Stalled { waited_ns: 1000, in_flight: 1 };
    assert_eq!(patience.check(&bench.client, 1000), StallState::Stalled(stalled));
}

#[test]
fn time_with_nothing_in_flight_does_not_count() {
    let mut bench = Bench::new();
    let mut patience = Patience::new(BOUND_NS, 0);
    assert_eq!(patience.check(&bench.client, 900), StallState::Fine);
    bench.daemon.reading = Reading::Off;
    bench.submit(Request::Read { path: "data" });
    bench.settle();
    assert_eq!(patience.check(&bench.client, 1399), StallState::Fine);
    assert_eq!(patience.check(&bench.client, 1400), StallState::RingAgain);
}

#[test]
fn events_do_not_hide_that_nothing_is_answered() {
    let (mut bench, mut patience) = silent();
    bench.daemon.inject_event("data", "t");
    bench.daemon.serve(&mut bench.page);
    assert_eq!(bench.settle().len(), 1);
    assert!(matches!(patience.check(&bench.client, 1000), StallState::Stalled(_)));
}

#[test]
fn an_answer_after_all_ends_the_stall() {
    let (mut bench, mut patience) = silent();
    assert!(matches!(patience.check(&bench.client, 5000), StallState::Stalled(_)));
    bench.daemon.reading = Reading::On;
    bench.client.ring_again();
    assert_eq!(bench.settle().len(), 1);
    assert_eq!(patience.check(&bench.client, 5001), StallState::Fine);
    assert_eq!(bench.client.in_flight(), 0);
}

#[test]
fn some_answers_keep_the_rest_from_counting_as_a_stall() {
    let (mut bench, mut patience) = silent();
    bench.daemon.reading = Reading::On;
    bench.client.ring_again();
    bench.settle();
    bench.daemon.reading = Reading::Off;
    bench.submit(Request::Read { path: "data" });
    bench.settle();
    assert_eq!(patience.check(&bench.client, 999), StallState::Fine);
    assert_eq!(patience.check(&bench.client, 1498), StallState::Fine);
    assert!(matches!(patience.check(&bench.client, 1999), StallState::Stalled(_)));
}

#[test]
fn what_a_live_update_held_back_is_answered_after_it() {
    let (mut bench, mut patience) = silent();
    bench.submit(Request::TransactionStart);
    bench.submit(Request::Watch { path: "data", token: "t" });
    assert_eq!(bench.settle(), []);
    assert_eq!(patience.check(&bench.client, 400), StallState::Fine);
    // The new daemon looks at every ring by itself; our doorbell went to the old one.
    bench.daemon.reading = Reading::On;
    bench.daemon.serve(&mut bench.page);
    bench.client.woke();
    let got = bench.settle();
    assert_eq!(got.len(), 4, "three replies and the first event of the watch");
    assert_eq!(patience.check(&bench.client, 401), StallState::Fine);
    assert_eq!((bench.daemon.watches(), bench.daemon.transactions()), (1, 1));
}
