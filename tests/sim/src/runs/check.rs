//! What the oracle looks for in the store and in the daemon: budgets and leftovers.

use crate::store::tree::is_at_or_below;
use crate::world::World;

/// Watches that a domain may have, whatever the number of links.
const WATCHES_MAX: usize = 4;
/// Nodes that a link has in each home.
const NODES_PER_LINK: usize = 2;
/// Bytes of a register.
const REGISTER_BYTES_MAX: usize = 1900;
/// Requests that a domain may have in flight.
const IN_FLIGHT_MAX: usize = 16;

impl World {
    /// Checks the budgets of every domain's connection, at any time.
    ///
    /// # Panics
    /// If one is exceeded.
    pub fn check_budgets(&self) {
        for place in self.places.iter().filter(|place| place.life.is_some()) {
            let Some(connection) = self.store.connection(place.domid) else { continue };
            assert!(!connection.ignored, "the daemon gave domain {} up", place.domid);
            assert!(connection.watches.len() <= WATCHES_MAX, "budget: watches");
            assert!(connection.transactions.is_empty(), "budget: a transaction");
            let replies = connection.queue.len() - connection.events_waiting();
            assert!(replies <= IN_FLIGHT_MAX, "budget: {replies} requests in flight");
        }
    }

    /// Checks what is in the store when all is over (invariant I4 and the budgets).
    ///
    /// # Panics
    /// If a node is there that has no business there, or one is too long.
    pub fn check_store(&self) {
        self.check_budgets();
        for (number, place) in self.places.iter().enumerate() {
            let domid = place.domid;
            let root = format!("/local/domain/{domid}/data/tether");
            let links = self.params.links.iter();
            let here = links.filter(|plan| [plan.front, plan.back].contains(&number)).count();
            let mut deep = 0;
            for (path, node) in self.store.tree().iter() {
                if !is_at_or_below(path, &root) {
                    continue;
                }
                // data/tether/<digit>/<link>, and below it its mailbox. What somebody put below a
                // mailbox is removed when its event comes; one made before the watch stays.
                let below = path[root.len()..].split('/').skip(1).count();
                deep += usize::from(below == 2 || below == 3);
                assert!(node.value.len() <= REGISTER_BYTES_MAX, "budget: a register is too long");
            }
            assert!(
                deep <= here * NODES_PER_LINK,
                "I4: {deep} nodes of {here} links in the home of domain {domid}"
            );
        }
    }
}
