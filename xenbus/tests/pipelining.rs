//! Many requests at once: one doorbell, replies in any order, events in between, a limit of our
//! own well below the daemon's, and numbers that add up.

mod common;

use common::{Bench, Got, Said, packet, pattern};
use xenbus::fake::{Reading, ReplyOrder};
use xenbus::wire::op;
use xenbus::{IN_FLIGHT_MAX, Request, RequestId, RequestKind, SubmitError, TransactionId};

const NONE: TransactionId = TransactionId::NONE;

fn eight_reads(bench: &mut Bench) -> Vec<(RequestId, Vec<u8>)> {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for name in names {
        bench.daemon.set(&format!("/local/domain/1/data/{name}"), name.as_bytes());
    }
    let submit = |name: &str| {
        let id = bench.submit(Request::Read { path: &format!("data/{name}") });
        (id, name.as_bytes().to_vec())
    };
    names.map(submit).into()
}

#[test]
fn eight_reads_go_out_behind_one_doorbell() {
    let mut bench = Bench::new();
    let asked = eight_reads(&mut bench);
    let got = bench.settle();
    assert_eq!(bench.doorbells, 1);
    assert_eq!(bench.client.counts().doorbells, 1);
    assert_eq!(got.len(), asked.len());
    for (got, (id, value)) in got.iter().zip(asked) {
        assert_eq!((got.id(), got.result()), (id, Ok(Said::Value(value))));
    }
}

#[test]
fn replies_find_their_requests_in_any_order() {
    let mut bench = Bench::new();
    bench.daemon.order = ReplyOrder::Reversed;
    let asked = eight_reads(&mut bench);
    let got = bench.settle();
    assert_eq!(got.len(), asked.len());
    for (got, (id, value)) in got.iter().zip(asked.into_iter().rev()) {
        assert_eq!((got.id(), got.result()), (id, Ok(Said::Value(value))));
    }
}

#[test]
fn no_doorbell_while_the_daemon_still_has_something_to_read() {
    let mut bench = Bench::new();
    bench.submit(Request::Read { path: "a" });
    assert_eq!(bench.round(), (vec![], true));
    bench.submit(Request::Read { path: "b" });
    assert_eq!(bench.round(), (vec![], false), "it has not read the first one yet");
    bench.daemon_reads();
    bench.submit(Request::Read { path: "c" });
    assert_eq!(bench.round(), (vec![], true), "it has read all and may sleep");
    assert_eq!(bench.client.counts().doorbells_saved, 1);
}

#[test]
fn sixteen_requests_may_be_in_flight_and_the_next_waits_for_a_reply() {
    let mut bench = Bench::new();
    let ids: Vec<RequestId> =
        (0..IN_FLIGHT_MAX).map(|_| bench.submit(Request::Read { path: "data" })).collect();
    let one_more = Request::Read { path: "data" };
    assert_eq!(bench.client.submit(NONE, one_more), Err(SubmitError::Full));
    assert_eq!(bench.client.in_flight(), IN_FLIGHT_MAX);
    bench.round();
    bench.daemon_reads();
    bench.daemon_writes(&packet(op::READ, ids[7].number(), b""));
    bench.round();
    assert!(bench.client.submit(NONE, one_more).is_ok());
    assert_eq!(bench.client.counts().back_pressure, 1);
}

#[test]
fn bytes_beyond_the_buffer_are_back_pressure_and_flow_later() {
    let mut bench = Bench::new();
    bench.daemon.reading = Reading::Off;
    let value = pattern(2000);
    let mut accepted = 0;
    let full = loop {
        let write = Request::Write { path: "data/x", value: &value };
        match bench.client.submit(NONE, write) {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
        bench.round();
    };
    assert_eq!(full, SubmitError::Full);
    assert!(accepted < IN_FLIGHT_MAX, "the buffer was full before the table");
    assert_eq!(bench.client.in_flight(), accepted);
    bench.daemon.reading = Reading::On;
    bench.client.ring_again();
    let got = bench.settle();
    assert_eq!(got.len(), accepted);
    assert!(got.iter().all(|got| got.result() == Ok(Said::Done)));
    assert_eq!(bench.daemon.value("/local/domain/1/data/x"), Some(&value[..]));
}

#[test]
fn a_request_without_room_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let value = pattern(4000);
    let write = |path| Request::Write { path, value: &value };
    bench.submit(write("a"));
    bench.submit(write("b"));
    assert_eq!(bench.client.submit(NONE, write("c")), Err(SubmitError::Full));
    bench.submit(Request::Read { path: "d" });
    let mut sent = Vec::new();
    while bench.round().1 {
        sent.extend(bench.daemon_reads());
    }
    let tail = packet(op::READ, 0x7000_0003, b"d\0");
    assert!(sent.ends_with(&tail));
    assert_eq!(sent.len(), 2 * (16 + 2 + 4000) + tail.len());
}

#[test]
fn the_buffer_holds_exactly_what_it_holds() {
    // Two packets of 4096 bytes each, headers included, fill it to the last byte.
    let value = pattern(4096 - 16 - 2);
    let mut bench = Bench::new();
    bench.submit(Request::Write { path: "a", value: &value });
    let longer = pattern(value.len() + 1);
    let one_too_many = Request::Write { path: "b", value: &longer };
    assert_eq!(bench.client.submit(NONE, one_too_many), Err(SubmitError::Full));
    let id = bench.submit(Request::Write { path: "b", value: &value });
    assert_eq!(bench.client.submit(NONE, Request::ResetWatches), Err(SubmitError::Full));
    let mut sent = Vec::new();
    while bench.round().1 {
        sent.extend(bench.daemon_reads());
    }
    assert_eq!(sent.len(), 8192);
    let last = packet(op::WRITE, id.number(), &[b"b\0", &value[..]].concat());
    assert!(sent.ends_with(&last));
}

#[test]
fn events_pass_between_replies_without_disturbing_them() {
    let mut bench = Bench::new();
    let id = bench.submit(Request::Read { path: "a" });
    bench.round();
    bench.daemon_reads();
    let event = packet(op::WATCH_EVENT, 0, b"data/x\0t\0");
    let reply = packet(op::READ, id.number(), b"1");
    bench.daemon_writes(&[&event[..], &reply, &event].concat());
    let (got, _) = bench.round();
    let event = Got::Event { path: "data/x".into(), token: "t".into() };
    assert_eq!(got.len(), 3);
    assert_eq!((&got[0], &got[2]), (&event, &event));
    assert_eq!((got[1].id(), got[1].result()), (id, Ok(Said::Value(b"1".into()))));
}

#[test]
fn request_ids_skip_zero_and_those_under_way() {
    let mut bench = Bench::new();
    bench.client.start(u32::MAX);
    let path = "a";
    assert_eq!(bench.submit(Request::Read { path }).number(), u32::MAX);
    assert_eq!(bench.submit(Request::Read { path }).number(), 1, "zero is for events");
    bench.client.start(0);
    assert_eq!(bench.submit(Request::Read { path }).number(), 1);
}

#[test]
fn counts_say_what_was_asked_answered_and_woken_for() {
    let mut bench = Bench::new();
    assert_eq!(bench.ask(Request::Write { path: "data/x", value: b"1" }), Ok(Said::Done));
    assert!(bench.ask(Request::Read { path: "data/absent" }).is_err());
    bench.daemon.inject_event("data", "t");
    bench.daemon.serve(&mut bench.page);
    bench.client.woke();
    bench.settle();
    bench.client.woke();
    bench.settle();
    let counts = bench.client.counts();
    assert_eq!(counts.requests_of(RequestKind::Write), 1);
    assert_eq!(counts.requests_of(RequestKind::Read), 1);
    assert_eq!(counts.requests_total(), 2);
    assert_eq!((counts.replies, counts.refusals, counts.events), (2, 1, 1));
    assert_eq!((counts.wake_ups, counts.wake_ups_useful, counts.wake_ups_empty()), (2, 1, 1));
}
