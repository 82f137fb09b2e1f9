//! A client, a page and a daemon on one bench, and owned copies of what comes out of the client.
//! The daemon runs only when the client's doorbell rang, so that a missing one shows.

#![allow(dead_code)] // Each test file uses its own part of this.

use xenbus::fake::{FakeDaemon, FakePage, Flavour, Step};
use xenbus::reply::{Names, Part};
use xenbus::{
    Client, Incoming, Permission, Refusal, Reply, Request, RequestId, RequestKind, RingPage,
    RingWord, TransactionId,
};

/// An owned copy of a reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    Done,
    Value(Vec<u8>),
    Names(Vec<String>),
    Permissions(Vec<Permission>),
    Transaction(TransactionId),
    Path(String),
    Other(String),
}

/// An owned copy of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Got {
    Reply { id: RequestId, kind: RequestKind, result: Result<Said, Refusal> },
    Event { path: String, token: String },
}

impl Got {
    pub(crate) fn of(incoming: &Incoming<'_>) -> Got {
        match *incoming {
            Incoming::Reply { id, kind, result } => {
                Got::Reply { id, kind, result: result.map(said) }
            }
            Incoming::Event(event) => {
                Got::Event { path: event.path.into(), token: event.token.into() }
            }
        }
    }

    pub(crate) fn result(&self) -> Result<Said, Refusal> {
        match self {
            Got::Reply { result, .. } => result.clone(),
            Got::Event { path, .. } => panic!("an event about {path}, not a reply"),
        }
    }

    pub(crate) fn id(&self) -> RequestId {
        match self {
            Got::Reply { id, .. } => *id,
            Got::Event { path, .. } => panic!("an event about {path}, not a reply"),
        }
    }
}

fn said(reply: Reply<'_>) -> Said {
    match reply {
        Reply::Done => Said::Done,
        Reply::Value(value) => Said::Value(value.into()),
        Reply::Names(names) => Said::Names(owned(names)),
        Reply::Part(Part { names, .. }) => Said::Names(owned(names)),
        Reply::Permissions(permissions) => Said::Permissions(permissions.collect()),
        Reply::Transaction(transaction) => Said::Transaction(transaction),
        Reply::DomainPath(path) => Said::Path(path.into()),
        other => Said::Other(format!("{other:?}")),
    }
}

pub(crate) fn owned(names: Names<'_>) -> Vec<String> {
    names.map(String::from).collect()
}

/// A client over a page with a daemon behind it.
pub(crate) struct Bench {
    pub(crate) page: FakePage,
    pub(crate) daemon: FakeDaemon,
    pub(crate) client: Client,
    pub(crate) doorbells: u64,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::starting_at(0, 0)
    }

    pub(crate) fn of(flavour: Flavour) -> Bench {
        let mut bench = Bench::new();
        bench.daemon.flavour = flavour;
        bench
    }

    /// With ring indices that start there.
    pub(crate) fn starting_at(requests: u32, replies: u32) -> Bench {
        let mut client = Client::new();
        client.start(0x7000_0001);
        let page = FakePage::starting_at(requests, replies);
        Bench { page, daemon: FakeDaemon::new(), client, doorbells: 0 }
    }

    #[track_caller]
    pub(crate) fn submit(&mut self, request: Request<'_>) -> RequestId {
        self.submit_in(TransactionId::NONE, request)
    }

    #[track_caller]
    pub(crate) fn submit_in(
        &mut self,
        transaction: TransactionId,
        request: Request<'_>,
    ) -> RequestId {
        self.client.submit(transaction, request).expect("the request is accepted")
    }

    /// One round of the client: all packets that are there, and whether its doorbell rang.
    pub(crate) fn round(&mut self) -> (Vec<Got>, bool) {
        let mut got = Vec::new();
        while let Some(incoming) = self.client.advance(&mut self.page) {
            got.push(Got::of(&incoming));
        }
        let rang = self.client.doorbell_due();
        self.doorbells += u64::from(rang);
        (got, rang)
    }

    /// Rounds of the client and the daemon until neither has anything to do. The daemon is awake
    /// after a doorbell and until it finds nothing to do.
    pub(crate) fn settle(&mut self) -> Vec<Got> {
        let mut got = Vec::new();
        // Far more rounds than any test needs; a livelock is to fail, not to hang.
        for _ in 0..100_000 {
            let (more, rang) = self.round();
            let quiet = more.is_empty() && !rang;
            got.extend(more);
            if quiet {
                return got;
            }
            if rang {
                self.daemon.serve(&mut self.page);
            }
        }
        panic!("client and daemon do not come to rest");
    }

    /// Makes one request and returns its result.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: Request<'_>) -> Result<Said, Refusal> {
        self.ask_in(TransactionId::NONE, request)
    }

    #[track_caller]
    pub(crate) fn ask_in(
        &mut self,
        transaction: TransactionId,
        request: Request<'_>,
    ) -> Result<Said, Refusal> {
        let id = self.submit_in(transaction, request);
        let got = self.settle();
        let mut answers = got.iter().filter(|got| matches!(got, Got::Reply { .. }));
        let answer = answers.next().expect("the request is answered");
        assert_eq!(answer.id(), id);
        assert_eq!(answers.next(), None, "one request has one answer");
        answer.result()
    }

    /// Puts bytes where the daemon would, as far as the ring has room.
    pub(crate) fn daemon_writes(&mut self, bytes: &[u8]) {
        let producer = self.page.load(RingWord::ReplyProducer);
        for (index, byte) in (0u32..).zip(bytes) {
            let place = producer.wrapping_add(index) % 1024;
            self.page.copy_to(1024 + place as usize, &[*byte]);
        }
        self.page.store(RingWord::ReplyProducer, producer.wrapping_add(bytes.len() as u32));
    }

    /// Takes all request bytes that the client has published, as the daemon would.
    pub(crate) fn daemon_reads(&mut self) -> Vec<u8> {
        let consumer = self.page.load(RingWord::RequestConsumer);
        let used = self.page.load(RingWord::RequestProducer).wrapping_sub(consumer);
        assert!(used <= 1024);
        let mut bytes = vec![0; used as usize];
        for (index, byte) in (0u32..).zip(&mut bytes) {
            let place = consumer.wrapping_add(index) % 1024;
            self.page.copy_from(place as usize, core::slice::from_mut(byte));
        }
        self.page.store(RingWord::RequestConsumer, consumer.wrapping_add(used));
        bytes
    }

    /// One step of a daemon that is awake.
    pub(crate) fn daemon_steps(&mut self) -> Step {
        self.daemon.step(&mut self.page)
    }
}

/// A packet as it travels.
pub(crate) fn packet(op: u32, request: u32, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    let header = xenbus::wire::Header { op, request, transaction: 0, length };
    [&header.emit(), payload].concat()
}

/// Bytes that differ from their neighbours, so that a shift shows.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}
