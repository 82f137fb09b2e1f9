//! Two xenstored models over one tree: C xenstored and oxenstored as of Xen 4.17.
//!
//! A [`Daemon`] speaks the wire protocol in bytes over simulated ring pages, so the code under test
//! cannot tell it from the real one; the world calls [`Daemon::serve`] whenever the daemon would
//! run. Shared: [`wire`], [`ring`], [`connection`], [`tree`], [`permissions`]; apart, because they
//! really differ: `c` and `ocaml`. What the world does to a daemon on purpose is in `mischief`;
//! [`replay`] holds both to what the real ones were recorded to answer.

mod c;
mod causes;
pub mod connection;
pub mod limits;
mod mischief;
mod ocaml;
pub mod permissions;
pub mod replay;
pub mod ring;
mod serve;
mod toolstack;
pub mod transaction;
pub mod tree;
pub mod wire;

#[cfg(test)]
mod behaviour;
#[cfg(test)]
mod testing;

use c::limiter::WriteLimiter;
use c::view::KnownDomain;
use causes::Causes;
use connection::{Connection, Due, Outgoing};
use limits::Quotas;
use permissions::{DOMAIN_ZERO, Permissions};
use transaction::Log;
use tree::{ChildOrder, Node, Tree};
use wire::{Errno, Header, Kind, PAYLOAD_BYTES_MAX};

pub use serve::Served;

/// Which daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// C xenstored.
    C,
    /// oxenstored.
    Ocaml,
}

/// What a daemon has done; for reports and for the faults that must be shown to have happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Requests answered.
    pub requests: u64,
    /// Events that were due, whatever became of them.
    pub events_fired: u64,
    /// Events not queued because the same one waited already.
    pub events_coalesced: u64,
    /// Events given up after 20 s.
    pub events_expired: u64,
    /// Passes in which a connection was not read because of its outstanding requests.
    pub stalls_outstanding: u64,
    /// Passes in which a connection was not read because of the write-rate limit.
    pub stalls_rate: u64,
    /// Transactions that ended in EAGAIN.
    pub transactions_again: u64,
    /// TRANSACTION_STARTs that waited for a live update.
    pub starts_delayed: u64,
    /// Messages that went into a ring in more than one piece.
    pub messages_split: u64,
    /// Connections given up after a protocol error.
    pub connections_killed: u64,
    /// Permission entries for domains that did not exist.
    pub void_permissions: u64,
}

/// A live update, from the wish for it to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LiveUpdate {
    /// None.
    Idle,
    /// Waits until no transaction is open; new ones are delayed.
    Pending { pause_ns: u64, give_up_ns: u64 },
    /// Nobody is served.
    Paused { until_ns: u64 },
}

/// A simulated xenstored.
#[derive(Clone, Debug)]
pub struct Daemon {
    flavour: Flavour,
    quotas: Quotas,
    tree: Tree,
    /// Changes so far (C).
    generation: u64,
    /// Clients, the toolstack first, then in order of introduction.
    connections: Vec<Connection>,
    /// Domains that Xen says exist.
    existing: Vec<u16>,
    /// Domains with a record (C).
    domains: Vec<KnownDomain>,
    causes: Causes,
    limiter: WriteLimiter,
    live_update: LiveUpdate,
    /// Nodes renewed while transactions were open, and how many were forgotten before (oxenstored).
    renewed: Vec<Box<str>>,
    renewed_forgotten: u64,
    counts: Counts,
    now_ns: u64,
    notified: Vec<u16>,
    /// Requests since it was last looked at, if somebody wants to know.
    journal: Option<Vec<(u16, Header, String)>>,
    // Scratch space, so that a request allocates little.
    reply: Vec<u8>,
    log: Log,
    due: Vec<Due>,
    first_fire: Option<(Box<str>, Box<str>)>,
}

impl Daemon {
    /// A daemon that has just started, with the directories that the toolstack relies on.
    pub fn new(flavour: Flavour) -> Self {
        Self::with_quotas(flavour, Quotas::default())
    }

    /// The same, with other quotas than the defaults.
    pub fn with_quotas(flavour: Flavour, quotas: Quotas) -> Self {
        let order = match flavour {
            Flavour::C => ChildOrder::Creation,
            Flavour::Ocaml => ChildOrder::Name,
        };
        let mut tree = Tree::new(order);
        let plain = ["/local", "/local/domain", "/tool", "/vm"];
        let special: &[&str] = match flavour {
            Flavour::C => &[],
            Flavour::Ocaml => &["/@introduceDomain", "/@releaseDomain"],
        };
        for path in plain.iter().chain(special) {
            tree.add(path, Node::new(Permissions::private(DOMAIN_ZERO), 0));
        }
        let mut limiter = WriteLimiter::default();
        // Domain 0 is never charged, but has a share as every domain with a ring.
        limiter.add(DOMAIN_ZERO, 0);
        Daemon {
            flavour,
            quotas,
            tree,
            generation: 1,
            connections: vec![Connection::new(DOMAIN_ZERO, None)],
            existing: vec![DOMAIN_ZERO],
            domains: vec![KnownDomain { domain: DOMAIN_ZERO, generation: 0 }],
            causes: Causes::default(),
            limiter,
            live_update: LiveUpdate::Idle,
            renewed: Vec::new(),
            renewed_forgotten: 0,
            counts: Counts::default(),
            now_ns: 0,
            notified: Vec::new(),
            journal: None,
            reply: Vec::new(),
            log: Log::default(),
            due: Vec::new(),
            first_fire: None,
        }
    }

    /// Which daemon this is.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// What it has done.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Its nodes, for the oracle.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// A domain's connection, for the oracle.
    pub fn connection(&self, domain: u16) -> Option<&Connection> {
        self.connections.iter().find(|connection| connection.domain == domain)
    }

    fn connection_at(&self, domain: u16) -> Option<usize> {
        self.connections.iter().position(|connection| connection.domain == domain)
    }

    fn open_transactions(&self) -> usize {
        self.connections.iter().map(|connection| connection.transactions.len()).sum()
    }

    /// The place of an open transaction in its connection's list; none for number 0.
    fn transaction_of(&self, at: usize, id: u32) -> Result<Option<usize>, Errno> {
        if id == 0 {
            return Ok(None);
        }
        let same = |open: &transaction::Transaction| open.id == id;
        let place = self.connections[at].transactions.iter().position(same);
        place.map(Some).ok_or(Errno::Enoent)
    }

    /// Queues the answer to a request.
    fn reply_to(&mut self, at: usize, header: Header, result: Result<&[u8], Errno>) {
        let result = match result {
            Ok(payload) if payload.len() > PAYLOAD_BYTES_MAX => Err(Errno::E2big),
            other => other,
        };
        self.counts.requests += 1;
        let connection = &mut self.connections[at];
        let outgoing = Outgoing::Reply { cause: self.causes.take_open() };
        match result {
            Ok(payload) => connection.push(outgoing, header, &[payload]),
            Err(error) => {
                let header = Header { kind: Kind::Error as u32, ..header };
                connection.push(outgoing, header, &[error.word().as_bytes(), &[0]]);
            }
        }
        connection.outstanding += 1;
    }

    /// Begins to write down every request.
    pub fn keep_journal(&mut self) {
        self.journal = Some(Vec::new());
    }

    /// Takes what was written down: who asked, and what.
    pub fn take_journal(&mut self) -> Vec<(u16, Header, String)> {
        self.journal.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// Answers one request at once.
    fn process(&mut self, at: usize, header: Header, payload: &[u8]) {
        if let Some(journal) = &mut self.journal {
            let shown = payload.split(|byte| *byte == 0).take(2).collect::<Vec<_>>().join(&b' ');
            let shown = String::from_utf8_lossy(&shown).into_owned();
            journal.push((self.connections[at].domain, header, shown));
        }
        match self.flavour {
            Flavour::C => self.process_c(at, header, payload),
            Flavour::Ocaml => self.process_ocaml(at, header, payload),
        }
    }

    /// Makes a record of a domain if it exists and has none; whether it exists (C).
    fn know_domain(&mut self, domain: u16) -> bool {
        if self.domains.iter().any(|known| known.domain == domain) {
            return true;
        }
        let exists = self.existing.contains(&domain);
        if exists {
            self.domains.push(KnownDomain { domain, generation: self.generation });
        } else {
            self.counts.void_permissions += 1;
        }
        exists
    }
}

/// The digits at the beginning, 0 without any.
fn decimal(text: &[u8]) -> u64 {
    text.iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |sum: u64, byte| sum.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
}
