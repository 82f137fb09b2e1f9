//! A model checker over the shipped machines: every state that the two sides of a link can reach
//! within small bounds, breadth first, so that what it finds is found by a shortest way.
//!
//! There are two models. [`session`] is two `channel::endpoint::Endpoint`s between mailboxes,
//! requests under way and domains that die. [`connection`] is two `channel::link::Link`s, as an
//! image has them, between mailboxes, pages, grants, mappings and ports; others may act between any
//! two actions of a link. [`search`] is the search, [`graph`] liveness and write loops, [`key`] when
//! two worlds are the same, [`finding`] what can be wrong. Deliberate mistakes that the
//! searches must find are in `tests/mutations/list/`.
//!
//! Files depend on each other one way: the common ones on nothing of the two models, and in each
//! model `world`, then `step` and `apply`, then the model itself.
#![forbid(unsafe_code)]

pub mod connection;
pub mod finding;
pub mod graph;
pub mod key;
pub mod register_value;
pub mod search;
pub mod session;
pub mod side;

pub use finding::{Finding, Wrong};
pub use graph::Kind;
pub use search::{Model, SearchResult, check};
