//! Strict fakes of Xen's grant tables, the foreign window and shared memory, for host tests. They
//! panic at once on mistakes that Xen detects late or never: a page reused while mapped, a double
//! map, a grant ended by a plain store.
//!
//! A [`FakeMachine`] holds domains. A [`FakeDomain`] is the handle of one incarnation of a domain
//! and provides the crate's ports. They cannot be shared between threads.

mod domain;
mod machine;
mod pages;

pub use domain::{FakeDomain, FakeEntries, FakeMapper};
pub use machine::FakeMachine;
pub use pages::FakePages;
