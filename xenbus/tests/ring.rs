//! The two rings by themselves: what an index of the daemon may be, and that nothing moves without
//! being told.

mod common;

use common::Bench;
use xenbus::fake::FakePage;
use xenbus::ring::{Doorbell, Features, ReplyRing, RequestRing, RingIndex};
use xenbus::{Ended, RingPage, RingWord};

/// A reply ring that starts at `start`, of which 50 bytes of 100 have been taken and not told.
fn half_taken(start: u32) -> (FakePage, ReplyRing) {
    let mut page = FakePage::starting_at(0, start);
    let mut ring = ReplyRing::new();
    ring.adopt(&page);
    page.store(RingWord::ReplyProducer, start.wrapping_add(100));
    ring.refresh(&page).unwrap();
    assert_eq!(ring.take(&page, &mut [0; 50]), 50);
    assert!(ring.has_unpublished());
    (page, ring)
}

#[test]
fn the_daemon_may_fill_a_ring_counted_from_what_it_was_told() {
    for start in [0, u32::MAX - 70] {
        let (mut page, mut ring) = half_taken(start);
        page.store(RingWord::ReplyProducer, start.wrapping_add(1024));
        assert_eq!(ring.refresh(&page), Ok(()));
        page.store(RingWord::ReplyProducer, start.wrapping_add(1025));
        assert_eq!(ring.refresh(&page), Err(Ended::ReplyIndex { used: 1025 }));
    }
}

#[test]
fn the_daemon_may_not_take_bytes_back() {
    for start in [0, u32::MAX - 70] {
        let (mut page, mut ring) = half_taken(start);
        page.store(RingWord::ReplyProducer, start.wrapping_add(99));
        assert_eq!(ring.refresh(&page), Err(Ended::ReplyIndex { used: 99 }));
    }
}

#[test]
fn taking_is_told_only_when_it_is_published() {
    let (mut page, mut ring) = half_taken(7);
    assert_eq!(page.load(RingWord::ReplyConsumer), 7);
    assert_eq!(ring.publish(&mut page), Ok(Doorbell::Suppressed));
    assert_eq!(page.load(RingWord::ReplyConsumer), 57);
    assert!(!ring.has_unpublished());
}

#[test]
fn requests_have_room_for_a_ring_less_what_the_daemon_has_not_taken() {
    let mut page = FakePage::starting_at(u32::MAX - 3, 0);
    let mut ring = RequestRing::new();
    ring.adopt(&page);
    assert_eq!(ring.space(&page), Ok(1024));
    ring.put(&mut page, &[1; 24]);
    assert_eq!(ring.space(&page), Ok(1000), "what is not yet told takes room too");
    assert_eq!(ring.publish(&mut page), Doorbell::Needed);
    assert_eq!(ring.publish(&mut page), Doorbell::Suppressed, "there is nothing new");
    page.store(RingWord::RequestConsumer, 10);
    assert_eq!(ring.space(&page), Ok(1014));
    page.store(RingWord::RequestConsumer, 21);
    assert_eq!(ring.space(&page), Err(Ended::RequestIndex { used: u32::MAX }));
}

#[test]
fn indices_count_modulo_two_to_the_32() {
    for value in [0, 1, 1023, 1024, u32::MAX - 1, u32::MAX] {
        for step in [0, 1, 1023, 1024] {
            let index = RingIndex(value);
            assert_eq!(index.plus(step).since(index), step);
            assert!(index.place() < 1024);
            assert_eq!(index.plus(1024).place(), index.place());
        }
    }
}

#[test]
fn features_are_read_bit_by_bit() {
    let mut page = FakePage::new();
    let seen = |page: &FakePage| {
        let features = Features::of(page);
        [features.reconnection(), features.error(), features.watch_depth()]
    };
    for (bits, expected) in [
        (0, [false, false, false]),
        (1, [true, false, false]),
        (2, [false, true, false]),
        (0xffff_fff4, [false, false, true]),
    ] {
        page.store(RingWord::ServerFeatures, bits);
        assert_eq!(seen(&page), expected);
        assert_eq!(Features::of(&page).bits(), bits);
    }
}

#[test]
fn an_idle_round_looks_at_the_ring_and_leaves_it_alone() {
    let mut bench = Bench::starting_at(11, 22);
    bench.round();
    let before = bench.page.clone();
    assert_eq!(bench.round(), (vec![], false));
    let mut words = [[0; 32]; 2];
    before.copy_from(2048, &mut words[0]);
    bench.page.copy_from(2048, &mut words[1]);
    assert_eq!(words[0], words[1]);
}
