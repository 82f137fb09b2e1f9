//! Open transactions: C xenstored copies what is touched, oxenstored takes a snapshot of all.
//!
//! Only the data lives here; `c::view` and `ocaml::commit` say what is done with it.

use super::permissions::Permissions;
use super::tree::{Node, Tree};
use super::wire::{Errno, Header};

/// An open transaction.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Its number, never 0.
    pub id: u32,
    /// What it has seen and done.
    pub state: State,
}

/// Per kind of daemon.
#[derive(Clone, Debug)]
pub enum State {
    /// C xenstored.
    Overlay(Overlay),
    /// oxenstored.
    Snapshot(Box<Snapshot>),
}

/// How a watch event of a change is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Watches on the path or above it.
    Above,
    /// Only watches on the very path: it went with its parent.
    Exact,
}

/// Nodes touched in a transaction of C xenstored, in the order they were first touched.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    /// The touched nodes.
    pub touched: Vec<Touched>,
    /// A node was created: the quota is checked at the end.
    pub created: bool,
    /// Something failed in it: its end is ENOMEM.
    pub failed: bool,
    /// Nodes more or fewer, per owner.
    pub charges: Vec<(u16, i64)>,
}

/// One touched node.
#[derive(Clone, Debug)]
pub struct Touched {
    /// Where.
    pub path: Box<str>,
    /// The transaction's own copy; none if it is absent or was removed.
    pub node: Option<Node>,
    /// The generation it had when first read; none if it was absent.
    pub generation: Option<u64>,
    /// Written or removed.
    pub modified: bool,
    /// The permissions it had when first touched.
    pub original: Option<Permissions>,
    /// An event is due at the end.
    pub fire: Option<Scope>,
}

impl Overlay {
    /// The entry for a path.
    pub fn find(&self, path: &str) -> Option<usize> {
        self.touched.iter().position(|touched| *touched.path == *path)
    }

    /// Nodes more or fewer for `owner`.
    pub fn charge(&mut self, owner: u16, more: i64) {
        match self.charges.iter_mut().find(|(domain, _)| *domain == owner) {
            Some((_, count)) => *count += more,
            None => self.charges.push((owner, more)),
        }
    }
}

/// What a change was (oxenstored).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// WRITE or MKDIR.
    Written,
    /// RM.
    Removed,
    /// SET_PERMS.
    Permissions,
}

/// One change and what was there before, for the events (oxenstored).
#[derive(Clone, Debug)]
pub struct Changed {
    /// What it was.
    pub change: Change,
    /// Where.
    pub path: Box<str>,
    /// Permissions of the nodes that it removed or changed, as they were.
    pub before: Vec<(Box<str>, Permissions)>,
}

/// What requests did to a tree (oxenstored).
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Changes that cause events, in order.
    pub changes: Vec<Changed>,
    /// The lowest common ancestor of all that was read.
    pub read_at: Option<Box<str>>,
    /// The lowest common ancestor of all that was written.
    pub written_at: Option<Box<str>>,
    /// Paths whose nodes, and whose ancestors, are new objects.
    pub renewed: Vec<Box<str>>,
}

/// A request in a transaction and its answer.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The request's header.
    pub header: Header,
    /// Its payload.
    pub payload: Vec<u8>,
    /// The reply's payload, or the error.
    pub answer: Result<Vec<u8>, Errno>,
}

/// A transaction of oxenstored.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The tree at its start.
    pub old: Tree,
    /// How many nodes the daemon had ever renewed then.
    pub since: u64,
    /// The tree as the transaction sees it.
    pub tree: Tree,
    /// What was done to it.
    pub log: Log,
    /// Every request and its answer, to be replayed.
    pub recorded: Vec<Recorded>,
}
