//! The xenstore client against a hostile daemon: it writes nothing into the page but requests and
//! its own indices, answers each request at most once, never has more in flight than it may, and
//! once it has ended it stays so.

use std::collections::BTreeSet;

use xenbus::ring::{PAGE_BYTES, REPLIES_AT, REQUESTS_AT, RING_BYTES};
use xenbus::wire::Header;
use xenbus::{
    Client, DomId, IN_FLIGHT_MAX, Incoming, Request, RequestId, RingPage, RingWord, TransactionId,
};

use super::spoil::{number, spoil};
use prng::Prng;
use sim::base::page::Page;
use sim::machine::GuestRing;

/// Acts of one input at most.
const ACTS_MAX: u32 = 200;

/// Packets that one wake-up can bring at most: a ring holds no more headers, and a packet may have
/// been begun before.
const PACKETS_MAX: usize = 1024 / 16 + 1;

const WORDS: [RingWord; 7] = [
    RingWord::RequestConsumer,
    RingWord::RequestProducer,
    RingWord::ReplyConsumer,
    RingWord::ReplyProducer,
    RingWord::ServerFeatures,
    RingWord::Connection,
    RingWord::Error,
];

/// Which request a packet that the client hands up answers; none where it is an event.
pub fn answered(incoming: &Incoming<'_>) -> Option<RequestId> {
    match incoming {
        Incoming::Reply { id, .. } => Some(*id),
        Incoming::Event(_) => None,
    }
}

/// One input. `told` is what is made of a packet: [`answered`], or a broken one.
///
/// # Panics
/// If the client breaks a rule.
pub fn check(input: &[u8], told: impl Fn(&Incoming<'_>) -> Option<RequestId>) {
    let mut chance = Prng::from_bytes(input);
    let mut page = Guarded(GuestRing::new(Page::new()));
    let mut client = Client::new();
    client.start(number(&mut chance));
    let mut waiting = BTreeSet::new();
    for _ in 0..ACTS_MAX {
        if chance.is_used_up() {
            break;
        }
        match chance.below(12) {
            0..=3 => submit(&mut chance, &mut client, &mut waiting),
            4..=6 => answer(&mut chance, &mut page, &waiting),
            7 => noise(&mut chance, &mut page),
            8 | 9 => {
                let sent = page.load(RingWord::RequestProducer);
                page.0.store(RingWord::RequestConsumer, sent);
            }
            10 => {
                let word = *chance.pick(&WORDS);
                let value = page.load(word).wrapping_add(number(&mut chance));
                page.0.store(word, value);
            }
            _ => {
                page.0.store(RingWord::ServerFeatures, chance.below(4));
                if client.reconnect(&mut page).is_ok() {
                    waiting.clear();
                }
                if chance.below(2) == 0 {
                    page.0.page().fill(0);
                }
            }
        }
        let ended = client.ended();
        let packets = drain(&mut client, &mut page, &mut waiting, &told);
        if ended.is_some() {
            assert_eq!((client.ended(), packets), (ended, 0), "once ended, it stays so");
            assert!(!client.doorbell_due(), "and is quiet");
            client.start(number(&mut chance));
            waiting.clear();
        }
        assert_eq!(client.in_flight(), waiting.len(), "in flight is what was not answered");
        let _ = client.doorbell_due();
    }
}

/// Takes all packets; how many they were.
fn drain(
    client: &mut Client,
    page: &mut Guarded,
    waiting: &mut BTreeSet<u32>,
    told: impl Fn(&Incoming<'_>) -> Option<RequestId>,
) -> usize {
    let mut packets = 0;
    while let Some(incoming) = client.advance(page) {
        packets += 1;
        assert!(packets <= PACKETS_MAX, "no more packets than a ring holds");
        if let Some(id) = told(&incoming) {
            assert!(waiting.remove(&id.number()), "one answer to what was asked");
        }
    }
    packets
}

fn submit(chance: &mut Prng, client: &mut Client, waiting: &mut BTreeSet<u32>) {
    let path = "data/x";
    let value = [7; 1500];
    let transaction = TransactionId::of_number(chance.below(3)).unwrap_or(TransactionId::NONE);
    let request = match chance.below(8) {
        0 => Request::Read { path },
        1 => Request::Write { path, value: &value[..chance.below(1500) as usize] },
        2 => Request::Directory { path },
        3 => Request::DirectoryPart { path, offset: 3 },
        4 => Request::Watch { path, token: "t" },
        5 => Request::TransactionStart,
        6 => Request::GetDomainPath(DomId(chance.below(10) as u16)),
        _ => Request::Read { path: "no//path/" },
    };
    if let Ok(id) = client.submit(transaction, request) {
        assert!(waiting.insert(RequestId::number(id)), "an id that nobody has");
        assert!(waiting.len() <= IN_FLIGHT_MAX, "no more than the daemon bears");
    }
}

/// A packet that mostly answers something.
fn answer(chance: &mut Prng, page: &mut Guarded, waiting: &BTreeSet<u32>) {
    let asked: Vec<u32> = waiting.iter().copied().chain([0, 1]).collect();
    let mut payload =
        chance.pick(&[&b"OK\0"[..], b"a\0t\0", b"", b"1\0a\0\0", b"EAGAIN\0"]).to_vec();
    spoil(chance, &mut payload);
    let length = payload.len() as u32;
    let (op, request) = (chance.below(24), *chance.pick(&asked));
    let mut packet = Header { op, request, transaction: 0, length }.emit().to_vec();
    packet.extend(payload);
    put(page, &packet);
}

fn noise(chance: &mut Prng, page: &mut Guarded) {
    let bytes: Vec<u8> = (0..chance.below(60)).map(|_| chance.word() as u8).collect();
    put(page, &bytes);
}

/// Puts bytes where the daemon would, over what the guest has not taken if it comes to that.
fn put(page: &mut Guarded, bytes: &[u8]) {
    let producer = page.load(RingWord::ReplyProducer);
    for (byte, at) in bytes.iter().zip(0..) {
        let place = producer.wrapping_add(at) % RING_BYTES;
        page.0.copy_to(REPLIES_AT + place as usize, &[*byte]);
    }
    page.0.store(RingWord::ReplyProducer, producer.wrapping_add(bytes.len() as u32));
}

/// The page, with an eye on what the client does to it.
struct Guarded(GuestRing);

impl RingPage for Guarded {
    fn load(&self, word: RingWord) -> u32 {
        self.0.load(word)
    }

    fn store(&mut self, word: RingWord, value: u32) {
        let own = [RingWord::RequestProducer, RingWord::ReplyConsumer, RingWord::Connection];
        assert!(own.contains(&word), "{word:?} is the daemon's");
        self.0.store(word, value);
    }

    fn copy_from(&self, offset: usize, into: &mut [u8]) {
        let ring = REPLIES_AT..REPLIES_AT + RING_BYTES as usize;
        assert!(ring.contains(&offset) && offset + into.len() <= ring.end, "reads replies only");
        assert!(offset + into.len() <= PAGE_BYTES);
        self.0.copy_from(offset, into);
    }

    fn copy_to(&mut self, offset: usize, from: &[u8]) {
        assert!(offset + from.len() <= REQUESTS_AT + RING_BYTES as usize, "writes requests only");
        self.0.copy_to(offset, from);
    }

    fn full_barrier(&self) {}
}
