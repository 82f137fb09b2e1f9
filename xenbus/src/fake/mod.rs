//! A small xenstored in memory, for tests and examples: [`FakePage`] is the ring page,
//! [`FakeDaemon`] serves it, and [`FakePort`] joins them with a clock that jumps. It is strict
//! where real daemons are: it sleeps until it is notified, and gives up a guest that breaks the
//! protocol.
//! It is no model of timing, of quotas shared between domains, or of a second guest.

mod answer;
mod daemon;
mod page;
mod port;
mod tree;

pub use daemon::{FakeDaemon, Flavour, Reading, ReplyOrder, Step};
pub use page::FakePage;
pub use port::FakePort;
