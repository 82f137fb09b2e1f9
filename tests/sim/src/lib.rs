//! A simulated Xen in which one seed decides everything. It runs the same `channel::driver::Driver`
//! and `channel::Connections` as the images.
//!
//! Each folder uses only those before it:
//! - [`base`]: pages, a domain's clock, the trace.
//! - [`store`]: the xenstore daemon, in two kinds. [`xen`]: grants, event channels and domains,
//!   stricter than the real ones.
//! - [`machine`]: what a domain has.
//! - [`world`]: places for domains, the virtual time, the fault plan and the oracle.
//! - [`guest`]: a domain's program, the shipped driver with a simulated user.
//! - [`actions`]: what the toolstack, faults and a hostile domain do to the world.
//! - [`runs`]: whole runs, campaigns of seeds, and minimising a failure.
//!
//! Nothing here depends on a clock, a hash order or a thread: a world is a function of its seed.
#![forbid(unsafe_code)]

pub mod actions;
pub mod base;
pub mod guest;
pub mod machine;
pub mod runs;
pub mod store;
pub mod world;
pub mod xen;
