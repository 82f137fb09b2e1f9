//! The byte rings under random sizes, random sleep and random lies. A failing case prints its
//! seed; proptest keeps it beside this file and runs it first from then on.

mod common;

use common::World;
use grant::fake::FakePages;
use grant::layout::{HEADER_BYTES, LINE_EVENT, LINE_INDEX, Layout, RingPlace};
use grant::{
    Consumer, Notify, Producer, Readiness, RingError, SharedPages, Span, Stream, WakeWhen,
};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};

const SIZE: u32 = 1664;

/// Zeroed pages with both rings at `index`.
fn ring_at(index: u32) -> (FakePages, Layout) {
    let pages = World::new().pages(0x100, 1).pages().clone();
    pages.zero();
    let layout = Layout::of(1);
    for place in [layout.to_back, layout.to_front] {
        for line in [place.producer_line, place.consumer_line] {
            pages.store_u32(line + LINE_INDEX, index);
            pages.store_u32(line + LINE_EVENT, index);
        }
    }
    (pages, layout)
}

fn ends(place: RingPlace, index: u32) -> (Producer, Consumer) {
    (Producer::starting_at(place, index), Consumer::starting_at(place, index))
}

fn wait_read(readable: u32) -> WakeWhen {
    WakeWhen { readable, writable: 0 }
}

#[test]
fn a_stretch_across_the_end_of_the_data_is_two_spans() {
    let (pages, layout) = ring_at(0);
    let (mut producer, mut consumer) = ends(layout.to_back, 0);
    assert_eq!(producer.write(&pages, &[1; 1600]), Ok(1600));
    assert_eq!(consumer.read(&pages, &mut [0; 1600]), Ok(1600));
    let spans = producer.writable(&pages, 200).expect("honest");
    assert_eq!(spans.first, Span { at: HEADER_BYTES + 1600, bytes: 64 });
    assert_eq!(spans.second, Span { at: HEADER_BYTES, bytes: 136 });
    assert_eq!(producer.write(&pages, &[2; 200]), Ok(200));
    assert_eq!(consumer.readable(&pages, 500).expect("honest"), spans);
    let mut bytes = [0; 200];
    assert_eq!(consumer.peek(&pages, &mut bytes), Ok(200));
    assert_eq!(bytes, [2; 200]);
    assert_eq!(consumer.available(), 200, "peeking consumes nothing");
    consumer.consume(&pages, 200);
    assert_eq!(consumer.available(), 0);
}

#[test]
fn a_producer_that_claims_one_byte_more_than_fits_is_caught() {
    for (claimed, expected) in [
        (SIZE - 1, Ok(SIZE as usize - 1)),
        (SIZE, Ok(SIZE as usize)),
        (SIZE + 1, Err(RingError::PeerIndex { found: 97 + SIZE + 1, believed: 97, reach: SIZE })),
    ] {
        let (pages, layout) = ring_at(97);
        let mut consumer = Consumer::starting_at(layout.to_back, 97);
        pages.store_u32(layout.to_back.producer_line, 97 + claimed);
        assert_eq!(consumer.peek(&pages, &mut [0; 4096]), expected);
    }
}

#[test]
fn a_consumer_that_claims_one_byte_more_than_was_sent_is_caught() {
    for (claimed, expected) in [
        (SIZE - 1, Ok(SIZE as usize - 1)),
        (SIZE, Ok(SIZE as usize)),
        (SIZE + 1, Err(RingError::PeerIndex { found: SIZE + 1, believed: 0, reach: SIZE })),
    ] {
        let (pages, layout) = ring_at(0);
        let mut producer = Producer::starting_at(layout.to_back, 0);
        assert_eq!(producer.write(&pages, &[1; 4096]), Ok(SIZE as usize));
        pages.store_u32(layout.to_back.consumer_line, claimed);
        assert_eq!(producer.write(&pages, &[1; 4096]), expected);
    }
}

#[test]
fn an_index_that_goes_backwards_is_caught_on_both_sides() {
    let (pages, layout) = ring_at(0);
    let place = layout.to_back;
    let (mut producer, mut consumer) = ends(place, 0);
    assert_eq!(producer.write(&pages, &[1; 100]), Ok(100));
    assert_eq!(consumer.read(&pages, &mut [0; 60]), Ok(60));
    pages.store_u32(place.producer_line, 99);
    let backwards = RingError::PeerIndex { found: 99, believed: 100, reach: SIZE - 40 };
    assert_eq!(consumer.read(&pages, &mut [0; 60]), Err(backwards));

    assert_eq!(producer.write(&pages, &[1; SIZE as usize]), Ok(SIZE as usize - 40));
    pages.store_u32(place.consumer_line, 59);
    let backwards = RingError::PeerIndex { found: 59, believed: 60, reach: SIZE };
    assert_eq!(producer.write(&pages, &[1]), Err(backwards));
}

#[test]
fn a_peer_that_lies_is_reported_again_and_nothing_moves() {
    let (pages, layout) = ring_at(0);
    let mut consumer = Consumer::new(layout.to_back);
    pages.store_u32(layout.to_back.producer_line, u32::MAX);
    for _ in 0..3 {
        assert!(consumer.read(&pages, &mut [0; 1]).is_err());
    }
    assert_eq!(pages.load_u32(layout.to_back.consumer_line), 0);
}

#[test]
#[should_panic(expected = "the own index passes its limit")]
fn publishing_beyond_the_room_is_our_bug() {
    let (pages, layout) = ring_at(0);
    Producer::new(layout.to_back).publish(&pages, SIZE as usize + 1);
}

#[test]
#[should_panic(expected = "the own index passes its limit")]
fn consuming_what_is_not_there_is_our_bug() {
    let (pages, layout) = ring_at(0);
    Consumer::new(layout.to_back).consume(&pages, 1);
}

#[test]
fn nobody_is_notified_who_did_not_ask() {
    let (pages, layout) = ring_at(0);
    let mut front = Stream::front(&layout);
    assert_eq!(front.outgoing().write(&pages, &[1; 10]), Ok(10));
    assert_eq!(front.flush(&pages), Notify::NotDue);
}

#[test]
fn a_side_that_sleeps_without_a_wish_is_not_notified() {
    let (pages, layout) = ring_at(0);
    let (mut front, mut back) = (Stream::front(&layout), Stream::back(&layout));
    assert_eq!(front.outgoing().write(&pages, &[1; 10]), Ok(10));
    assert_eq!(back.incoming().read(&pages, &mut [0; 10]), Ok(10));
    let _ = back.before_sleep(&pages, WakeWhen::default()).expect("honest");
    assert_eq!(front.flush(&pages), Notify::NotDue);
}

#[test]
fn a_reader_is_notified_at_the_byte_it_asked_for() {
    let (pages, layout) = ring_at(u32::MAX - 4);
    let index = u32::MAX - 4;
    let (producer, _) = ends(layout.to_back, index);
    let (reply_producer, reply_consumer) = ends(layout.to_front, index);
    let (_, consumer) = ends(layout.to_back, index);
    let mut front = Stream::of(producer, reply_consumer);
    let mut back = Stream::of(reply_producer, consumer);
    let sleep = back.before_sleep(&pages, wait_read(10)).expect("honest");
    assert_eq!((sleep.readiness, sleep.notify), (Readiness::MaySleep, Notify::NotDue));
    assert_eq!(front.outgoing().write(&pages, &[1; 9]), Ok(9));
    assert_eq!(front.flush(&pages), Notify::NotDue);
    assert_eq!(front.outgoing().write(&pages, &[1; 1]), Ok(1));
    assert_eq!(front.flush(&pages), Notify::Due);
    assert_eq!(front.flush(&pages), Notify::NotDue, "once");
    let sleep = back.before_sleep(&pages, wait_read(10)).expect("honest");
    assert_eq!(sleep.readiness, Readiness::Ready);
}

#[test]
fn both_ends_know_the_rings_size() {
    for pages in 1..=grant::PAGES_MAX {
        let layout = Layout::of(pages);
        let mut stream = Stream::front(&layout);
        assert_eq!(stream.size(), grant::ring_bytes(pages));
        assert_eq!(stream.outgoing().size(), grant::ring_bytes(pages));
        assert_eq!(stream.incoming().size(), grant::ring_bytes(pages));
    }
}

#[test]
fn a_writer_is_notified_when_its_room_is_there() {
    let (pages, layout) = ring_at(0);
    let (mut front, mut back) = (Stream::front(&layout), Stream::back(&layout));
    assert_eq!(front.outgoing().write(&pages, &[1; 4096]), Ok(SIZE as usize));
    let wish = WakeWhen { readable: 0, writable: 100 };
    let sleep = front.before_sleep(&pages, wish).expect("honest");
    assert_eq!(sleep.readiness, Readiness::MaySleep);
    assert_eq!(back.incoming().read(&pages, &mut [0; 99]), Ok(99));
    assert_eq!(back.flush(&pages), Notify::NotDue);
    assert_eq!(back.incoming().read(&pages, &mut [0; 1]), Ok(1));
    assert_eq!(back.flush(&pages), Notify::Due);
    let sleep = front.before_sleep(&pages, wish).expect("honest");
    assert_eq!(sleep.readiness, Readiness::Ready);
}

#[test]
fn a_wish_for_more_than_the_ring_holds_means_all_of_it() {
    let (pages, layout) = ring_at(0);
    let (mut front, mut back) = (Stream::front(&layout), Stream::back(&layout));
    let all = WakeWhen { readable: u32::MAX, writable: 0 };
    assert_eq!(back.before_sleep(&pages, all).expect("honest").readiness, Readiness::MaySleep);
    assert_eq!(front.outgoing().write(&pages, &[1; 4096]), Ok(SIZE as usize));
    assert_eq!(front.flush(&pages), Notify::Due);
    let empty = WakeWhen { readable: 0, writable: u32::MAX };
    let sleep = back.before_sleep(&pages, empty).expect("honest");
    assert_eq!(sleep.readiness, Readiness::Ready, "the outgoing ring is empty");
}

#[test]
fn without_a_wish_nothing_is_ever_ready() {
    let (pages, layout) = ring_at(0);
    let (mut front, mut back) = (Stream::front(&layout), Stream::back(&layout));
    assert_eq!(front.outgoing().write(&pages, &[1; 10]), Ok(10));
    let sleep = back.before_sleep(&pages, WakeWhen::default()).expect("honest");
    assert_eq!(sleep.readiness, Readiness::MaySleep);
}

/// One side of the random conversation.
struct Talker {
    stream: Stream,
    sent: u32,
    received: u32,
    asleep: bool,
    rung: bool,
}

impl Talker {
    fn new(stream: Stream) -> Self {
        Self { stream, sent: 0, received: 0, asleep: false, rung: false }
    }

    fn done(&self, total: u32) -> bool {
        self.sent == total && self.received == total
    }

    /// Does one random thing; says whether the peer is to be notified.
    fn act(&mut self, pages: &FakePages, total: u32, (what, amount): (u8, u16)) -> Notify {
        let amount = u32::from(amount);
        if self.asleep && !core::mem::take(&mut self.rung) && what != 0 {
            return Notify::NotDue;
        }
        // `what == 0` is a spurious wake-up.
        self.asleep = false;
        match what % 4 {
            0 | 1 => {
                let chunk: Vec<u8> =
                    (self.sent..total.min(self.sent + amount)).map(pattern).collect();
                let written = self.stream.outgoing().write(pages, &chunk).expect("honest");
                self.sent += written as u32;
                Notify::NotDue
            }
            2 => {
                let mut bytes = vec![0; amount as usize];
                let read = self.stream.incoming().read(pages, &mut bytes).expect("honest");
                for byte in &bytes[..read] {
                    assert_eq!(*byte, pattern(self.received), "at {}", self.received);
                    self.received += 1;
                }
                Notify::NotDue
            }
            _ => {
                let wish = WakeWhen {
                    // Not more: the peer may stop short of it, asleep for room itself.
                    readable: 1.min(total - self.received),
                    writable: if self.sent < total { 1 + amount * 7 % 3000 } else { 0 },
                };
                let sleep = self.stream.before_sleep(pages, wish).expect("honest");
                self.asleep = sleep.readiness == Readiness::MaySleep;
                sleep.notify
            }
        }
    }
}

fn pattern(n: u32) -> u8 {
    (n.wrapping_mul(0x9e37_79b9) >> 24) as u8
}

fn step() -> impl proptest::strategy::Strategy<Value = (bool, (u8, u16))> {
    (any::<bool>(), (1..4_u8, 0..2500_u16))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn everything_arrives_in_order_and_nobody_sleeps_for_ever(
        start in prop_oneof![any::<u32>(), (u32::MAX - 9000)..=u32::MAX],
        plan in vec(step(), 50..400),
        total in 1..20_000_u32,
    ) {
        let (pages, layout) = ring_at(start);
        let (to_back, from_front) = ends(layout.to_back, start);
        let (to_front, from_back) = ends(layout.to_front, start);
        let mut talkers = [
            Talker::new(Stream::of(to_back, from_back)),
            Talker::new(Stream::of(to_front, from_front)),
        ];
        // Afterwards a fair schedule: each does everything in turn until all has arrived.
        let fair = (0..4000_u16).map(|n| (n % 2 == 0, ([2, 1, 3][usize::from(n / 2 % 3)], 2000)));
        for (second, action) in plan.into_iter().chain(fair) {
            let me = usize::from(second);
            if talkers[me].act(&pages, total, action) == Notify::Due {
                talkers[1 - me].rung = true;
            }
            let stuck = talkers.iter().all(|talker| talker.asleep && !talker.rung);
            let done = talkers.iter().all(|talker| talker.done(total));
            prop_assert!(done || !stuck, "both sleep");
        }
        prop_assert!(talkers.iter().all(|talker| talker.done(total)));
    }

    #[test]
    fn whatever_the_peer_writes_is_an_error_or_stays_in_bounds(
        start in any::<u32>(),
        lies in vec((0..8_usize, prop_oneof![
            any::<u32>(),
            (0..=2 * SIZE + 2),
            (SIZE - 2..=SIZE + 2),
        ], any::<bool>(), 0..4000_usize), 1..60),
    ) {
        let (pages, layout) = ring_at(start);
        let mut producer = Producer::starting_at(layout.to_back, start);
        let mut consumer = Consumer::starting_at(layout.to_front, start);
        let mut buffer = vec![0; 4000];
        for (line, lie, relative, bytes) in lies {
            // Lines 3 to 6, index or event; half of the lies are near the truth.
            let at = 192 + line / 2 * 64 + line % 2 * 4;
            let value = if relative { pages.load_u32(at).wrapping_add(lie) } else { lie };
            pages.store_u32(at, value);
            if let Ok(written) = producer.write(&pages, &buffer[..bytes]) {
                prop_assert!(written <= bytes.min(SIZE as usize));
            }
            if let Ok(read) = consumer.read(&pages, &mut buffer[..bytes]) {
                prop_assert!(read <= bytes.min(SIZE as usize));
            }
            prop_assert!(producer.room() <= SIZE);
            prop_assert!(consumer.available() <= SIZE);
        }
    }

    #[test]
    fn a_lying_peer_cannot_keep_the_other_side_from_its_answer(
        start in any::<u32>(),
        words in vec(any::<u32>(), 8),
        readable in any::<u32>(),
        writable in any::<u32>(),
    ) {
        let (pages, layout) = ring_at(start);
        let (to_back, _) = ends(layout.to_back, start);
        let (_, from_back) = ends(layout.to_front, start);
        let mut front = Stream::of(to_back, from_back);
        for (n, word) in words.into_iter().enumerate() {
            pages.store_u32(192 + n / 2 * 64 + n % 2 * 4, word);
        }
        let _ = front.flush(&pages);
        prop_assert_eq!(front.flush(&pages), Notify::NotDue, "nothing new, nothing due");
        let _ = front.before_sleep(&pages, WakeWhen { readable, writable });
    }
}
