//! The tree as one request of C xenstored sees it: the live nodes, or a transaction's copies.
//!
//! Every node that a request looks at is *touched*: inside a transaction that copies it and notes
//! its generation, which is what the commit compares. Permissions are judged by generations too: an
//! exception for a domain that is younger than the node counts for nobody.

use super::super::limits::{
    NODE_BYTES_MAX, RECORD_HEADER_BYTES_C, RECORD_PERMISSION_BYTES_C, TRANSACTION_NODES_MAX_C,
};
use super::super::permissions::{Access, DOMAIN_ZERO, Entry, Permissions};
use super::super::transaction::{Overlay, Touched};
use super::super::tree::{Node, Tree, split};
use super::super::wire::Errno;

/// A domain that the daemon has a record of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownDomain {
    /// Which.
    pub(crate) domain: u16,
    /// The counter when the record was made.
    pub(crate) generation: u64,
}

/// What a request needs of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// To read it.
    Read,
    /// To write it.
    Write,
    /// To own it.
    Own,
}

/// What somebody may do with a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rights {
    access: Access,
    owner: bool,
}

impl Rights {
    /// Whether they let the node be read.
    pub(crate) fn may_read(self) -> bool {
        self.satisfy(Need::Read)
    }

    fn satisfy(self, need: Need) -> bool {
        match need {
            Need::Read => self.access.grants(Access::Read),
            Need::Write => self.access.grants(Access::Write),
            Need::Own => self.owner,
        }
    }

    /// What decides whether an error may be told: any of the rights, not all.
    fn touch_on(self, need: Need) -> bool {
        match need {
            Need::Own => self.owner || self.access.grants(Access::Write),
            other => self.satisfy(other),
        }
    }
}

/// Whether an exception still counts on a node of `generation`.
pub(crate) fn counts(domains: &[KnownDomain], entry: &Entry, generation: u64) -> bool {
    !entry.ignored
        && domains
            .iter()
            .any(|known| i32::from(known.domain) == entry.domain && known.generation <= generation)
}

/// What `who` may do under these permissions of a node of `generation`.
pub(crate) fn rights(
    domains: &[KnownDomain],
    permissions: &Permissions,
    generation: u64,
    who: u16,
) -> Rights {
    if who == DOMAIN_ZERO || permissions.owner() == who {
        return Rights { access: Access::Both, owner: true };
    }
    let access = permissions.access_of(who, |entry| counts(domains, entry, generation));
    Rights { access, owner: false }
}

/// The view of one request.
pub(crate) struct View<'a> {
    /// The live nodes.
    pub(crate) tree: &'a mut Tree,
    /// The transaction, if the request is in one.
    pub(crate) overlay: Option<&'a mut Overlay>,
    /// The daemon's change counter.
    pub(crate) generation: &'a mut u64,
    /// Domains on record.
    pub(crate) domains: &'a [KnownDomain],
    /// Who asks.
    pub(crate) who: u16,
    /// Nodes that a domain may have.
    pub(crate) nodes_max: i64,
    /// Node writes to be charged to the write-rate limit.
    pub(crate) debits: u32,
}

impl View<'_> {
    /// The node as the request sees it, without touching it.
    pub(crate) fn peek(&self, path: &str) -> Option<&Node> {
        if let Some(overlay) = &self.overlay
            && let Some(at) = overlay.find(path)
        {
            return overlay.touched[at].node.as_ref();
        }
        self.tree.node(path)
    }

    /// Touches a node; true if it is there.
    pub(crate) fn touch(&mut self, path: &str) -> Result<bool, Errno> {
        let Some(overlay) = &mut self.overlay else {
            return Ok(self.tree.contains(path));
        };
        if let Some(at) = overlay.find(path) {
            return Ok(overlay.touched[at].node.is_some());
        }
        if overlay.touched.len() >= TRANSACTION_NODES_MAX_C && self.who != DOMAIN_ZERO {
            overlay.failed = true;
            return Err(Errno::Enospc);
        }
        let node = self.tree.node(path).map(|node| adjusted(self.domains, node));
        let there = node.is_some();
        overlay.touched.push(Touched {
            path: path.into(),
            generation: node.as_ref().map(|node| node.generation),
            original: node.as_ref().map(|node| node.permissions.clone()),
            node,
            modified: false,
            fire: None,
        });
        Ok(there)
    }

    /// Touches the node and checks the caller's right to it.
    pub(crate) fn get(&mut self, path: &str, need: Need) -> Result<(), Errno> {
        if !is_valid_path(path) {
            return Err(Errno::Einval);
        }
        if !self.touch(path)? {
            return Err(self.disguise(path, Errno::Enoent, need));
        }
        let node = self.peek(path).expect("touched and there");
        if rights(self.domains, &node.permissions, node.generation, self.who).satisfy(need) {
            return Ok(());
        }
        Err(self.disguise(path, Errno::Eacces, need))
    }

    /// The error that may be told: EACCES unless the nearest ancestor that exists is open to the
    /// caller, so that nobody learns what lies in a closed directory.
    fn disguise(&mut self, path: &str, error: Errno, need: Need) -> Errno {
        let mut above = path;
        while above != "/" {
            above = split(above).0;
            match self.touch(above) {
                Err(full) => return full,
                Ok(false) => {}
                Ok(true) => break,
            }
        }
        let node = self.peek(above).expect("the root is always there");
        let rights = rights(self.domains, &node.permissions, node.generation, self.who);
        if rights.touch_on(need) { error } else { Errno::Eacces }
    }

    /// The node to be changed: it must be there and touched. Counts as one write.
    pub(crate) fn edit(&mut self, path: &str) -> &mut Node {
        *self.generation += 1;
        let generation = *self.generation;
        let node = match &mut self.overlay {
            None => {
                self.debits += 1;
                self.tree.node_mut(path).expect("the caller has touched it")
            }
            Some(overlay) => {
                let at = overlay.find(path).expect("the caller has touched it");
                overlay.touched[at].modified = true;
                overlay.touched[at].node.as_mut().expect("the caller saw it")
            }
        };
        ignore_the_young(self.domains, node);
        node.generation = generation;
        node
    }

    /// Puts a new node at a touched path. Counts as one write; lists nothing.
    pub(crate) fn place(&mut self, path: &str, mut node: Node) {
        *self.generation += 1;
        node.generation = *self.generation;
        match &mut self.overlay {
            None => {
                self.debits += 1;
                self.tree.put(path, node);
            }
            Some(overlay) => {
                let at = overlay.find(path).expect("the caller has touched it");
                overlay.touched[at].modified = true;
                overlay.touched[at].node = Some(node);
            }
        }
    }

    /// Takes a touched node away. Counts as one write; unlists nothing.
    pub(crate) fn displace(&mut self, path: &str) {
        *self.generation += 1;
        match &mut self.overlay {
            None => {
                self.debits += 1;
                self.tree.take(path);
            }
            Some(overlay) => {
                let at = overlay.find(path).expect("the caller has touched it");
                overlay.touched[at].modified = true;
                overlay.touched[at].node = None;
            }
        }
    }

    /// Charges `owner` for nodes, at once or at the end of the transaction.
    pub(crate) fn charge(&mut self, owner: u16, more: i64) {
        match &mut self.overlay {
            None => self.tree.charge(owner, more),
            Some(overlay) => overlay.charge(owner, more),
        }
    }

    /// Spoils the transaction, if there is one.
    pub(crate) fn fail(&mut self) {
        if let Some(overlay) = &mut self.overlay {
            overlay.failed = true;
        }
    }
}

/// Bytes of a node's record, which the node-size quota is about.
pub(crate) fn record_bytes(permissions: usize, value: usize, children: usize) -> usize {
    RECORD_HEADER_BYTES_C + RECORD_PERMISSION_BYTES_C * permissions + value + children
}

/// Whether a record of so many bytes is one too many for `who`.
pub(crate) fn is_too_large(who: u16, bytes: usize) -> bool {
    who != DOMAIN_ZERO && bytes >= NODE_BYTES_MAX
}

/// The node with every exception that no longer counts marked so.
pub(crate) fn adjusted(domains: &[KnownDomain], node: &Node) -> Node {
    let mut node = node.clone();
    ignore_the_young(domains, &mut node);
    node
}

fn ignore_the_young(domains: &[KnownDomain], node: &mut Node) {
    let generation = node.generation;
    for entry in node.permissions.exceptions_mut() {
        entry.ignored = !counts(domains, entry, generation);
    }
}

/// is_valid_nodename: absolute, no empty component, known characters, and not too long below
/// `/local/domain/<domid>/`.
pub(crate) fn is_valid_path(path: &str) -> bool {
    if !path.starts_with('/') || (path.len() > 1 && path.ends_with('/')) || path.contains("//") {
        return false;
    }
    let own = path.strip_prefix("/local/domain/").and_then(|rest| {
        let digits = rest.bytes().take(5).take_while(u8::is_ascii_digit).count();
        (digits > 0 && rest[digits..].starts_with('/')).then(|| &rest[digits + 1..])
    });
    own.unwrap_or(path).len() <= super::super::limits::PATH_BYTES_MAX_C
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-/_@".contains(&byte))
}
