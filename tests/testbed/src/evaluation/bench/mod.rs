//! What `run-xen.sh bench` measured, and how that compares with the goals ([`goals`]).
//!
//! The measuring is in tests/images/bench/, dom0's part in tests/dom0/scenarios/bench.sh.

mod asked;
mod data;
pub(crate) mod exits;
mod goals;
pub mod ledger;
pub(crate) mod links;
pub(crate) mod pairs;
mod stages;
#[cfg(test)]
pub(crate) mod tests;

pub use data::{Alone, Data, Streamed};
pub use exits::Exits;
pub use goals::{Goal, Limit, budgets, goals};
pub use links::Links;
pub use stages::stages;
