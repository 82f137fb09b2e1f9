//! Tether's channel: how two domains that may die, hang or restart at any moment communicate
//! reliably through xenstore, and how they use that to set up and tear down a shared-memory
//! connection.
//!
//! Everything here is sans-IO. Time, bytes and events go in; requests, actions, events and the next
//! deadline come out. `docs/protocol.md` is normative, and the code cites its sections.
//!
//! # The interface
//!
//! A domain adds its links to a [`Driver`] and calls [`Driver::step`] in a loop; what happens comes
//! out as [`Event`]s. It supplies a [`Platform`] and, for its connections, a [`Hypervisor`].
//! `kernel/` implements both over hypercalls, the simulator over a simulated Xen. Everything that
//! this takes is at the root of the crate.
//!
//! # The parts
//!
//! The modules are the parts that the driver is made of. They are public because the model checker,
//! the simulator, the fuzz targets and the images that test their peer use them one by one. They
//! may change with every version. From the inside outwards:
//! - [`register`]: the one xenstore value through which a side speaks, parsed and emitted;
//! - [`message`]: the messages of the connection, which travel in the register;
//! - [`endpoint`]: the session (rules S0 to S11): epochs, sequence numbers, up and down;
//! - [`liveness`]: beats, and when their absence means death;
//! - [`front`], [`back`]: connecting and disconnecting (rules C1 to C5 and D1 to D8);
//! - [`link`]: one endpoint with its beats and one of the two machines; it yields one externally
//!   visible action at a time;
//! - [`connection`]: pages, mappings, ports and quarantine of a domain, where the actions are done;
//! - [`driver`]: many links over one xenstore client.
//!
//! The crates below are `xenbus/` and `grant/`.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

pub mod back;
pub mod connection;
pub mod driver;
pub mod endpoint;
pub mod epoch;
pub mod event;
pub mod front;
pub mod ids;
pub mod instant;
pub mod limits;
pub mod link;
pub mod liveness;
pub mod message;
pub mod names;
pub mod offer;
pub mod platform;
pub mod queue;
pub mod register;
pub mod step;
#[cfg(test)]
mod testing;
mod text;

pub use connection::{
    BindError, Connections, EventChannels, Hypervisor, PeerState, PortState, PrepareError, Released,
};
pub use driver::{AddError, Driver, NotDrained, ShutdownRequest, StoreEvent};
pub use endpoint::SendError;
pub use epoch::{Epoch, EpochSource};
pub use event::{Breach, ConnectRefused, DetectedBy, DownReason, End, Event, Notice};
pub use front::{ConnectError, NotConnected};
pub use ids::{ConnectionId, DomId, GrantRef, LinkId, Port, Role};
pub use instant::{Duration, Instant};
pub use link::{Action, Link, Settings};
pub use message::RefuseReason;
pub use names::{LinkName, LinkNameError};
pub use platform::Platform;
pub use step::Step;
