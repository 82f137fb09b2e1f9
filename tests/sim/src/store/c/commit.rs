//! The end of a transaction in C xenstored.
//!
//! Every node that was touched must have the generation it had then, or the answer is EAGAIN. The
//! changed ones then replace the live ones, and their events are fired, in the order of touching.

use super::super::Daemon;
use super::super::transaction::{Overlay, Scope};
use super::super::wire::Errno;
use super::operations::Fire;

impl Daemon {
    /// Commits what `at`'s transaction has done, unless somebody was faster.
    pub(in super::super) fn commit_c(&mut self, at: usize, overlay: Overlay) -> Result<(), Errno> {
        let connection = &self.connections[at];
        let unprivileged = connection.is_unprivileged();
        if overlay.failed {
            return Err(Errno::Enomem);
        }
        if overlay.created && unprivileged {
            for (owner, more) in &overlay.charges {
                if *owner != 0 && self.tree.charged(*owner) + more >= self.quotas.nodes {
                    return Err(Errno::Enospc);
                }
            }
        }
        let unchanged = overlay.touched.iter().all(|touched| {
            self.tree.node(&touched.path).map(|node| node.generation) == touched.generation
        });
        if !unchanged {
            self.counts.transactions_again += 1;
            return Err(Errno::Eagain);
        }
        let causer = unprivileged.then_some(at);
        for touched in overlay.touched {
            if !touched.modified {
                continue;
            }
            match touched.node {
                Some(mut node) => {
                    self.generation += 1;
                    node.generation = self.generation;
                    self.tree.put(&touched.path, node);
                }
                None => {
                    self.tree.take(&touched.path);
                }
            }
            if let Some(scope) = touched.fire {
                let fire = Fire { path: touched.path, scope, gone: None, old: touched.original };
                self.fire_c(&fire, causer);
            }
        }
        for (owner, more) in overlay.charges {
            self.tree.charge(owner, more);
        }
        // Our own transaction is gone from the list already.
        if self.open_transactions() > 0 && unprivileged {
            let domain = self.connections[at].domain;
            self.limiter.debit(domain, self.now_ns);
        }
        Ok(())
    }
}

/// Notes that an event is due for a changed node. One that spreads replaces one that does not.
pub(crate) fn queue_fire(overlay: &mut Overlay, path: &str, scope: Scope) {
    match overlay.find(path) {
        None => overlay.failed = true,
        Some(at) => {
            let fire = &mut overlay.touched[at].fire;
            if *fire != Some(Scope::Above) {
                *fire = Some(scope);
            }
        }
    }
}
