//! A daemon that lies, floods, mumbles or gives up. Whatever is on the page, the client ends with
//! a reason or goes on; it never panics, never hangs, and never reads what was not written.

mod common;

use common::{Bench, Got, packet};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_oneof, proptest};
use xenbus::decoder::Decoder;
use xenbus::error::{Malformed, Reported};
use xenbus::fake::{FakePage, Flavour};
use xenbus::path::check_path;
use xenbus::wire::op;
use xenbus::{
    Cause, Client, Ended, ReconnectError, Refusal, Reply, Request, RequestKind, RingPage, RingWord,
    SubmitError, TransactionId, WatchEvent,
};

/// A client with one request under way and nothing answered.
fn waiting() -> (Bench, u32) {
    let mut bench = Bench::new();
    let id = bench.submit(Request::Read { path: "a" });
    bench.round();
    bench.daemon_reads();
    (bench, id.number())
}

#[track_caller]
fn ends_with(mut bench: Bench, ended: Ended) {
    assert_eq!(bench.round().0, []);
    assert_eq!(bench.client.ended(), Some(ended));
    let request = Request::Read { path: "a" };
    let error = bench.client.submit(TransactionId::NONE, request);
    assert_eq!(error, Err(SubmitError::Ended(ended)));
    assert_eq!(bench.round(), (vec![], false), "an ended client stays quiet");
}

#[test]
fn a_reply_index_that_claims_more_than_a_ring_ends_the_client() {
    for lie in [1025, 5000, u32::MAX] {
        let (mut bench, _) = waiting();
        bench.page.store(RingWord::ReplyProducer, lie);
        ends_with(bench, Ended::ReplyIndex { used: lie });
    }
}

#[test]
fn a_reply_index_that_goes_back_ends_the_client() {
    let (mut bench, _) = waiting();
    bench.daemon_writes(&packet(op::WATCH_EVENT, 0, b"a\0t\0"));
    assert_eq!(bench.round().0.len(), 1);
    bench.page.store(RingWord::ReplyProducer, 19);
    ends_with(bench, Ended::ReplyIndex { used: u32::MAX });
}

#[test]
fn a_request_index_that_took_what_was_never_sent_ends_the_client() {
    let mut bench = Bench::new();
    bench.round();
    bench.submit(Request::ResetWatches);
    bench.page.store(RingWord::RequestConsumer, 1);
    ends_with(bench, Ended::RequestIndex { used: u32::MAX });
}

#[test]
fn a_packet_that_announces_too_much_ends_the_client() {
    let (mut bench, id) = waiting();
    let mut header = packet(op::READ, id, b"");
    header[12..].copy_from_slice(&4097u32.to_le_bytes());
    bench.daemon_writes(&header);
    ends_with(bench, Ended::PacketTooLong { bytes: 4097 });
}

#[test]
fn indices_that_somebody_zeroed_end_the_client_and_starting_again_leads_on() {
    let mut bench = Bench::new();
    assert!(bench.ask(Request::Read { path: "data" }).is_ok());
    for word in [
        RingWord::RequestConsumer,
        RingWord::RequestProducer,
        RingWord::ReplyConsumer,
        RingWord::ReplyProducer,
    ] {
        bench.page.store(word, 0);
    }
    bench.submit(Request::Read { path: "data" });
    assert_eq!(bench.round().0, []);
    assert_eq!(bench.client.ended(), Some(Ended::RingReset));
    bench.client.start(99);
    assert_eq!(bench.client.ended(), None);
    assert!(bench.ask(Request::Read { path: "data" }).is_ok());
}

#[test]
fn what_the_daemon_reports_ends_the_client_by_name() {
    let codes = [
        (1, Reported::Communication, Cause::DaemonFailed),
        (2, Reported::RingIndex, Cause::Invalid),
        (3, Reported::Protocol, Cause::Invalid),
        (9, Reported::Other(9), Cause::DaemonFailed),
    ];
    for (code, reported, cause) in codes {
        let (mut bench, _) = waiting();
        bench.page.store(RingWord::ServerFeatures, 2);
        bench.page.store(RingWord::Error, code);
        let ended = Ended::Reported(reported);
        assert_eq!(ended.cause(), cause);
        ends_with(bench, ended);
    }
}

#[test]
fn the_error_word_means_nothing_where_the_daemon_does_not_offer_it() {
    let mut bench = Bench::of(Flavour::Ocaml);
    bench.page.store(RingWord::Error, 3);
    assert!(bench.ask(Request::Read { path: "data" }).is_ok());
}

#[test]
fn replies_that_nobody_waits_for_are_dropped_and_counted() {
    let (mut bench, id) = waiting();
    let stale = packet(op::READ, id.wrapping_sub(1), b"old");
    let nobody = packet(op::ERROR, 0, b"EIO\0");
    let reply = packet(op::READ, id, b"new");
    bench.daemon_writes(&[stale, nobody, reply.clone(), reply].concat());
    let (got, _) = bench.round();
    assert_eq!(got.len(), 1, "and the same reply does not count twice");
    assert_eq!(bench.client.counts().unknown_replies, 3);
    assert_eq!(bench.client.ended(), None);
}

#[test]
fn a_reply_to_a_request_before_the_start_is_dropped() {
    let (mut bench, id) = waiting();
    bench.client.start(id.wrapping_add(1000));
    bench.daemon_writes(&packet(op::READ, id, b"old"));
    assert_eq!(bench.round().0, []);
    assert_eq!(bench.client.counts().unknown_replies, 1);
}

#[test]
fn a_reply_of_another_kind_is_named_and_the_client_goes_on() {
    let (mut bench, id) = waiting();
    bench.daemon_writes(&packet(op::WRITE, id, b"OK\0"));
    let (got, _) = bench.round();
    let expected = Refusal::Malformed(Malformed::Kind { op: op::WRITE });
    assert_eq!(got[0].result(), Err(expected));
    assert_eq!(expected.cause(), Cause::DaemonBrokeProtocol);
    assert!(bench.ask(Request::Read { path: "data" }).is_ok());
}

#[test]
fn an_event_that_is_none_is_dropped_and_counted() {
    let (mut bench, id) = waiting();
    let bad = packet(op::WATCH_EVENT, 0, b"no-token\0");
    bench.daemon_writes(&[bad, packet(op::READ, id, b"")].concat());
    let (got, _) = bench.round();
    assert!(matches!(got[..], [Got::Reply { .. }]));
    assert_eq!(bench.client.counts().malformed_packets, 1);
}

/// A page on which the daemon always has one more packet that nobody waits for.
struct Flood {
    page: FakePage,
}

impl RingPage for Flood {
    fn load(&self, word: RingWord) -> u32 {
        match word {
            RingWord::ReplyProducer => self.page.load(RingWord::ReplyConsumer).wrapping_add(16),
            _ => self.page.load(word),
        }
    }

    fn store(&mut self, word: RingWord, value: u32) {
        self.page.store(word, value);
    }

    fn copy_from(&self, _: usize, into: &mut [u8]) {
        into.fill(0);
    }

    fn copy_to(&mut self, _: usize, _: &[u8]) {}

    fn full_barrier(&self) {}
}

#[test]
fn an_endless_flood_ends_the_client_instead_of_the_domain() {
    let mut client = Client::new();
    client.start(5);
    assert_eq!(client.advance(&mut Flood { page: FakePage::new() }), None);
    assert_eq!(client.ended(), Some(Ended::Flooded));
}

#[test]
fn nothing_but_the_connection_word_is_looked_at_while_the_ring_is_reset() {
    let mut bench = Bench::new();
    bench.page.store(RingWord::Connection, 1);
    bench.page.store(RingWord::ReplyProducer, 50_000);
    bench.page.store(RingWord::Error, 7);
    bench.submit(Request::Read { path: "data" });
    assert_eq!(bench.round(), (vec![], false));
    assert!(!bench.client.is_running());
    assert_eq!(bench.client.ended(), None);
    bench.page.store(RingWord::ReplyProducer, 0);
    bench.page.store(RingWord::Error, 0);
    bench.page.store(RingWord::Connection, 0);
    assert_eq!(bench.round(), (vec![], true), "the request was kept");
    assert!(bench.client.is_running());
    bench.daemon.serve(&mut bench.page);
    assert_eq!(bench.settle().len(), 1);
}

#[test]
fn the_ring_is_reset_where_the_daemon_offers_it() {
    let mut bench = Bench::of(Flavour::Ocaml);
    assert!(bench.ask(Request::Watch { path: "data", token: "t" }).is_ok());
    assert_eq!(bench.daemon.watches(), 1);
    // The daemon's index lies: the client ends, and finds its way back.
    bench.page.store(RingWord::ReplyProducer, 99_999);
    assert_eq!(bench.round().0, []);
    assert!(matches!(bench.client.ended(), Some(Ended::ReplyIndex { .. })));
    assert_eq!(bench.client.reconnect(&mut bench.page), Ok(()));
    assert!(bench.ask(Request::Read { path: "data" }).is_ok());
    assert_eq!(bench.daemon.watches(), 0, "watches have to be set again");
    assert_eq!(bench.client.counts().reconnects, 1);
}

#[test]
fn the_ring_is_not_reset_where_the_daemon_does_not_offer_it() {
    let mut bench = Bench::of(Flavour::C);
    assert!(bench.ask(Request::Read { path: "data" }).is_ok());
    let error = bench.client.reconnect(&mut bench.page);
    assert_eq!(error, Err(ReconnectError::NotOffered));
    assert!(bench.ask(Request::Read { path: "data" }).is_ok(), "and nothing was lost");
}

/// What a hostile daemon does next.
#[derive(Clone, Debug)]
enum Act {
    /// Puts bytes into the ring, as many as have room.
    Bytes(Vec<u8>),
    /// Puts a packet with a valid header and any payload.
    Packet { op: u32, request: u32, payload: Vec<u8> },
    /// Takes what was sent.
    Take,
    /// Writes a word.
    Word(RingWord, u32),
    /// Makes the guest ask for something.
    Ask(u8),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let words = prop_oneof![
        Just(RingWord::RequestConsumer),
        Just(RingWord::RequestProducer),
        Just(RingWord::ReplyConsumer),
        Just(RingWord::ReplyProducer),
        Just(RingWord::ServerFeatures),
        Just(RingWord::Connection),
        Just(RingWord::Error),
    ];
    let act = prop_oneof![
        4 => vec(any::<u8>(), 0..40).prop_map(Act::Bytes),
        8 => (0u32..24, 0u32..40, vec(any::<u8>(), 0..60))
            .prop_map(|(op, request, payload)| Act::Packet { op, request, payload }),
        4 => Just(Act::Take),
        1 => (words, any::<u32>()).prop_map(|(word, value)| Act::Word(word, value)),
        8 => any::<u8>().prop_map(Act::Ask),
    ];
    vec(act, 0..60)
}

fn request(number: u8) -> Request<'static> {
    let path = "data/x";
    match number % 9 {
        0 => Request::Read { path },
        1 => Request::Write { path, value: &[7; 1100] },
        2 => Request::Directory { path },
        3 => Request::DirectoryPart { path, offset: 3 },
        4 => Request::GetPermissions { path },
        5 => Request::TransactionStart,
        6 => Request::GetDomainPath(xenbus::DomId(1)),
        7 => Request::IsDomainIntroduced(xenbus::DomId(1)),
        _ => Request::ResetWatches,
    }
}

proptest! {
    #[test]
    fn no_act_of_the_daemon_makes_the_client_panic_or_spin(acts in acts()) {
        let mut bench = Bench::new();
        bench.client.start(1);
        for act in acts {
            match act {
                Act::Bytes(bytes) => bench.daemon_writes(&bytes),
                Act::Packet { op, request, payload } => {
                    bench.daemon_writes(&packet(op, request, &payload));
                }
                Act::Take => {
                    let taken = bench.page.load(RingWord::RequestProducer);
                    bench.page.store(RingWord::RequestConsumer, taken);
                }
                Act::Word(word, value) => bench.page.store(word, value),
                Act::Ask(number) => {
                    let _ = bench.client.submit(TransactionId::NONE, request(number));
                }
            }
            let mut packets = 0;
            while let Some(incoming) = bench.client.advance(&mut bench.page) {
                let _ = Got::of(&incoming);
                packets += 1;
                prop_assert!(packets <= 1024 / 16 + 1);
            }
            bench.client.doorbell_due();
        }
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in vec(any::<u8>(), 0..300)) {
        for kind in RequestKind::ALL {
            if let Ok(reply) = Reply::parse(kind, &bytes) {
                let _ = format!("{reply:?}");
                match reply {
                    Reply::Names(names) => prop_assert!(names.count() <= bytes.len()),
                    Reply::Part(part) => prop_assert!(part.names.count() <= bytes.len()),
                    Reply::Permissions(list) => prop_assert!(list.count() <= bytes.len()),
                    _ => {}
                }
            }
        }
        let _ = WatchEvent::parse(&bytes);
        let name = Refusal::parse(&bytes);
        prop_assert!(name.name().len() <= 24);
        let _ = check_path(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_stream_gives_the_same_packets_however_it_is_cut(
        lengths in vec(0usize..200, 1..8),
        cuts in vec(1usize..90, 1..40),
    ) {
        let packets: Vec<Vec<u8>> = lengths
            .iter()
            .zip(1u32..)
            .map(|(length, id)| packet(op::READ, id, &common::pattern(*length)))
            .collect();
        let stream = packets.concat();
        let mut decoder = Decoder::new();
        let mut decoded = Vec::new();
        let mut rest = &stream[..];
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let (piece, _) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            let (taken, progress) = decoder.feed(piece);
            rest = &rest[taken..];
            if progress == Ok(xenbus::decoder::Progress::Complete) {
                decoded.push([&decoder.header().emit()[..], decoder.payload()].concat());
                decoder.reset();
            }
        }
        prop_assert!(decoded == packets);
    }
}
