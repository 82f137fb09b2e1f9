//! An in-memory xenstored for several domains: values, permissions with the pitfalls of the real
//! daemons, watches, and rings. It can lose, repeat and delay watch events, and delay replies.

use std::collections::{BTreeMap, VecDeque};

use xenbus::{RingPage, RingWord};

use super::Random;
pub use super::ring::Ring;

struct Node {
    value: Vec<u8>,
    owner: u16,
    /// Domain, its incarnation when the entry was created, and its access.
    others: Vec<(u16, u64, char)>,
}

struct Connection {
    ring: Ring,
    input: Vec<u8>,
    output: VecDeque<u8>,
    watches: Vec<(String, String)>,
    incarnation: u64,
}

/// Faults of the daemon. Rates are "one in n", 0 for never.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    pub lose_event: u64,
    pub repeat_event: u64,
    pub refuse_with_eagain: u64,
    /// Every request with this operation is refused with this error.
    pub refuse: Option<(u32, &'static str)>,
}

pub struct Store {
    nodes: BTreeMap<String, Node>,
    connections: BTreeMap<u16, Connection>,
    incarnations: u64,
    pub faults: Faults,
    pub random: Random,
    pub is_silent: bool,
    /// The number of requests that the daemon handles before it stops; `None` for no limit. Events
    /// are still sent.
    pub requests_to_handle: Option<u32>,
    /// The number of WATCH requests to refuse.
    pub watches_to_refuse: u32,
    broken: Option<u16>,
    pub lost_events: u64,
    /// Every WRITE: writer and path.
    pub writes: Vec<(u16, String)>,
}

impl Store {
    pub fn new(seed: u64) -> Self {
        Self {
            nodes: BTreeMap::new(),
            connections: BTreeMap::new(),
            incarnations: 0,
            faults: Faults::default(),
            random: Random::new(seed),
            is_silent: false,
            requests_to_handle: None,
            watches_to_refuse: 0,
            broken: None,
            lost_events: 0,
            writes: Vec::new(),
        }
    }

    pub fn add_domain(&mut self, domid: u16) -> Ring {
        let ring = Ring::new();
        self.incarnations += 1;
        let connection = Connection {
            ring: ring.clone(),
            input: Vec::new(),
            output: VecDeque::new(),
            watches: Vec::new(),
            incarnation: self.incarnations,
        };
        assert!(self.connections.insert(domid, connection).is_none(), "domid in use");
        // As in libxl, `data` belongs to the guest.
        self.put(&home(domid), b"", 0);
        self.put(&format!("{}/data", home(domid)), b"", domid);
        ring
    }

    pub fn remove_domain(&mut self, domid: u16) {
        self.connections.remove(&domid);
        let prefix = format!("{}/", home(domid));
        let gone: Vec<String> =
            self.nodes.keys().filter(|path| path.starts_with(&prefix)).cloned().collect();
        for path in &gone {
            self.nodes.remove(path);
        }
        for node in self.nodes.values_mut() {
            node.others.retain(|(other, ..)| *other != domid);
        }
    }

    pub fn exists(&self, domid: u16) -> bool {
        self.connections.contains_key(&domid)
    }

    pub fn value(&self, path: &str) -> Option<&[u8]> {
        self.nodes.get(path).map(|node| node.value.as_slice())
    }

    pub fn count_nodes(&self, domid: u16) -> usize {
        let prefix = format!("{}/data/", home(domid));
        self.nodes.keys().filter(|path| path.starts_with(&prefix)).count()
    }

    pub fn count_watches(&self, domid: u16) -> usize {
        self.connections[&domid].watches.len()
    }

    /// Writes a node as dom0 and gives it to a domain.
    pub fn put(&mut self, path: &str, value: &[u8], owner: u16) {
        let node = Node { value: value.to_vec(), owner, others: Vec::new() };
        self.nodes.insert(path.into(), node);
        self.fire(path);
    }

    /// Writes a value as dom0, without changing permissions.
    pub fn poke(&mut self, path: &str, value: &[u8]) {
        self.nodes.get_mut(path).expect("a node").value = value.to_vec();
        self.fire(path);
    }

    pub fn remove(&mut self, path: &str) {
        let below = format!("{path}/");
        self.nodes.retain(|node, _| node != path && !node.starts_with(&below));
        self.fire(path);
    }

    pub fn permit(&mut self, path: &str, peer: u16) {
        let incarnation = self.connections.get(&peer).map(|connection| connection.incarnation);
        let node = self.nodes.get_mut(path).expect("a node");
        // A permission for a domain that does not exist never becomes valid.
        node.others = incarnation.map(|it| (peer, it, 'b')).into_iter().collect();
        self.fire(path);
    }

    /// Makes the daemon announce more bytes than the ring can hold.
    pub fn break_ring(&mut self, domid: u16) {
        let ring = &mut self.connections.get_mut(&domid).unwrap().ring;
        let consumed = ring.load(RingWord::ReplyConsumer);
        ring.store(RingWord::ReplyProducer, consumed.wrapping_add(5000));
        self.broken = Some(domid);
    }

    /// Introduces the domain to the daemon again: resets the ring and drops the domain's watches.
    pub fn introduce_anew(&mut self, domid: u16) {
        let connection = self.connections.get_mut(&domid).unwrap();
        for word in [
            RingWord::RequestConsumer,
            RingWord::RequestProducer,
            RingWord::ReplyConsumer,
            RingWord::ReplyProducer,
        ] {
            connection.ring.store(word, 0);
        }
        connection.input.clear();
        connection.output.clear();
        connection.watches.clear();
    }

    /// Serves every domain's ring, and returns the domains with data to read.
    pub fn serve(&mut self) -> Vec<u16> {
        if self.is_silent {
            return Vec::new();
        }
        let domids: Vec<u16> = self.connections.keys().copied().collect();
        let domids: Vec<u16> = domids.into_iter().filter(|it| Some(*it) != self.broken).collect();
        for domid in &domids {
            self.take_input(*domid);
        }
        let mut woken = Vec::new();
        for domid in domids {
            if self.put_output(domid) {
                woken.push(domid);
            }
        }
        woken
    }

    fn take_input(&mut self, domid: u16) {
        let connection = self.connections.get_mut(&domid).unwrap();
        let produced = connection.ring.load(RingWord::RequestProducer);
        let mut consumed = connection.ring.load(RingWord::RequestConsumer);
        while consumed != produced {
            let mut byte = [0];
            connection.ring.copy_from(consumed as usize % 1024, &mut byte);
            connection.input.push(byte[0]);
            consumed = consumed.wrapping_add(1);
        }
        connection.ring.store(RingWord::RequestConsumer, consumed);
        while let Some(packet) = self.next_packet(domid) {
            self.handle(domid, &packet);
        }
    }

    fn next_packet(&mut self, domid: u16) -> Option<Vec<u8>> {
        if self.requests_to_handle == Some(0) {
            return None;
        }
        let input = &mut self.connections.get_mut(&domid)?.input;
        let length = u32::from_le_bytes(input.get(12..16)?.try_into().unwrap()) as usize;
        if input.len() < 16 + length {
            return None;
        }
        let rest = input.split_off(16 + length);
        if let Some(left) = &mut self.requests_to_handle {
            *left -= 1;
        }
        Some(core::mem::replace(input, rest))
    }

    fn put_output(&mut self, domid: u16) -> bool {
        let connection = self.connections.get_mut(&domid).unwrap();
        let consumed = connection.ring.load(RingWord::ReplyConsumer);
        let mut produced = connection.ring.load(RingWord::ReplyProducer);
        let mut moved = false;
        while produced.wrapping_sub(consumed) < 1024 {
            let Some(byte) = connection.output.pop_front() else { break };
            connection.ring.copy_to(1024 + produced as usize % 1024, &[byte]);
            produced = produced.wrapping_add(1);
            moved = true;
        }
        connection.ring.store(RingWord::ReplyProducer, produced);
        moved || produced != consumed
    }

    fn handle(&mut self, domid: u16, packet: &[u8]) {
        let op = u32::from_le_bytes(packet[0..4].try_into().unwrap());
        let payload = packet[16..].to_vec();
        let result = match op {
            op if self.faults.refuse.is_some_and(|(refused, _)| refused == op) => {
                Err(self.faults.refuse.map_or("", |(_, errno)| errno))
            }
            11 if self.random.one_in(self.faults.refuse_with_eagain) => Err("EAGAIN"),
            2 => self.read(domid, &text(&payload, 0)),
            4 => self.watch(domid, &payload),
            11 => self.write(domid, &payload),
            12 => self.make(domid, &text(&payload, 0)),
            13 => self.remove_for(domid, &text(&payload, 0)),
            14 => self.set_permissions(domid, &payload),
            21 => {
                self.connections.get_mut(&domid).unwrap().watches.clear();
                Ok(ok())
            }
            other => panic!("the channel has no business with operation {other}"),
        };
        let (op, body) = match result {
            Ok(body) => (op, body),
            Err(name) => (16, [name.as_bytes(), b"\0"].concat()),
        };
        let mut header = packet[..16].to_vec();
        header[0..4].copy_from_slice(&op.to_le_bytes());
        header[12..16].copy_from_slice(&(body.len() as u32).to_le_bytes());
        self.send(domid, &[header, body].concat());
        // A new watch fires immediately, after its reply.
        if op == 4 {
            let token = text(&payload, 1);
            self.send_event(domid, &text(&payload, 0), &token);
        }
    }

    fn send(&mut self, domid: u16, bytes: &[u8]) {
        self.connections.get_mut(&domid).unwrap().output.extend(bytes);
    }

    fn send_event(&mut self, domid: u16, path: &str, token: &str) {
        let body = [path.as_bytes(), b"\0", token.as_bytes(), b"\0"].concat();
        let mut packet = vec![0; 16];
        packet[0..4].copy_from_slice(&15u32.to_le_bytes());
        packet[12..16].copy_from_slice(&(body.len() as u32).to_le_bytes());
        packet.extend(body);
        if self.random.one_in(self.faults.lose_event) {
            self.lost_events += 1;
            return;
        }
        self.send(domid, &packet);
        if self.random.one_in(self.faults.repeat_event) {
            self.send(domid, &packet);
        }
    }

    fn may(&self, domid: u16, path: &str) -> bool {
        let Some(node) = self.nodes.get(path) else { return false };
        let own = self.connections[&domid].incarnation;
        node.owner == domid
            || node.others.iter().any(|(other, incarnation, access)| {
                *other == domid && *incarnation == own && *access == 'b'
            })
    }

    fn absent(&self, domid: u16, path: &str) -> &'static str {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if self.may(domid, parent) || !self.nodes.contains_key(parent) && is_own(domid, path) {
            "ENOENT"
        } else {
            "EACCES"
        }
    }

    fn read(&mut self, domid: u16, path: &str) -> Result<Vec<u8>, &'static str> {
        let path = absolute(domid, path);
        match self.nodes.get(&path) {
            Some(node) if self.may(domid, &path) => Ok(node.value.clone()),
            Some(_) => Err("EACCES"),
            None => Err(self.absent(domid, &path)),
        }
    }

    fn write(&mut self, domid: u16, payload: &[u8]) -> Result<Vec<u8>, &'static str> {
        let path = absolute(domid, &text(payload, 0));
        let value = payload.splitn(2, |byte| *byte == 0).nth(1).unwrap().to_vec();
        if value.len() > 2007 {
            return Err("ENOSPC");
        }
        self.create(domid, &path)?;
        self.nodes.get_mut(&path).unwrap().value = value;
        self.writes.push((domid, path.clone()));
        self.fire(&path);
        Ok(ok())
    }

    fn make(&mut self, domid: u16, path: &str) -> Result<Vec<u8>, &'static str> {
        let path = absolute(domid, path);
        if !self.nodes.contains_key(&path) {
            self.create(domid, &path)?;
            self.fire(&path);
        }
        Ok(ok())
    }

    fn create(&mut self, domid: u16, path: &str) -> Result<(), &'static str> {
        if self.nodes.contains_key(path) {
            return if self.may(domid, path) { Ok(()) } else { Err("EACCES") };
        }
        let mut parent = path;
        while !self.nodes.contains_key(parent) {
            parent = parent.rsplit_once('/').ok_or("EACCES")?.0;
        }
        if !self.may(domid, parent) {
            return Err("EACCES");
        }
        let others = self.nodes[parent].others.clone();
        let mut at = parent.len();
        while at < path.len() {
            at = path[at + 1..].find('/').map_or(path.len(), |next| at + 1 + next);
            let node = Node { value: Vec::new(), owner: domid, others: others.clone() };
            self.nodes.insert(path[..at].into(), node);
        }
        Ok(())
    }

    fn remove_for(&mut self, domid: u16, path: &str) -> Result<Vec<u8>, &'static str> {
        let path = absolute(domid, path);
        if !self.nodes.contains_key(&path) {
            return Err(self.absent(domid, &path));
        }
        if !self.may(domid, &path) {
            return Err("EACCES");
        }
        self.remove(&path);
        Ok(ok())
    }

    fn set_permissions(&mut self, domid: u16, payload: &[u8]) -> Result<Vec<u8>, &'static str> {
        let path = absolute(domid, &text(payload, 0));
        let Some(node) = self.nodes.get(&path) else { return Err(self.absent(domid, &path)) };
        if node.owner != domid {
            return Err("EACCES");
        }
        assert_eq!(text(payload, 1), format!("n{domid}"), "the owner, and nothing for others");
        let peer = text(payload, 2).strip_prefix('b').expect("read and write").parse().unwrap();
        self.permit(&path, peer);
        Ok(ok())
    }

    fn watch(&mut self, domid: u16, payload: &[u8]) -> Result<Vec<u8>, &'static str> {
        if self.watches_to_refuse > 0 {
            self.watches_to_refuse -= 1;
            return Err("ENOMEM");
        }
        let watch = (text(payload, 0), text(payload, 1));
        let watches = &mut self.connections.get_mut(&domid).unwrap().watches;
        if watches.contains(&watch) {
            return Err("EEXIST");
        }
        watches.push(watch);
        Ok(ok())
    }

    fn fire(&mut self, path: &str) {
        let mut due = Vec::new();
        for (domid, connection) in &self.connections {
            for (watched, token) in &connection.watches {
                let absolute = absolute(*domid, watched);
                if path == absolute || path.starts_with(&format!("{absolute}/")) {
                    let relative = path.strip_prefix(&format!("{}/", home(*domid))).unwrap();
                    due.push((*domid, relative.to_owned(), token.clone()));
                }
            }
        }
        for (domid, path, token) in due {
            self.send_event(domid, &path, &token);
        }
    }
}

pub fn home(domid: u16) -> String {
    format!("/local/domain/{domid}")
}

fn is_own(domid: u16, path: &str) -> bool {
    path.starts_with(&format!("{}/data", home(domid)))
}

fn absolute(domid: u16, path: &str) -> String {
    if path.starts_with('/') { path.into() } else { format!("{}/{path}", home(domid)) }
}

fn text(payload: &[u8], index: usize) -> String {
    let part = payload.split(|byte| *byte == 0).nth(index).unwrap();
    String::from_utf8(part.to_vec()).unwrap()
}

fn ok() -> Vec<u8> {
    b"OK\0".to_vec()
}
