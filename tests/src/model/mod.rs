//! A model checker for the session: every state that two shipped endpoints can reach within small
//! bounds, breadth first, so that what it finds is found by a shortest way.
//!
//! The machine is `channel::endpoint::Endpoint` itself, with small queues, beats of no length and
//! epochs that are named by use. [`world`] is what surrounds it, [`step`] what may happen,
//! [`apply`] what that does, [`key`] when two worlds are the same, [`search`] the search,
//! [`graph`] liveness and write loops, [`broken`] the machines made wrong on purpose.
//!
//! What is checked: guarantees 1 to 3 of docs/protocol.md §1, that nothing is acknowledged that was
//! not delivered, that no two ends write to each other for ever without time passing, and that from
//! every reachable state both come up and everything sent is delivered, without one further fault
//! and without one watch event. Connections, beats in a page and timing are not in it: the
//! simulator has those.

pub mod apply;
pub mod broken;
pub mod graph;
pub mod key;
pub mod letter;
pub mod search;
pub mod step;
pub mod world;

pub use broken::Broken;
pub use search::{Finding, Outcome, check};
pub use world::{Bounds, Granting};
