//! What domain 0 does with the daemon: create, introduce and destroy domains, and plain requests.
//!
//! The toolstack's requests are answered on the spot; how long they take is the world's business.

use super::connection::{Connection, Message, Outgoing};
use super::permissions::{DOMAIN_ZERO, Permissions};
use super::ring::{CONNECTION_AT, SERVER_FEATURES_AT, reset};
use super::transaction::Log;
use super::tree::split;
use super::wire::{Errno, HEADER_BYTES, Header, Kind};
use super::{Daemon, Flavour};
use super::{c::view::View, ocaml::operations::Work};
use crate::base::page::Page;

/// XENSTORE_SERVER_FEATURE_RECONNECTION
const FEATURE_RECONNECTION: u32 = 1;

impl Daemon {
    /// Xen says that the domain exists now.
    pub fn domain_created(&mut self, domain: u16) {
        assert!(!self.existing.contains(&domain), "domain {domain} exists already");
        self.existing.push(domain);
    }

    /// XS_INTRODUCE: a domain's ring is served from now on.
    pub fn introduce(&mut self, domain: u16, page: Page, now_ns: u64) {
        assert!(self.existing.contains(&domain), "introduced before it exists");
        assert!(self.connection(domain).is_none(), "introduced twice");
        self.now_ns = self.now_ns.max(now_ns);
        match self.flavour {
            Flavour::C => {
                reset(&page);
                self.limiter.add(domain, now_ns);
            }
            Flavour::Ocaml => page.store(SERVER_FEATURES_AT, FEATURE_RECONNECTION),
        }
        page.store(CONNECTION_AT, 0);
        self.remember(domain);
        self.connections.push(Connection::new(domain, Some(page)));
        match self.flavour {
            Flavour::C => {
                self.fire_special_c("@introduceDomain", &Permissions::private(DOMAIN_ZERO));
            }
            Flavour::Ocaml => self.fire_special_ocaml("@introduceDomain"),
        }
    }

    /// The daemon hears that a domain is gone: its connection, its nodes with all children, and its
    /// place in permissions go too.
    pub fn domain_destroyed(&mut self, domain: u16, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        self.existing.retain(|existing| *existing != domain);
        if let Some(at) = self.connection_at(domain) {
            self.drop_queue(at);
            self.causes.orphan(domain);
            self.connections.remove(at);
            self.limiter.remove(domain);
        }
        match self.flavour {
            Flavour::C => self.remove_owned_c(domain),
            Flavour::Ocaml => self.remove_owned_ocaml(domain),
        }
        self.domains.retain(|known| known.domain != domain);
    }

    /// C xenstored removes the dead domain's nodes as RM would, with events.
    fn remove_owned_c(&mut self, domain: u16) {
        while let Some(path) = self.first_owned(domain) {
            let mut view = View {
                tree: &mut self.tree,
                overlay: None,
                generation: &mut self.generation,
                domains: &self.domains,
                who: DOMAIN_ZERO,
                nodes_max: self.quotas.nodes,
                debits: 0,
            };
            let fires = view.remove_subtree(&path).expect("its parent is there");
            for fire in fires {
                self.fire_c(&fire, None);
            }
        }
        self.fire_special_c("@releaseDomain", &Permissions::private(DOMAIN_ZERO));
    }

    /// oxenstored removes them silently and strips the domain from all permissions.
    fn remove_owned_ocaml(&mut self, domain: u16) {
        let mut log = Log::default();
        while let Some(path) = self.first_owned(domain) {
            let nodes_max = self.quotas.nodes;
            let (tree, log) = (&mut self.tree, &mut log);
            let mut work = Work { tree, log, who: DOMAIN_ZERO, nodes_max };
            work.take_subtree(&path);
            log.renewed.push(split(&path).0.into());
        }
        let paths = self.tree.subtree("/");
        for path in paths {
            let node = self.tree.node_mut(&path).expect("it was listed");
            if node.permissions.entries()[1..].iter().any(|entry| entry.domain == i32::from(domain))
            {
                node.permissions.forget(domain);
                log.renewed.push(path);
            }
        }
        self.tree.forgive(domain);
        self.note_renewed(&log);
        self.fire_special_ocaml("@releaseDomain");
    }

    fn first_owned(&self, domain: u16) -> Option<Box<str>> {
        if self.tree.charged(domain) <= 0 {
            return None;
        }
        let owned = |path: &str| {
            self.tree.node(path).is_some_and(|node| node.permissions.owner() == domain)
        };
        self.tree.subtree("/").into_iter().find(|path| owned(path))
    }

    /// A request of the toolstack; the reply's payload.
    ///
    /// # Errors
    /// The daemon's word.
    pub fn request(
        &mut self,
        kind: Kind,
        transaction: u32,
        payload: &[u8],
        now_ns: u64,
    ) -> Result<Vec<u8>, Errno> {
        self.ask_at(0, kind, transaction, payload, now_ns)
    }

    /// A request of the toolstack, whatever it is; [`Daemon::take_tool_messages`] has the reply.
    pub(super) fn process_tool(&mut self, header: Header, payload: &[u8], now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        self.process(0, header, payload);
    }

    /// Takes what waits for the toolstack, events of its watches among it, as bytes.
    pub(super) fn take_tool_messages(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(message) = self.connections[0].queue.pop_front() {
            self.message_gone(0, message.outgoing);
            bytes.extend_from_slice(&message.bytes);
        }
        bytes
    }

    /// A request of a domain, as if it had gone through its ring; the reply's payload.
    ///
    /// # Errors
    /// The daemon's word; EIO if it does not know the domain.
    pub fn request_of(
        &mut self,
        domain: u16,
        kind: Kind,
        payload: &[u8],
        now_ns: u64,
    ) -> Result<Vec<u8>, Errno> {
        let at = self.connection_at(domain).ok_or(Errno::Eio)?;
        self.ask_at(at, kind, 0, payload, now_ns)
    }

    fn ask_at(
        &mut self,
        at: usize,
        kind: Kind,
        transaction: u32,
        payload: &[u8],
        now_ns: u64,
    ) -> Result<Vec<u8>, Errno> {
        self.now_ns = self.now_ns.max(now_ns);
        let length = payload.len() as u32;
        self.process(at, Header { kind: kind as u32, request: 0, transaction, length }, payload);
        let queue = &mut self.connections[at].queue;
        let is_reply = |message: &Message| matches!(message.outgoing, Outgoing::Reply { .. });
        let place = queue.iter().rposition(is_reply).expect("every request is answered");
        let message = queue.remove(place).expect("just found");
        self.message_gone(at, message.outgoing);
        if at == 0 {
            // Events of the toolstack's own watches are nobody's business here.
            self.drop_queue(0);
        }
        let body = message.bytes[HEADER_BYTES..].to_vec();
        let kind = u32::from_le_bytes([
            message.bytes[0],
            message.bytes[1],
            message.bytes[2],
            message.bytes[3],
        ]);
        if kind != Kind::Error as u32 {
            return Ok(body);
        }
        let word = core::str::from_utf8(&body[..body.len() - 1]).unwrap_or_default();
        Err(Errno::from_word(word).expect("the daemon's own word"))
    }
}
