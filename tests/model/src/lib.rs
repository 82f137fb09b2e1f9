//! A model checker over the shipped machines: every state that two of them can reach within small
//! bounds, breadth first, so that what it finds is found by a shortest way.
//!
//! Two models. [`session`] is two `channel::endpoint::Endpoint`s between mailboxes, requests under
//! way and domains that die. [`connection`] is the same endpoint with `channel::front::Front` and
//! `channel::back::Back` on it, between pages, grants and mappings. [`search`] is the search,
//! [`graph`] liveness and write loops, [`key`] when two worlds are the same, [`finding`] what can be
//! wrong.
#![forbid(unsafe_code)]

pub mod connection;
pub mod finding;
pub mod graph;
pub mod key;
pub mod letter;
pub mod search;
pub mod session;

pub use finding::{Finding, Wrong};
pub use graph::Kind;
pub use search::{Model, Outcome, check};
