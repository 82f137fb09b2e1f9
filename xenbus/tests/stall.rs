//! Noticing a silent daemon: only silence while something is in flight counts, events do not break
//! it, the doorbell is rung once more at half the bound, and a late answer ends it.

mod common;

use common::Bench;
use xenbus::Request;
use xenbus::fake::Reading;
use xenbus::stall::{Patience, Stalled, Verdict};

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
    assert_eq!(patience.look(&bench.client, 499), Verdict::Fine);
    assert_eq!(patience.deadline_ns(), 500);
    assert_eq!(patience.look(&bench.client, 500), Verdict::RingAgain);
    assert_eq!(patience.look(&bench.client, 501), Verdict::Fine, "once is enough");
    assert_eq!(patience.deadline_ns(), 1000);
    assert_eq!(patience.look(&bench.client, 999), Verdict::Fine);
    let stalled = Stalled { waited_ns: 1000, in_flight: 1 };
    assert_eq!(patience.look(&bench.client, 1000), Verdict::Stalled(stalled));
}

#[test]
fn time_with_nothing_in_flight_does_not_count() {
    let mut bench = Bench::new();
    let mut patience = Patience::new(BOUND_NS, 0);
    assert_eq!(patience.look(&bench.client, 900), Verdict::Fine);
    bench.daemon.reading = Reading::Off;
    bench.submit(Request::Read { path: "data" });
    bench.settle();
    assert_eq!(patience.look(&bench.client, 1399), Verdict::Fine);
    assert_eq!(patience.look(&bench.client, 1400), Verdict::RingAgain);
}

#[test]
fn events_do_not_hide_that_nothing_is_answered() {
    let (mut bench, mut patience) = silent();
    bench.daemon.inject_event("data", "t");
    bench.daemon.serve(&mut bench.page);
    assert_eq!(bench.settle().len(), 1);
    assert!(matches!(patience.look(&bench.client, 1000), Verdict::Stalled(_)));
}

#[test]
fn an_answer_after_all_ends_the_stall() {
    let (mut bench, mut patience) = silent();
    assert!(matches!(patience.look(&bench.client, 5000), Verdict::Stalled(_)));
    bench.daemon.reading = Reading::On;
    bench.client.ring_again();
    assert_eq!(bench.settle().len(), 1);
    assert_eq!(patience.look(&bench.client, 5001), Verdict::Fine);
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
    assert_eq!(patience.look(&bench.client, 999), Verdict::Fine);
    assert_eq!(patience.look(&bench.client, 1498), Verdict::Fine);
    assert!(matches!(patience.look(&bench.client, 1999), Verdict::Stalled(_)));
}

#[test]
fn what_a_live_update_held_back_is_answered_after_it() {
    let (mut bench, mut patience) = silent();
    bench.submit(Request::TransactionStart);
    bench.submit(Request::Watch { path: "data", token: "t" });
    assert_eq!(bench.settle(), []);
    assert_eq!(patience.look(&bench.client, 400), Verdict::Fine);
    // The new daemon looks at every ring by itself; our doorbell went to the old one.
    bench.daemon.reading = Reading::On;
    bench.daemon.serve(&mut bench.page);
    bench.client.woke();
    let got = bench.settle();
    assert_eq!(got.len(), 4, "three replies and the first event of the watch");
    assert_eq!(patience.look(&bench.client, 401), Verdict::Fine);
    assert_eq!((bench.daemon.watches(), bench.daemon.transactions()), (1, 1));
}
