//! The end of a transaction in oxenstored, tried three ways.
//!
//! First: nothing has changed since its start, so its tree becomes the live one. Second: what it
//! read and wrote lies in subtrees that nobody has touched, so they are put in. Third: its requests
//! are replayed on the live tree; if each answers as it did, that is the result; else EAGAIN.

use super::super::Daemon;
use super::super::transaction::{Log, Snapshot};
use super::super::tree::{Tree, is_at_or_below, split};
use super::super::wire::Errno;
use super::fire::Trees;
use super::operations::{Work, parent_of};
use super::requests::operate;

impl Daemon {
    /// Commits a transaction that has written something.
    pub(in super::super) fn commit_ocaml(
        &mut self,
        at: usize,
        snapshot: Snapshot,
    ) -> Result<(), Errno> {
        let untouched = self.renewed_ever() == snapshot.since;
        if untouched {
            self.tree = snapshot.tree.clone();
        } else if self.coalesces(&snapshot) {
            self.put_in(&snapshot);
        } else {
            match self.replay(at, &snapshot) {
                Some(tree) => self.tree = tree,
                None => {
                    self.counts.transactions_again += 1;
                    return Err(Errno::Eagain);
                }
            }
        }
        self.note_renewed(&snapshot.log);
        let trees = Trees { old: &snapshot.old, new: &snapshot.tree };
        let mut due = Vec::new();
        for changed in &snapshot.log.changes {
            // The old tree is that of the transaction's start, whatever the change itself saw.
            let changed =
                super::super::transaction::Changed { before: Vec::new(), ..changed.clone() };
            due.extend(self.due_events(&changed, &trees));
        }
        self.due = due;
        Ok(())
    }

    /// Whether nobody has touched what the transaction read and wrote.
    fn coalesces(&self, snapshot: &Snapshot) -> bool {
        let same = |path: &Option<Box<str>>| match path {
            None => true,
            Some(path) => self.is_same(snapshot, path),
        };
        same(&snapshot.log.read_at) && same(&snapshot.log.written_at)
    }

    fn is_same(&self, snapshot: &Snapshot, path: &str) -> bool {
        match (snapshot.old.node(path), self.tree.node(path)) {
            (Some(_), Some(_)) => {
                let since = (snapshot.since - self.renewed_forgotten) as usize;
                let renewed = &self.renewed[since..];
                !renewed.iter().any(|renewed| is_at_or_below(renewed, path))
                    && self.same_permissions_above(snapshot, path)
            }
            (None, None) => self.tree.contains(parent_of(path)),
            _ => false,
        }
    }

    fn same_permissions_above(&self, snapshot: &Snapshot, path: &str) -> bool {
        let mut at = path;
        loop {
            let same = match (snapshot.old.node(at), self.tree.node(at)) {
                (Some(old), Some(new)) => old.permissions == new.permissions,
                _ => false,
            };
            if !same || at == "/" {
                return same;
            }
            at = parent_of(at);
        }
    }

    /// Puts the transaction's subtree in place of the live one, and moves the charges along.
    fn put_in(&mut self, snapshot: &Snapshot) {
        let Some(path) = &snapshot.log.written_at else { return };
        if !snapshot.tree.contains(path) {
            return;
        }
        for gone in self.tree.subtree(path) {
            self.tree.take(&gone);
        }
        for new in snapshot.tree.subtree(path) {
            let node = snapshot.tree.node(&new).expect("it was listed").clone();
            self.tree.put(&new, node);
        }
        if **path != *"/" {
            let (parent, name) = split(path);
            let order = self.tree.order();
            if let Some(parent) = self.tree.node_mut(parent) {
                parent.unlist_child(name);
                parent.list_child(name, order);
            }
        }
        for (owner, count) in snapshot.tree.charges() {
            self.tree.charge(*owner, count - snapshot.old.charged(*owner));
        }
    }

    /// Does every request again; the resulting tree if each answers the same.
    fn replay(&self, at: usize, snapshot: &Snapshot) -> Option<Tree> {
        let connection = &self.connections[at];
        let mut tree = self.tree.clone();
        let mut log = Log::default();
        for recorded in &snapshot.recorded {
            let (who, nodes_max) = (connection.domain, self.quotas.nodes);
            let mut work = Work { tree: &mut tree, log: &mut log, who, nodes_max };
            let mut reply = Vec::new();
            let answer = operate(
                &mut work,
                recorded.header,
                &recorded.payload,
                &connection.home,
                &mut reply,
            )
            .map(|()| reply);
            if answer != recorded.answer {
                return None;
            }
        }
        Some(tree)
    }

    /// How many nodes were ever renewed.
    pub(in super::super) fn renewed_ever(&self) -> u64 {
        self.renewed_forgotten + self.renewed.len() as u64
    }

    /// Remembers what was renewed, as long as a transaction is open that may ask.
    pub(in super::super) fn note_renewed(&mut self, log: &Log) {
        if self.open_transactions() > 0 {
            self.renewed.extend(log.renewed.iter().cloned());
        } else {
            self.renewed_forgotten += (self.renewed.len() + log.renewed.len()) as u64;
            self.renewed.clear();
        }
    }
}
