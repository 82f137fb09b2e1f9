//! Messages longer than the ring, cut at every byte, at every place of the ring and across the
//! wrap of the free-running indices.

mod common;

use common::{Bench, Got, Said, packet, pattern};
use xenbus::decoder::{Decoder, Progress};
use xenbus::wire::op;
use xenbus::{Ended, Request, RingPage, RingWord};

/// A value of this length makes the longest reply that there is.
const LONGEST: usize = 4096;

#[test]
fn a_packet_cut_at_any_byte_arrives_whole() {
    let payload = pattern(40);
    let bytes = packet(op::READ, 9, &payload);
    for cut in 0..=bytes.len() {
        let mut decoder = Decoder::new();
        let (first, second) = bytes.split_at(cut);
        let (taken, progress) = decoder.feed(first);
        assert_eq!(taken, cut);
        let whole = cut == bytes.len();
        assert_eq!(progress, Ok(if whole { Progress::Complete } else { Progress::Partial }));
        if !whole {
            assert_eq!(decoder.feed(second), (second.len(), Ok(Progress::Complete)));
        }
        assert_eq!(decoder.header().request, 9);
        assert_eq!(decoder.payload(), payload);
    }
}

#[test]
fn a_decoder_takes_no_byte_of_the_next_packet() {
    let bytes = [packet(op::READ, 1, b"one"), packet(op::READ, 2, b"")].concat();
    let mut decoder = Decoder::new();
    assert_eq!(decoder.feed(&bytes), (19, Ok(Progress::Complete)));
    assert_eq!(decoder.feed(&bytes[19..]), (0, Ok(Progress::Complete)));
    decoder.reset();
    assert_eq!(decoder.feed(&bytes[19..]), (16, Ok(Progress::Complete)));
    assert_eq!(decoder.header().request, 2);
}

#[test]
fn a_packet_may_announce_4096_bytes_and_not_one_more() {
    let mut decoder = Decoder::new();
    let longest = packet(op::READ, 1, &pattern(LONGEST));
    assert_eq!(decoder.feed(&longest), (longest.len(), Ok(Progress::Complete)));
    for length in [4097, u32::MAX] {
        let mut header = packet(op::READ, 1, b"");
        header[12..].copy_from_slice(&length.to_le_bytes());
        let expected = Err(Ended::PacketTooLong { bytes: length });
        assert_eq!(Decoder::new().feed(&header), (16, expected));
    }
}

/// Writes and reads values of several lengths through rings that start at `start`, the daemon
/// moving `piece` bytes at a time.
fn values_survive(start: u32, piece: u32) {
    let mut bench = Bench::starting_at(start, start.wrapping_add(77));
    bench.daemon.piece_bytes = piece;
    for length in [0, 1, 900, 1007, 1008, 1009, 1024, 2048] {
        let value = pattern(length);
        let path = "data/x";
        assert_eq!(bench.ask(Request::Write { path, value: &value }), Ok(Said::Done));
        assert_eq!(bench.ask(Request::Read { path }), Ok(Said::Value(value)));
    }
    let value = pattern(LONGEST);
    // Larger than any that the guest may write: dom0 has no quota.
    bench.daemon.set("/local/domain/1/data/big", &value);
    assert_eq!(bench.ask(Request::Read { path: "data/big" }), Ok(Said::Value(value)));
}

#[test]
fn values_of_all_lengths_pass_whatever_the_pieces() {
    for piece in [1, 2, 3, 7, 15, 16, 17, 511, 1023, 1024] {
        values_survive(0, piece);
    }
}

#[test]
fn values_pass_from_every_kind_of_starting_index() {
    for start in [1, 1023, 1024, 4097, u32::MAX - 2000, u32::MAX - 15, u32::MAX] {
        values_survive(start, 1024);
        values_survive(start, 5);
    }
}

#[test]
fn the_longest_request_streams_through_the_ring() {
    let mut bench = Bench::starting_at(u32::MAX - 600, 3);
    let value = pattern(LONGEST - 2);
    let id = bench.submit(Request::Write { path: "a", value: &value });
    let mut received = Vec::new();
    while received.len() < 16 + LONGEST {
        let (got, rang) = bench.round();
        assert_eq!(got, []);
        assert!(rang, "the daemon has taken all and sleeps");
        let bytes = bench.daemon_reads();
        assert!(!bytes.is_empty());
        received.extend(bytes);
    }
    assert_eq!(received, packet(op::WRITE, id.number(), &[b"a\0", &value[..]].concat()));
}

#[test]
fn a_reply_arrives_once_whole_however_the_ring_is_fed() {
    let value = pattern(2500);
    for piece in [1, 13, 1024] {
        let mut bench = Bench::starting_at(5, u32::MAX - 1100);
        let id = bench.submit(Request::Read { path: "a" });
        bench.round();
        bench.daemon_reads();
        let bytes = packet(op::READ, id.number(), &value);
        let mut all = Vec::new();
        for piece in bytes.chunks(piece) {
            assert_eq!(all, [], "nothing is handed up before the last byte");
            bench.daemon_writes(piece);
            all = bench.round().0;
        }
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].result(), Ok(Said::Value(value.clone())));
    }
}

#[test]
fn a_doorbell_follows_when_a_full_ring_has_been_emptied_and_not_otherwise() {
    let mut bench = Bench::new();
    let id = bench.submit(Request::Read { path: "a" });
    bench.round();
    bench.daemon_reads();
    let bytes = packet(op::READ, id.number(), &pattern(1500));
    bench.daemon_writes(&bytes[..1024]);
    assert_eq!(bench.round(), (vec![], true));
    bench.daemon_writes(&bytes[1024..]);
    let (got, rang) = bench.round();
    assert!(matches!(got[..], [Got::Reply { .. }]));
    assert!(!rang, "the daemon has nothing left to write");
}

#[test]
fn the_indices_on_the_page_are_what_was_moved() {
    let mut bench = Bench::starting_at(u32::MAX, u32::MAX - 1);
    let id = bench.submit(Request::ResetWatches);
    bench.round();
    assert_eq!(bench.page.load(RingWord::RequestProducer), 16);
    bench.daemon_reads();
    bench.daemon_writes(&packet(op::RESET_WATCHES, id.number(), b"OK\0"));
    bench.round();
    assert_eq!(bench.page.load(RingWord::ReplyConsumer), 17);
}

/// The daemon puts a header and its payload into the ring one after the other. A second client that
/// begins between the two takes the event's text for a header.
#[test]
fn a_quiet_client_has_taken_the_last_packet_whole() {
    let event = packet(op::WATCH_EVENT, 0, b"tether/a\0t\0");
    for cut in 0..=event.len() {
        let mut bench = Bench::new();
        assert!(bench.client.is_quiet());
        bench.round();
        bench.daemon_writes(&event[..cut]);
        let taken = bench.round().0.len();
        let between_packets = cut == 0 || cut == event.len();
        assert_eq!(taken, usize::from(cut == event.len()));
        assert_eq!(bench.client.is_quiet(), between_packets, "after {cut} bytes");

        bench.client.start(0x7000_0002);
        let id = bench.submit(Request::Read { path: "a" });
        bench.round();
        bench.daemon_reads();
        bench.daemon_writes(&event[cut..]);
        bench.daemon_writes(&packet(op::READ, id.number(), b"v"));
        let answers = bench.round().0;
        let answered = answers.iter().any(|got| matches!(got, Got::Reply { .. }));
        assert_eq!(answered, between_packets, "after {cut} bytes");
    }
}

#[test]
fn a_client_with_a_request_under_way_is_not_quiet() {
    let mut bench = Bench::new();
    bench.submit(Request::Read { path: "a" });
    assert!(!bench.client.is_quiet());
    bench.settle();
    assert!(bench.client.is_quiet());
}
