//! A client of the daemon: its half-read request, its queue of replies and events, its watches.
//!
//! A domain has a ring page; the toolstack has none and is answered on the spot.

use std::collections::VecDeque;

use super::permissions::DOMAIN_ZERO;
use super::ring::{self, BadIndices};
use super::transaction::Transaction;
use super::wire::{HEADER_BYTES, Header, Kind, PAYLOAD_BYTES_MAX};
use crate::base::page::Page;

/// A registered watch.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Absolute path, or a special one that begins with `@`.
    pub path: Box<str>,
    /// Given back with each event.
    pub token: Box<str>,
    /// Whether the client named the path relative to its home; its events are relative too.
    pub relative: bool,
}

/// What a queued message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A reply; C xenstored counts its request as outstanding until it is gone.
    Reply {
        /// The request's place in the list of causes, if it has caused events.
        cause: Option<usize>,
    },
    /// A watch event.
    Event {
        /// When C xenstored gives it up.
        expires_ns: Option<u64>,
        /// The request that caused it (C xenstored).
        cause: Option<usize>,
        /// Not to be sent before: a fault holds it back.
        held_until_ns: u64,
    },
}

/// A queued message: header and payload, and how much of it is in the ring already.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it is.
    pub outgoing: Outgoing,
    /// The whole message.
    pub bytes: Vec<u8>,
    /// Bytes already written.
    pub written: usize,
}

impl Message {
    fn is_held(&self, now_ns: u64) -> bool {
        match self.outgoing {
            Outgoing::Event { held_until_ns, .. } => held_until_ns > now_ns,
            Outgoing::Reply { .. } => false,
        }
    }
}

/// What happens to a request that announces more than [`PAYLOAD_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oversize {
    /// C xenstored gives the connection up.
    Kill,
    /// oxenstored reads so many bytes and is out of step from there on.
    Clamp,
}

/// One client.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Whose it is.
    pub domain: u16,
    /// `/local/domain/<domid>`: relative paths lie below it.
    pub home: Box<str>,
    /// Its ring; the toolstack has none.
    pub page: Option<Page>,
    /// The daemon has given it up after a protocol error.
    pub ignored: bool,
    /// Replies and events, oldest first.
    pub queue: VecDeque<Message>,
    /// Watches, oldest first.
    pub watches: Vec<Watch>,
    /// Open transactions.
    pub transactions: Vec<Transaction>,
    /// Where the search for the next transaction number begins.
    pub next_transaction: u32,
    /// Replies not yet written, and replies whose events are not (C xenstored).
    pub outstanding: u32,
    /// A live update has stopped it altogether.
    pub stalled: bool,
    /// Its events fill this reader's queues: it is not read from until they drain (oxenstored).
    pub blocked_by: Option<u16>,
    /// TRANSACTION_STARTs that wait for a live update to end.
    pub delayed: VecDeque<(Header, Vec<u8>)>,
    /// Refuse its next request that can fail, with this word: a fault.
    pub fail_next: Option<super::wire::Errno>,
    header: [u8; HEADER_BYTES],
    header_used: usize,
    body: Vec<u8>,
    spare: Vec<Vec<u8>>,
}

impl Connection {
    /// A client whose requests come through `page`, or none for the toolstack.
    pub fn new(domain: u16, page: Option<Page>) -> Self {
        Connection {
            domain,
            home: format!("/local/domain/{domain}").into(),
            page,
            ignored: false,
            queue: VecDeque::new(),
            watches: Vec::new(),
            transactions: Vec::new(),
            next_transaction: 1,
            outstanding: 0,
            stalled: false,
            blocked_by: None,
            delayed: VecDeque::new(),
            fail_next: None,
            header: [0; HEADER_BYTES],
            header_used: 0,
            body: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Whether quotas and permissions bind it.
    pub fn is_unprivileged(&self) -> bool {
        self.domain != DOMAIN_ZERO
    }

    /// The absolute path of one that a client wrote.
    pub fn absolute(&self, path: &str) -> String {
        if path.starts_with(['/', '@']) { path.to_owned() } else { format!("{}/{path}", self.home) }
    }

    /// The path that an event of `watch` carries for a change at `path`.
    pub fn event_path<'a>(&self, watch: &Watch, path: &'a str) -> &'a str {
        if !watch.relative {
            return path;
        }
        let below = path.strip_prefix(&*self.home).unwrap_or(path);
        below.strip_prefix('/').unwrap_or(below)
    }

    /// A transaction number that is not in use.
    pub fn unused_transaction(&mut self) -> u32 {
        loop {
            let id = self.next_transaction.max(1);
            self.next_transaction = id.wrapping_add(1);
            if self.transactions.iter().all(|open| open.id != id) {
                return id;
            }
        }
    }

    /// Whether a pass of the daemon has anything to do here.
    pub fn has_work(&self) -> bool {
        let has_something = !self.queue.is_empty() || !self.delayed.is_empty() || self.has_input();
        !self.ignored && has_something
    }

    /// Whether request bytes wait in the ring. Bad indices count, so that they are looked at.
    pub fn has_input(&self) -> bool {
        self.page.as_ref().is_some_and(|page| ring::waiting(page) != Ok(0))
    }

    /// Reads some bytes; the whole request once it is complete. A payload that is too long is
    /// `Err`, like bad indices: the daemon gives the connection up.
    pub fn read_request(&mut self, most: usize, oversize: Oversize) -> Result<Read, ReadError> {
        let page = self.page.as_ref().expect("only a domain's ring is read");
        let mut moved = 0;
        if self.header_used < HEADER_BYTES {
            let place = &mut self.header[self.header_used..];
            moved = ring::read(page, place, most).map_err(|BadIndices| ReadError::BadIndices)?;
            self.header_used += moved;
            if self.header_used < HEADER_BYTES {
                return Ok(Read { moved, request: None });
            }
            self.body.clear();
        }
        let header = Header::parse(&self.header);
        if header.length as usize > PAYLOAD_BYTES_MAX && oversize == Oversize::Kill {
            return Err(ReadError::TooLong);
        }
        let length = (header.length as usize).min(PAYLOAD_BYTES_MAX);
        let have = self.body.len();
        self.body.resize(length, 0);
        let more = ring::read(page, &mut self.body[have..], most)
            .map_err(|BadIndices| ReadError::BadIndices)?;
        self.body.truncate(have + more);
        moved += more;
        let request = (self.body.len() == length).then(|| {
            self.header_used = 0;
            (header, core::mem::take(&mut self.body))
        });
        Ok(Read { moved, request })
    }

    /// Gives a request's buffer back, to be used for the next one.
    pub fn recycle(&mut self, body: Vec<u8>) {
        if self.body.capacity() == 0 {
            self.body = body;
        }
    }

    /// Queues a message.
    pub fn push(&mut self, outgoing: Outgoing, header: Header, payload: &[&[u8]]) {
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        let length = payload.iter().map(|part| part.len()).sum::<usize>() as u32;
        bytes.extend_from_slice(&Header { length, ..header }.emit());
        for part in payload {
            bytes.extend_from_slice(part);
        }
        self.queue.push_back(Message { outgoing, bytes, written: 0 });
    }

    /// The message that may be written now, if any: an event that a fault holds back lets the
    /// others pass, unless it is half written.
    pub fn next_message(&self, now_ns: u64) -> Option<usize> {
        let half_written = self.queue.iter().position(|message| message.written > 0);
        half_written.or_else(|| self.queue.iter().position(|message| !message.is_held(now_ns)))
    }

    /// Writes some bytes of the message at `at`; the message itself once it is all written.
    pub fn write_some(&mut self, at: usize, most: usize) -> Result<Written, BadIndices> {
        let page = self.page.as_ref().expect("only a domain's ring is written");
        let message = &mut self.queue[at];
        let moved = ring::write(page, &message.bytes[message.written..], most)?;
        message.written += moved;
        let done = message.written == message.bytes.len();
        Ok(Written { moved, done: if done { self.queue.remove(at) } else { None } })
    }

    /// Keeps the buffer of a message that is gone.
    pub fn recycle_message(&mut self, message: Message) {
        const SPARE_MAX: usize = 8;
        if self.spare.len() < SPARE_MAX {
            self.spare.push(message.bytes);
        }
    }

    /// Whether the same event waits unread already. (C xenstored looks at half-written ones too.)
    pub fn has_event(&self, path: &str, token: &str) -> bool {
        self.queue.iter().any(|message| {
            matches!(message.outgoing, Outgoing::Event { .. })
                && message.bytes[HEADER_BYTES..]
                    .strip_prefix(path.as_bytes())
                    .and_then(|rest| rest.strip_prefix(&[0]))
                    .and_then(|rest| rest.strip_prefix(token.as_bytes()))
                    .is_some_and(|rest| rest == [0])
        })
    }

    /// Queues a watch event.
    pub fn push_event(&mut self, outgoing: Outgoing, path: &str, token: &str) {
        let header =
            Header { kind: Kind::WatchEvent as u32, request: 0, transaction: 0, length: 0 };
        let parts = [path.as_bytes(), &[0], token.as_bytes(), &[0]];
        self.push(outgoing, header, &parts);
    }

    /// How many events wait.
    pub fn events_waiting(&self) -> usize {
        let is_event = |message: &&Message| matches!(message.outgoing, Outgoing::Event { .. });
        self.queue.iter().filter(is_event).count()
    }
}

/// What one read brought.
#[derive(Debug)]
pub struct Read {
    /// Bytes taken from the ring.
    pub moved: usize,
    /// A request, if it is complete now.
    pub request: Option<(Header, Vec<u8>)>,
}

/// What one write did.
#[derive(Debug)]
pub struct Written {
    /// Bytes put into the ring.
    pub moved: usize,
    /// The message, if it is all written.
    pub done: Option<Message>,
}

/// Why the daemon gives a connection up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The guest's indices are impossible.
    BadIndices,
    /// The header announces more than [`PAYLOAD_BYTES_MAX`].
    TooLong,
}

/// An event that is due at a connection, and not queued there yet.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    /// Which connection.
    pub(crate) connection: usize,
    /// What has changed.
    pub(crate) path: Box<str>,
    /// The watch's token.
    pub(crate) token: Box<str>,
}
