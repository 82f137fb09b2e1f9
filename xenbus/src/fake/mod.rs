//! A small xenstored in memory, for tests and examples: [`FakePage`] is the ring page,
//! [`FakeDaemon`] serves it, and [`FakePort`] combines them with a clock that jumps. It is as
//! strict as real daemons: it sleeps until it is notified, and ends the connection of a guest that
//! violates the protocol. It does not model timing, quotas shared between domains, or a second
//! guest.

mod answer;
mod daemon;
mod page;
mod port;
mod tree;

pub use daemon::{FakeDaemon, Flavour, Reading, ReplyOrder, Step};
pub use page::FakePage;
pub use port::FakePort;
