//! The connection's model: two shipped links, between mailboxes, the front's pages with those who
//! map them, and ports. [`world`] is what surrounds the links, [`perform`] what an action does to it,
//! [`step`] what may happen, [`apply`] what that does.
//!
//! A link says what it wants done one action at a time ([`channel::link::Action`]), and here the
//! other side may act between any two of them, die, or look at the page. Time has no length: what a
//! link does after a beat, or after several, may happen at any time (see
//! [`channel::link::Link::canonical`]).

pub mod apply;
mod key;
mod normal;
pub mod perform;
pub mod step;
pub mod world;

use crate::finding::Wrong;
use crate::graph::Kind;
use crate::key::Key;
use crate::search::Model;
use crate::side::SIDES;
use step::Step;
use world::World;
pub use world::{Bounds, Environment, Requests};

/// What is searched.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// How far.
    pub bounds: Bounds,
}

impl Model for Connection {
    type World = World;
    type Step = Step;

    fn first(&self) -> World {
        World::new(&self.bounds)
    }

    fn possible(&self, world: &World) -> Vec<Step> {
        step::possible(world, &self.bounds)
    }

    fn apply(&self, world: &mut World, step: Step) -> Result<Kind, Wrong> {
        apply::apply(world, step, &self.bounds)
    }

    fn key(&self, world: &mut World) -> Key {
        key::key(world)
    }

    fn is_settled(&self, world: &World) -> bool {
        world.is_settled()
    }

    fn described(&self, world: &World) -> String {
        let sides = SIDES.map(|side| match world.domain(side) {
            None => format!("{side:?} dead"),
            Some(domain) => {
                let endpoint = domain.link.endpoint();
                let peer = endpoint.peer_epoch().map_or("-".into(), |e| e.bits().to_string());
                let up = if endpoint.is_up() { "up" } else { "down" };
                let state = match (domain.front_state(), domain.back_state()) {
                    (Some(state), _) => short(&state),
                    (_, Some(state)) => short(&state),
                    _ => String::new(),
                };
                let number = domain.number().0;
                format!("{side:?} {}>{peer} {up} {state}#{number}", endpoint.epoch().bits())
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
