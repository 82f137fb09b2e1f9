//! The session's model: two shipped endpoints, with small queues, beats of no length and epochs
//! that are named by use, between mailboxes, requests under way and domains that die. [`world`] is
//! what surrounds them, [`step`] what may happen, [`apply`] what that does.

pub mod apply;
mod key;
mod normal;
pub mod step;
pub mod world;

use crate::finding::Wrong;
use crate::graph::Kind;
use crate::key::Key;
use crate::search::Model;
use crate::side::SIDES;
use step::SessionStep;
use world::World;
pub use world::{Bounds, Granting, Sameness};

/// What is searched.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// How far.
    pub bounds: Bounds,
}

impl Model for Session {
    type World = World;
    type Step = SessionStep;

    fn first(&self) -> World {
        World::new(&self.bounds)
    }

    fn possible(&self, world: &World) -> Vec<SessionStep> {
        step::possible(world, &self.bounds)
    }

    fn apply(&self, world: &mut World, step: SessionStep) -> Result<Kind, Wrong> {
        apply::apply(world, step, &self.bounds)
    }

    fn key(&self, world: &mut World) -> Key {
        key::key(world, &self.bounds)
    }

    fn is_settled(&self, world: &World) -> bool {
        world.is_settled()
    }

    fn described(&self, world: &World) -> String {
        described(world)
    }
}

/// Both sides in a line: epoch, peer's epoch, up or not, what is delivered, acknowledged and sent.
fn described(world: &World) -> String {
    let sides = SIDES.map(|side| match world.end(side) {
        None => format!("{side:?} dead"),
        Some(end) => {
            let peer = end.peer_epoch().map_or("-".into(), |peer| peer.bits().to_string());
            let up = if end.is_up() { "up" } else { "down" };
            let (delivered, acked, sent) = (end.delivered().0, end.acked().0, end.sent().0);
            format!("{side:?} {}>{peer} {up} {delivered}/{acked}/{sent}", end.epoch().bits())
        }
    });
    sides.join("   ")
}
