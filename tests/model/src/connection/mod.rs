//! The connection's model: shipped front and back machines, each on a shipped endpoint, between the
//! front's pages and those who map them. [`world`] is what surrounds them, [`glue`] joins endpoint
//! and machine, [`step`] what may happen, [`apply`] what that does, [`mutation`] the readings 9 to 16.
//!
//! A READ and a WRITE are done and answered at once: what late answers do to a session is the other
//! model's matter. A reader may be late as it likes, and whatever it does between two looks at its
//! mailbox others may see one action at a time.

pub mod apply;
pub mod glue;
mod key;
pub mod mutation;
pub mod step;
pub mod world;

use super::finding::Wrong;
use super::graph::Kind;
use super::key::Key;
use super::search::Model;
use super::session::world::SIDES;
pub use mutation::Mutation;
use step::Step;
pub use world::Bounds;
use world::World;

/// What is searched.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// How far.
    pub bounds: Bounds,
    /// What is wrong.
    pub mutation: Mutation,
}

impl Model for Connection {
    type World = World;
    type Step = Step;

    fn first(&self) -> World {
        World::new(&self.bounds)
    }

    fn possible(&self, world: &World) -> Vec<Step> {
        step::possible(world, &self.bounds, self.mutation)
    }

    fn apply(&self, world: &mut World, step: Step) -> Result<Kind, Wrong> {
        apply::apply(world, step, &self.bounds, self.mutation)
    }

    fn key(&self, world: &mut World) -> Key {
        key::key(world)
    }

    fn is_settled(&self, world: &World) -> bool {
        world.is_settled()
    }

    fn told(&self, world: &World) -> String {
        let sides = SIDES.map(|side| match world.life(side) {
            None => format!("{side:?} dead"),
            Some(life) => {
                let peer = life.endpoint.peer_epoch().map_or("-".into(), |e| e.bits().to_string());
                let up = if life.endpoint.is_up() { "up" } else { "down" };
                let state = match (life.front_state(), life.back_state()) {
                    (Some(state), _) => short(&state),
                    (_, Some(state)) => short(&state),
                    _ => String::new(),
                };
                let number = life.number().0;
                format!("{side:?} {}>{peer} {up} {state}#{number}", life.endpoint.epoch().bits())
            }
        });
        let page = world.pages[0].usage;
        format!("{}   page {page:?}", sides.join("   "))
    }
}

/// A state's name without what it carries.
fn short(state: &impl core::fmt::Debug) -> String {
    let long = format!("{state:?}");
    long.split(['(', ' ', '{']).next().unwrap_or_default().to_string()
}
