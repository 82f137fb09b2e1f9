//! Watch events of oxenstored: watches above a change first, newest first on one path; a removed
//! directory fires the watches below it with their own paths.
//!
//! Nothing is coalesced and nothing times out. Whoever causes more events than a reader's queues
//! hold is not read from until they drain.

use super::super::Daemon;
use super::super::connection::{Due, Outgoing, Watch};
use super::super::limits::EVENTS_WAITING_MAX_OCAML;
use super::super::permissions::{Access, DOMAIN_ZERO, Permissions};
use super::super::transaction::{Change, Changed};
use super::super::tree::{Tree, is_at_or_below};
use super::operations::{allows, parent_of};

/// Where permissions are looked up: the tree before the change, after it, or both.
pub(crate) struct Trees<'a> {
    /// Before; a change's own record comes first, the rest is unchanged.
    pub(crate) old: &'a Tree,
    /// After.
    pub(crate) new: &'a Tree,
}

impl Trees<'_> {
    fn before<'a>(&'a self, changed: &'a Changed, path: &str) -> Option<&'a Permissions> {
        let own = changed.before.iter().find(|(at, _)| **at == *path);
        own.map(|(_, permissions)| permissions)
            .or_else(|| self.old.node(path).map(|node| &node.permissions))
    }

    /// Whether `who` may read the node at `path` or its parent, in any of the trees that count.
    fn may_see(&self, who: u16, changed: &Changed, path: &str) -> bool {
        let parent = parent_of(path);
        let before = [self.before(changed, parent), self.before(changed, path)];
        let after = [parent, path].map(|at| self.new.node(at).map(|node| &node.permissions));
        let readable = |found: [Option<&Permissions>; 2]| {
            // Without a parent nothing is found at all.
            found[0].is_some()
                && found.into_iter().flatten().any(|it| allows(it, who, Access::Read))
        };
        match changed.change {
            Change::Written => readable(after),
            Change::Removed => readable(before),
            Change::Permissions => readable(before) || readable(after),
        }
    }
}

impl Daemon {
    /// The events of a change, in the order in which they are queued.
    pub(in super::super) fn due_events(&self, changed: &Changed, trees: &Trees<'_>) -> Vec<Due> {
        let mut due = Vec::new();
        for (at, connection) in self.connections.iter().enumerate() {
            if connection.watches.is_empty() {
                continue;
            }
            let newest_first = || connection.watches.iter().rev();
            let mut above: Vec<&Watch> =
                newest_first().filter(|watch| is_at_or_below(&changed.path, &watch.path)).collect();
            above.sort_by_key(|watch| watch.path.len());
            for watch in above {
                if trees.may_see(connection.domain, changed, &changed.path) {
                    let path = connection.event_path(watch, &changed.path).into();
                    due.push(Due { connection: at, path, token: watch.token.clone() });
                }
            }
            if changed.change != Change::Removed {
                continue;
            }
            let mut below: Vec<&Watch> = newest_first()
                .filter(|w| *w.path != *changed.path && is_at_or_below(&w.path, &changed.path))
                .collect();
            below.sort_by(|one, other| one.path.split('/').cmp(other.path.split('/')));
            for watch in below {
                if trees.may_see(connection.domain, changed, &watch.path) {
                    let path = connection.event_path(watch, &watch.path).into();
                    due.push(Due { connection: at, path, token: watch.token.clone() });
                }
            }
        }
        due
    }

    /// Queues events on account of connection `source`.
    pub(in super::super) fn queue_due(&mut self, source: usize, due: Vec<Due>) {
        for event in due {
            self.queue_event_ocaml(source, event.connection, &event.path, &event.token);
        }
    }

    /// Queues one event.
    pub(in super::super) fn queue_event_ocaml(
        &mut self,
        source: usize,
        at: usize,
        path: &str,
        token: &str,
    ) {
        self.counts.events_fired += 1;
        let outgoing = Outgoing::Event { expires_ns: None, cause: None, held_until_ns: 0 };
        self.connections[at].push_event(outgoing, path, token);
        if self.connections[at].events_waiting() > EVENTS_WAITING_MAX_OCAML {
            self.connections[source].blocked_by = Some(self.connections[at].domain);
        }
    }

    /// Fires a special path such as `@releaseDomain`: a node of its own, for domain 0 only.
    pub(in super::super) fn fire_special_ocaml(&mut self, path: &str) {
        for at in 0..self.connections.len() {
            if self.connections[at].domain != DOMAIN_ZERO {
                continue;
            }
            for watch in 0..self.connections[at].watches.len() {
                if *self.connections[at].watches[watch].path == *path {
                    let token = self.connections[at].watches[watch].token.clone();
                    self.queue_event_ocaml(0, at, path, &token);
                }
            }
        }
    }
}
