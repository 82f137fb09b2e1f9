//! The daemon in memory: the far end of both rings, packets, watches, transactions and deliberate
//! faults. Its nodes are in `tree`.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::tree::{Node, Nodes, Trace, is_below};
use crate::error::Errno;
use xen_types::DomId;

use crate::permission::Permission;
use crate::ring::{RECONNECT, REPLIES_AT, REQUESTS_AT, RING_BYTES, RingPage, RingWord};
use crate::wire::{HEADER_BYTES, Header, PAYLOAD_BYTES_MAX, op};

/// The guest's number; its home is `/local/domain/1`.
pub(super) const GUEST: DomId = DomId(1);

/// The daemon to imitate where the two differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flavour {
    /// C xenstored of Xen 4.17: quotas are ENOSPC and E2BIG.
    C,
    /// oxenstored of Xen 4.17: quotas are EQUOTA, there is no DIRECTORY_PART, the ring can be
    /// reset by the guest.
    Ocaml,
}

/// Order of the replies to requests that arrived together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplyOrder {
    /// In the order of the requests.
    Arrival,
    /// In reverse order. The protocol allows any order.
    Reversed,
}

/// Whether the daemon reads requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// It does.
    On,
    /// It does not, as if the guest were over a quota. Events still go out.
    Off,
}

/// Result of one step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Bytes were moved; the guest must be notified.
    Moved,
    /// There was nothing to do: the daemon sleeps until it is notified.
    Idle,
}

#[derive(Debug)]
pub(super) struct Watch {
    /// Absolute, or special.
    pub(super) path: String,
    pub(super) given: String,
    pub(super) token: String,
}

#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) nodes: Nodes,
    pub(super) trace: Trace,
}

/// A daemon for one guest.
#[derive(Debug)]
pub struct FakeDaemon {
    /// The daemon to imitate.
    pub flavour: Flavour,
    /// Order of the replies.
    pub order: ReplyOrder,
    /// Whether to read requests.
    pub reading: Reading,
    /// Most bytes to move at a time, at least 1.
    pub piece_bytes: u32,
    /// Number of following commits to answer with EAGAIN.
    pub conflicts: u32,
    /// Number of requests read so far.
    pub requests: u64,
    input: Vec<u8>,
    /// Replies that wait until there is nothing more to read.
    replies: Vec<Vec<u8>>,
    output: VecDeque<u8>,
    pub(super) nodes: Nodes,
    pub(super) generation: u64,
    pub(super) watches: Vec<Watch>,
    pub(super) transactions: BTreeMap<u32, Transaction>,
    pub(super) next_transaction: u32,
    gone: bool,
}

impl FakeDaemon {
    /// A daemon with the nodes that a guest finds: its home, and in it `data`, its own.
    pub fn new() -> FakeDaemon {
        let mut nodes = Nodes::new();
        let mut add = |path: &str, permissions: &[Permission]| {
            let permissions = permissions.to_vec();
            nodes.insert(path.to_owned(), Node { value: Vec::new(), permissions, generation: 0 });
        };
        let readable = [Permission::owner(DomId(0)), Permission::read(GUEST)];
        add("/", &[Permission::owner(DomId(0))]);
        add("/local", &[Permission::owner(DomId(0))]);
        add("/local/domain", &[Permission::owner(DomId(0))]);
        add("/local/domain/1", &readable);
        add("/local/domain/1/data", &[Permission::owner(GUEST)]);
        FakeDaemon {
            flavour: Flavour::C,
            order: ReplyOrder::Arrival,
            reading: Reading::On,
            piece_bytes: RING_BYTES,
            conflicts: 0,
            requests: 0,
            input: Vec::new(),
            replies: Vec::new(),
            output: VecDeque::new(),
            nodes,
            generation: 1,
            watches: Vec::new(),
            transactions: BTreeMap::new(),
            next_transaction: 1,
            gone: false,
        }
    }

    /// Runs until the daemon is idle, as after a notification.
    pub fn serve(&mut self, page: &mut impl RingPage) {
        while self.step(page) == Step::Moved {}
    }

    /// Moves one piece in one direction, output first.
    pub fn step(&mut self, page: &mut impl RingPage) -> Step {
        if page.load(RingWord::Connection) == RECONNECT && self.flavour == Flavour::Ocaml {
            self.reset(page);
            return Step::Moved;
        }
        if self.gone {
            return Step::Idle;
        }
        let features = if self.flavour == Flavour::Ocaml { 1 } else { 2 };
        page.store(RingWord::ServerFeatures, features);
        if self.write_ring(page) == Step::Moved || self.read_ring(page) == Step::Moved {
            return Step::Moved;
        }
        let mut replies = core::mem::take(&mut self.replies);
        if self.order == ReplyOrder::Reversed {
            replies.reverse();
        }
        self.output.extend(replies.into_iter().flatten());
        self.write_ring(page)
    }

    /// Sets a node as dom0 does, readable to the guest; watches fire.
    pub fn set(&mut self, path: &str, value: &[u8]) {
        let mut trace = Trace::default();
        let mut view = self.view(&mut trace, DomId(0));
        let set = view.write(path, value).and_then(|()| {
            view.set_permissions(
                path,
                [Permission::owner(DomId(0)), Permission::read(GUEST)].into(),
            )
        });
        assert!(set.is_ok());
        self.fire(&trace.changed);
    }

    /// The value of a node, by absolute path.
    pub fn value(&self, path: &str) -> Option<&[u8]> {
        self.nodes.get(path).map(|node| node.value.as_slice())
    }

    /// How many watches the guest has.
    pub fn watches(&self) -> usize {
        self.watches.len()
    }

    /// How many transactions the guest has open.
    pub fn transactions(&self) -> usize {
        self.transactions.len()
    }

    /// Queues any bytes for the guest.
    pub fn inject(&mut self, bytes: &[u8]) {
        self.output.extend(bytes);
    }

    /// Queues an event for the guest, even without a matching watch.
    pub fn inject_event(&mut self, path: &str, token: &str) {
        let payload = format!("{path}\0{token}\0");
        self.inject(&packet(Header { op: op::WATCH_EVENT, ..UNSOLICITED }, payload.as_bytes()));
    }

    fn write_ring(&mut self, page: &mut impl RingPage) -> Step {
        let producer = page.load(RingWord::ReplyProducer);
        let used = producer.wrapping_sub(page.load(RingWord::ReplyConsumer));
        let Some(room) = RING_BYTES.checked_sub(used) else {
            return self.give_up(page, 2);
        };
        let length = room.min(self.piece_bytes).min(self.output.len() as u32);
        for index in 0..length {
            let place = (producer.wrapping_add(index) % RING_BYTES) as usize;
            let byte = self.output.pop_front().unwrap_or(0);
            page.copy_to(REPLIES_AT + place, &[byte]);
        }
        page.store(RingWord::ReplyProducer, producer.wrapping_add(length));
        if length > 0 { Step::Moved } else { Step::Idle }
    }

    fn read_ring(&mut self, page: &mut impl RingPage) -> Step {
        let consumer = page.load(RingWord::RequestConsumer);
        let used = page.load(RingWord::RequestProducer).wrapping_sub(consumer);
        if used > RING_BYTES {
            return self.give_up(page, 2);
        }
        if self.reading == Reading::Off {
            return Step::Idle;
        }
        let length = used.min(self.piece_bytes);
        for index in 0..length {
            let place = (consumer.wrapping_add(index) % RING_BYTES) as usize;
            let mut byte = [0];
            page.copy_from(REQUESTS_AT + place, &mut byte);
            self.input.extend(byte);
        }
        page.store(RingWord::RequestConsumer, consumer.wrapping_add(length));
        while let Some((bytes, payload)) = self.input.split_first_chunk::<HEADER_BYTES>() {
            let header = Header::parse(bytes);
            if header.length as usize > PAYLOAD_BYTES_MAX {
                return self.give_up(page, 3);
            }
            let Some(payload) = payload.get(..header.length as usize) else { break };
            let payload = payload.to_vec();
            self.input.drain(..HEADER_BYTES + payload.len());
            self.handle(header, &payload);
        }
        if length > 0 { Step::Moved } else { Step::Idle }
    }

    fn give_up(&mut self, page: &mut impl RingPage, code: u32) -> Step {
        page.store(RingWord::Error, code);
        self.gone = true;
        Step::Idle
    }

    /// The reset that a guest requests with the connection word (docs/misc/xenstore-ring.txt).
    fn reset(&mut self, page: &mut impl RingPage) {
        self.gone = false;
        self.input.clear();
        self.replies.clear();
        self.output.clear();
        self.watches.clear();
        self.transactions.clear();
        for word in [
            RingWord::RequestConsumer,
            RingWord::RequestProducer,
            RingWord::ReplyConsumer,
            RingWord::ReplyProducer,
            RingWord::Error,
            RingWord::Connection,
        ] {
            page.store(word, 0);
        }
    }

    fn handle(&mut self, header: Header, payload: &[u8]) {
        self.requests += 1;
        let mut trace = Trace::default();
        let mut answer = self.answer(header, payload, &mut trace);
        if let Ok(reply) = &answer
            && reply.len() > PAYLOAD_BYTES_MAX
        {
            answer = Err(Errno::E2big.name());
        }
        let reply = match answer {
            Ok(reply) => packet(header, &reply),
            Err(name) => {
                let name = format!("{name}\0");
                packet(Header { op: op::ERROR, ..header }, name.as_bytes())
            }
        };
        self.replies.push(reply);
        self.fire(&trace.changed);
        // A watch fires once when it is set, behind its own reply as in both real daemons.
        if header.op == op::WATCH
            && let Some(watch) = self.watches.last()
        {
            let payload = format!("{}\0{}\0", watch.given, watch.token);
            self.replies
                .push(packet(Header { op: op::WATCH_EVENT, ..UNSOLICITED }, payload.as_bytes()));
        }
    }

    fn fire(&mut self, changed: &[String]) {
        for path in changed {
            let matching = self.watches.iter().filter(|watch| is_below(path, &watch.path));
            for watch in matching {
                let rest = path.get(watch.path.len()..).unwrap_or("");
                let payload = format!("{}{rest}\0{}\0", watch.given, watch.token);
                let event = Header { op: op::WATCH_EVENT, ..UNSOLICITED };
                self.replies.push(packet(event, payload.as_bytes()));
            }
        }
    }
}

impl Default for FakeDaemon {
    fn default() -> FakeDaemon {
        FakeDaemon::new()
    }
}

pub(super) const OK: &[u8] = b"OK\0";

/// The header of an unsolicited packet.
const UNSOLICITED: Header = Header { op: 0, request: 0, transaction: 0, length: 0 };

fn packet(header: Header, payload: &[u8]) -> Vec<u8> {
    let header = Header { length: payload.len() as u32, ..header };
    let mut bytes = header.emit().to_vec();
    bytes.extend_from_slice(payload);
    bytes
}
