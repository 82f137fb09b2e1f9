//! Strict stand-ins for Xen's grant tables, the foreign window and shared memory, for host tests.
//! What the real thing punishes late or never (a page reused while mapped, a double map, a grant
//! ended by a plain store) fails here at once.
//!
//! A [`FakeMachine`] holds domains; a [`FakeDomain`] is the handle of one life of one domain, and
//! gives out the three ports of the crate. Nothing here is shared between threads.

mod domain;
mod machine;
mod pages;

pub use domain::{FakeDomain, FakeEntries, FakeMapper};
pub use machine::FakeMachine;
pub use pages::FakePages;
