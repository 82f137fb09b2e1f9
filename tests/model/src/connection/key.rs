//! When two worlds of the connection's model are the same (see [`super::super::key`]).

use core::hash::Hash;

use super::super::key::{Ear, Form, Key};
use super::world::World;

/// The world's key. Sets `world.unused` on the way: all epochs are heard anyway.
pub(super) fn key(world: &mut World) -> Key {
    let mut ear = Ear::new(Form::Text);
    world.lives.hash(&mut ear);
    for letter in &world.boxes {
        ear.letter(letter.as_ref());
    }
    world.pages.hash(&mut ear);
    world.orphan.hash(&mut ear);
    world.crashes.hash(&mut ear);
    ear.fold(u128::from(world.faults));
    let (key, unused) = ear.close();
    world.unused = unused;
    key
}
