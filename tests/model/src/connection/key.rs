//! When two worlds of the connection's model are the same (see [`crate::key`]): when their normal
//! forms differ only in the names of their epochs.

use core::hash::Hash;

use super::normal::normalise;
use super::world::{Domain, Request, World};
use crate::key::{Form, Key, WorldHasher};

/// The world's key. Puts the world into its normal form and sets `world.unused` on the way: all
/// epochs are heard anyway.
pub(super) fn key(world: &mut World) -> Key {
    normalise(world);
    let mut hasher = WorldHasher::new(Form::Text);
    for domain in &world.domains {
        match domain {
            Some(domain) => hash_domain(&mut hasher, domain),
            None => hasher.fold(0x8000),
        }
    }
    for value in &world.mailboxes {
        hasher.register(value.as_ref());
    }
    world.pages.hash(&mut hasher);
    world.orphan.hash(&mut hasher);
    world.crashes.hash(&mut hasher);
    hasher.fold(u128::from(world.faults));
    let (key, unused) = hasher.close();
    world.unused = unused;
    key
}

fn hash_domain(hasher: &mut WorldHasher, domain: &Domain) {
    domain.link.hash(hasher);
    domain.held.hash(hasher);
    hasher.fold(0x100 + domain.port.map_or(0, |port| 1 + port as u128));
    for request in &domain.requests {
        match request {
            Request::Read => hasher.fold(0x5000),
            Request::Write(value) => hasher.register(Some(value)),
            Request::ReadDone(value) => {
                hasher.fold(0x5004);
                hasher.register(value.as_ref());
            }
            Request::WriteDone(outcome) => hasher.fold(0x5010 + *outcome as u128),
        }
    }
    hasher.fold(0x6000 + u128::from(domain.is_working));
}
