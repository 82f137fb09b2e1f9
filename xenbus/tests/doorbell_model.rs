//! Every interleaving of the ring's words, under the memory model: neither side may go to sleep
//! relying on the other. The same scenarios without the full barrier must fail, or the model would
//! prove nothing. The daemon is the C one's main loop, cut to what matters: move, publish, look.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU8, AtomicU32, Ordering, fence};
use xenbus::ring::{Doorbell, ReplyRing, RequestRing};
use xenbus::{RingPage, RingWord};

/// Whether the guest's full barrier is one.
#[derive(Clone, Copy)]
enum Barrier {
    Present,
    Missing,
}

/// The four indices, and one byte of each ring to see that data goes before its index.
struct Words {
    request_consumer: AtomicU32,
    request_producer: AtomicU32,
    reply_consumer: AtomicU32,
    reply_producer: AtomicU32,
    request_byte: AtomicU8,
    reply_byte: AtomicU8,
}

impl Words {
    fn new(requests: (u32, u32), replies: (u32, u32)) -> Arc<Words> {
        Arc::new(Words {
            request_consumer: AtomicU32::new(requests.0),
            request_producer: AtomicU32::new(requests.1),
            reply_consumer: AtomicU32::new(replies.0),
            reply_producer: AtomicU32::new(replies.1),
            request_byte: AtomicU8::new(0),
            reply_byte: AtomicU8::new(0),
        })
    }
}

struct Page {
    words: Arc<Words>,
    barrier: Barrier,
}

impl Page {
    fn word(&self, word: RingWord) -> &AtomicU32 {
        match word {
            RingWord::RequestConsumer => &self.words.request_consumer,
            RingWord::RequestProducer => &self.words.request_producer,
            RingWord::ReplyConsumer => &self.words.reply_consumer,
            RingWord::ReplyProducer => &self.words.reply_producer,
            other => panic!("the rings do not look at {other:?}"),
        }
    }
}

impl RingPage for Page {
    fn load(&self, word: RingWord) -> u32 {
        self.word(word).load(Ordering::Acquire)
    }

    fn store(&mut self, word: RingWord, value: u32) {
        self.word(word).store(value, Ordering::Release);
    }

    fn copy_from(&self, _: usize, into: &mut [u8]) {
        into.fill(self.words.reply_byte.load(Ordering::Relaxed));
    }

    fn copy_to(&mut self, _: usize, from: &[u8]) {
        self.words.request_byte.store(from[0], Ordering::Relaxed);
    }

    fn full_barrier(&self) {
        if let Barrier::Present = self.barrier {
            fence(Ordering::SeqCst);
        }
    }
}

/// What the daemon does before it sleeps: it notifies the guest, a hypercall and so a full barrier.
fn notify() {
    fence(Ordering::SeqCst);
}

/// The daemon writes the last four free bytes and then finds the ring full, or not. The guest
/// takes what it sees, twice. If the daemon slept on a full ring, a doorbell must have rung.
fn emptying_a_ring_that_fills(barrier: Barrier) {
    let start = u32::MAX - 500;
    let words = Words::new((0, 0), (start, start.wrapping_add(1020)));
    let daemon = {
        let words = Arc::clone(&words);
        loom::thread::spawn(move || {
            words.reply_byte.store(1, Ordering::Relaxed);
            let full = start.wrapping_add(1024);
            words.reply_producer.store(full, Ordering::Release);
            notify();
            // Whether it sleeps: it has more to write and finds no room.
            full.wrapping_sub(words.reply_consumer.load(Ordering::Acquire)) == 1024
        })
    };
    let mut page = Page { words: Arc::clone(&words), barrier };
    let mut ring = ReplyRing::new();
    ring.adopt(&page);
    let mut rang = false;
    ring.refresh(&page).unwrap();
    for _ in 0..2 {
        let mut bytes = [0; 1024];
        let taken = ring.take(&page, &mut bytes);
        if taken == 1024 || (taken > 0 && taken < 1020) {
            assert_eq!(bytes[taken - 1], 1, "the data is there before its index");
        }
        rang |= ring.publish(&mut page).unwrap() == Doorbell::Needed;
    }
    let asleep = daemon.join().unwrap();
    assert!(!asleep || rang, "the daemon sleeps on a ring that has room");
}

/// The daemon reads the first ten bytes and then sleeps if it finds no more. The guest publishes
/// ten more meanwhile. If the daemon slept without seeing them, a doorbell must have rung.
fn adding_to_a_ring_that_is_being_read(barrier: Barrier) {
    let start = u32::MAX - 4;
    let (first, second) = (start.wrapping_add(10), start.wrapping_add(20));
    let words = Words::new((start, first), (0, 0));
    let daemon = {
        let words = Arc::clone(&words);
        loom::thread::spawn(move || {
            let mut producer = words.request_producer.load(Ordering::Acquire);
            loop {
                if producer == second {
                    let byte = words.request_byte.load(Ordering::Relaxed);
                    assert_eq!(byte, 2, "the data is there before its index");
                }
                words.request_consumer.store(producer, Ordering::Release);
                notify();
                let next = words.request_producer.load(Ordering::Acquire);
                if next == producer {
                    return producer;
                }
                producer = next;
            }
        })
    };
    let mut page = Page { words, barrier };
    let mut ring = RequestRing::new();
    ring.adopt(&page);
    ring.put(&mut page, &[2; 10]);
    let rang = ring.publish(&mut page) == Doorbell::Needed;
    let seen = daemon.join().unwrap();
    assert!(seen == second || rang, "the daemon sleeps on a request that it has not seen");
}

/// Runs a scenario in every interleaving; says with which words it failed in one of them, if so.
fn failure(scenario: fn(Barrier), barrier: Barrier) -> Option<String> {
    let outcome = std::panic::catch_unwind(move || loom::model(move || scenario(barrier)));
    let payload = outcome.err()?;
    let words = payload.downcast_ref::<&str>().map(|words| (*words).to_owned());
    words.or_else(|| payload.downcast_ref::<String>().cloned())
}

#[test]
fn a_daemon_with_a_full_ring_is_never_left_asleep() {
    assert_eq!(failure(emptying_a_ring_that_fills, Barrier::Present), None);
}

#[test]
fn without_the_barrier_a_daemon_with_a_full_ring_is_left_asleep() {
    let words = failure(emptying_a_ring_that_fills, Barrier::Missing).expect("a lost doorbell");
    assert!(words.contains("sleeps on a ring that has room"), "{words}");
}

#[test]
fn a_request_is_never_left_unseen() {
    assert_eq!(failure(adding_to_a_ring_that_is_being_read, Barrier::Present), None);
}

#[test]
fn without_the_barrier_a_request_is_left_unseen() {
    let words =
        failure(adding_to_a_ring_that_is_being_read, Barrier::Missing).expect("a lost doorbell");
    assert!(words.contains("sleeps on a request that it has not seen"), "{words}");
}
