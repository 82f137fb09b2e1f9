//! Watch events of C xenstored: who may see a change, and what is not sent twice.
//!
//! Permission is judged as the event is fired: the node, or its parent, or the node's permissions
//! before the change must be readable. An event that waits already is not queued again; one that
//! waits for 20 s is given up. Each counts against the request that caused it.

use super::super::Daemon;
use super::super::connection::{Outgoing, Watch};
use super::super::limits::EVENT_TIMEOUT_NS_C;
use super::super::permissions::{Access, DOMAIN_ZERO, Permissions};
use super::super::transaction::Scope;
use super::super::tree::{is_at_or_below, split};
use super::super::wire::PAYLOAD_BYTES_MAX;
use super::operations::Fire;
use super::view::rights;

impl Daemon {
    /// Sends the events of `fire`. `causer` is the connection whose request it was, if that counts.
    pub(in super::super) fn fire_c(&mut self, fire: &Fire, causer: Option<usize>) {
        for at in 0..self.connections.len() {
            let is_hit = |watch: &Watch| match fire.scope {
                Scope::Exact => *fire.path == *watch.path,
                Scope::Above => is_at_or_below(&fire.path, &watch.path),
            };
            let watches = &self.connections[at].watches;
            if !watches.iter().any(is_hit) || !self.may_see(at, fire) {
                continue;
            }
            for watch in 0..self.connections[at].watches.len() {
                if is_hit(&self.connections[at].watches[watch]) {
                    self.queue_event_c(at, watch, &fire.path, causer);
                }
            }
        }
    }

    /// Fires a special path such as `@releaseDomain`.
    pub(in super::super) fn fire_special_c(&mut self, path: &str, permissions: &Permissions) {
        for at in 0..self.connections.len() {
            let who = self.connections[at].domain;
            let allowed = who == DOMAIN_ZERO
                || permissions.owner() == who
                || permissions.access_of(who, |_| true).grants(Access::Read);
            for watch in 0..self.connections[at].watches.len() {
                if allowed && *self.connections[at].watches[watch].path == *path {
                    self.queue_event_c(at, watch, path, None);
                }
            }
        }
    }

    fn may_see(&self, at: usize, fire: &Fire) -> bool {
        let who = self.connections[at].domain;
        if who == DOMAIN_ZERO {
            // Everything that is there; of what is gone, see below.
            if fire.gone.is_some() || fire.old.is_some() || self.tree.contains(&fire.path) {
                return true;
            }
        }
        let readable = |permissions: &Permissions| {
            permissions.owner() == who
                || permissions.access_of(who, |entry| !entry.ignored).grants(Access::Read)
        };
        if fire.old.as_ref().is_some_and(readable) {
            return true;
        }
        if let Some(gone) = &fire.gone {
            return gone.iter().any(readable);
        }
        let Some(node) = self.tree.node(&fire.path) else { return false };
        let may_read = |path: &str| {
            self.tree.node(path).is_some_and(|node| {
                rights(&self.domains, &node.permissions, node.generation, who).may_read()
            })
        };
        rights(&self.domains, &node.permissions, node.generation, who).may_read()
            || (*fire.path != *"/" && may_read(split(&fire.path).0))
    }

    /// Queues one event, or not: it waits already, it is too long, or a fault eats it.
    pub(in super::super) fn queue_event_c(
        &mut self,
        at: usize,
        watch: usize,
        path: &str,
        causer: Option<usize>,
    ) {
        self.counts.events_fired += 1;
        let connection = &self.connections[at];
        let token = connection.watches[watch].token.clone();
        let path = connection.event_path(&connection.watches[watch], path).to_owned();
        if path.len() + token.len() + 2 > PAYLOAD_BYTES_MAX {
            return;
        }
        if !path.starts_with('@') && connection.has_event(&path, &token) {
            self.counts.events_coalesced += 1;
            return;
        }
        let expires_ns = connection.is_unprivileged().then_some(self.now_ns + EVENT_TIMEOUT_NS_C);
        let cause = causer.map(|causer| self.cause_event(causer));
        let outgoing = Outgoing::Event { expires_ns, cause, held_until_ns: 0 };
        self.connections[at].push_event(outgoing, &path, &token);
    }

    /// Gives up events that nobody has begun to read for 20 s; when the next one is due.
    pub(in super::super) fn expire_events(&mut self, at: usize) -> Option<u64> {
        let mut next: Option<u64> = None;
        let mut index = 0;
        while let Some(message) = self.connections[at].queue.get(index) {
            match message.outgoing {
                Outgoing::Event { expires_ns: Some(expires), cause, .. }
                    if message.written == 0 =>
                {
                    if expires <= self.now_ns {
                        self.connections[at].queue.remove(index);
                        self.counts.events_expired += 1;
                        self.release_cause(cause);
                        continue;
                    }
                    next = Some(next.map_or(expires, |next| next.min(expires)));
                }
                _ => {}
            }
            index += 1;
        }
        next
    }
}
