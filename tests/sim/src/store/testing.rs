//! A bare client for tests of the daemons: it puts bytes into a ring and takes bytes out.
//!
//! It knows the format and nothing else, so that a test says exactly what is on the wire.

use super::ring::{
    REPLIES_AT, REPLY_CONSUMER_AT, REPLY_PRODUCER_AT, REQUEST_CONSUMER_AT, REQUEST_PRODUCER_AT,
    REQUESTS_AT,
};
use super::wire::{HEADER_BYTES, Header, Kind, RING_BYTES};
use super::{Daemon, Flavour};
use crate::base::page::Page;

/// What a daemon sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) kind: u32,
    pub(super) request: u32,
    pub(super) payload: Vec<u8>,
}

/// One domain's end of its ring.
pub(super) struct Client {
    pub(super) domain: u16,
    pub(super) page: Page,
    inbox: Vec<u8>,
    next: u32,
}

/// A daemon and some domains.
pub(super) struct Bench {
    pub(super) daemon: Daemon,
    pub(super) clients: Vec<Client>,
    pub(super) now_ns: u64,
    pub(super) chunk: usize,
}

impl Bench {
    /// Domains 1..=count with a home each, whose `data` is theirs.
    pub(super) fn new(flavour: Flavour, count: u16) -> Bench {
        let daemon = Daemon::new(flavour);
        let mut bench = Bench { daemon, clients: Vec::new(), now_ns: 0, chunk: 1024 };
        for domain in 1..=count {
            bench.create(domain);
        }
        bench
    }

    pub(super) fn create(&mut self, domain: u16) {
        self.daemon.domain_created(domain);
        let home = format!("/local/domain/{domain}");
        self.tool(Kind::MakeDirectory, &format!("{home}\0")).expect("domain 0 may");
        self.tool(Kind::SetPermissions, &format!("{home}\0n0\0r{domain}\0")).expect("domain 0 may");
        self.tool(Kind::MakeDirectory, &format!("{home}/data\0")).expect("domain 0 may");
        self.tool(Kind::SetPermissions, &format!("{home}/data\0n{domain}\0"))
            .expect("domain 0 may");
        let page = Page::new();
        self.daemon.introduce(domain, page.clone(), self.now_ns);
        self.clients.push(Client { domain, page, inbox: Vec::new(), next: 1 });
    }

    pub(super) fn tool(&mut self, kind: Kind, payload: &str) -> Result<String, String> {
        self.daemon
            .request(kind, 0, payload.as_bytes(), self.now_ns)
            .map(|reply| String::from_utf8_lossy(&reply).into_owned())
            .map_err(|error| error.word().to_owned())
    }

    /// Puts a request into the ring of domain `domain` without serving; it must fit.
    pub(super) fn send(
        &mut self,
        domain: u16,
        kind: Kind,
        transaction: u32,
        payload: &[u8],
    ) -> u32 {
        let client = self.client(domain);
        let request = client.next;
        client.next += 1;
        let length = payload.len() as u32;
        let mut bytes = Header { kind: kind as u32, request, transaction, length }.emit().to_vec();
        bytes.extend_from_slice(payload);
        // More than the ring holds: as much as fits, and the daemon in between.
        let mut sent = 0;
        while sent < bytes.len() {
            let page = &self.client(domain).page;
            let producer = page.load(REQUEST_PRODUCER_AT);
            let used = producer.wrapping_sub(page.load(REQUEST_CONSUMER_AT));
            if used == RING_BYTES {
                self.serve_once();
                continue;
            }
            let start = producer % RING_BYTES;
            page.copy_to(REQUESTS_AT + start as usize, &bytes[sent..=sent]);
            page.store(REQUEST_PRODUCER_AT, producer.wrapping_add(1));
            sent += 1;
        }
        request
    }

    fn client(&mut self, domain: u16) -> &mut Client {
        let mut clients = self.clients.iter_mut();
        clients.find(|client| client.domain == domain).expect("created before")
    }

    pub(super) fn serve_once(&mut self) -> bool {
        self.daemon.serve(self.now_ns, self.chunk).busy
    }

    /// Lets the daemon work and everybody but `sleepers` read, until nothing moves.
    pub(super) fn settle_without(&mut self, sleepers: &[u16]) -> Vec<(u16, Packet)> {
        let mut packets = Vec::new();
        loop {
            let busy = self.serve_once();
            let mut took = false;
            for client in &mut self.clients {
                if !sleepers.contains(&client.domain) {
                    took |= client.take(&mut packets);
                }
            }
            if !busy && !took {
                return packets;
            }
        }
    }

    /// As [`Bench::settle_without`], with nobody asleep.
    pub(super) fn settle(&mut self) -> Vec<(u16, Packet)> {
        self.settle_without(&[])
    }

    /// Sends a request and returns its reply; events that came meanwhile are lost.
    pub(super) fn ask_in(
        &mut self,
        domain: u16,
        kind: Kind,
        transaction: u32,
        payload: &str,
    ) -> Result<String, String> {
        let request = self.send(domain, kind, transaction, payload.as_bytes());
        let packets = self.settle();
        let reply = packets.into_iter().find(|(to, packet)| {
            *to == domain && packet.request == request && packet.kind != Kind::WatchEvent as u32
        });
        let reply = reply.expect("every request is answered").1;
        let text = String::from_utf8_lossy(&reply.payload).into_owned();
        if reply.kind == Kind::Error as u32 {
            Err(text.trim_end_matches('\0').to_owned())
        } else {
            assert_eq!(reply.kind, kind as u32);
            Ok(text)
        }
    }

    pub(super) fn ask(&mut self, domain: u16, kind: Kind, payload: &str) -> Result<String, String> {
        self.ask_in(domain, kind, 0, payload)
    }

    /// The events among what comes when everything settles, as `path token`.
    pub(super) fn events(&mut self, domain: u16) -> Vec<String> {
        let packets = self.settle();
        packets
            .into_iter()
            .filter(|(to, packet)| *to == domain && packet.kind == Kind::WatchEvent as u32)
            .map(|(_, packet)| {
                String::from_utf8_lossy(&packet.payload).trim_end_matches('\0').replace('\0', " ")
            })
            .collect()
    }
}

impl Client {
    /// Takes what is in the reply ring; whether there was anything.
    fn take(&mut self, packets: &mut Vec<(u16, Packet)>) -> bool {
        let producer = self.page.load(REPLY_PRODUCER_AT);
        let mut consumer = self.page.load(REPLY_CONSUMER_AT);
        let any = consumer != producer;
        while consumer != producer {
            let mut byte = [0];
            self.page.copy_from(REPLIES_AT + (consumer % RING_BYTES) as usize, &mut byte);
            self.inbox.push(byte[0]);
            consumer = consumer.wrapping_add(1);
        }
        self.page.store(REPLY_CONSUMER_AT, consumer);
        while let Some(bytes) = self.inbox.first_chunk::<HEADER_BYTES>() {
            let header = Header::parse(bytes);
            let end = HEADER_BYTES + header.length as usize;
            if self.inbox.len() < end {
                break;
            }
            let payload = self.inbox[HEADER_BYTES..end].to_vec();
            let packet = Packet { kind: header.kind, request: header.request, payload };
            packets.push((self.domain, packet));
            self.inbox.drain(..end);
        }
        any
    }
}
