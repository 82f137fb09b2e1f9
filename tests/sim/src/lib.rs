//! A simulated Xen in which one seed decides everything. It runs the same `channel::driver::Driver`
//! and `channel::Connections` as the images.
//!
//! From the inside outwards: [`page`] and [`prng`] are the base; [`store`] is the xenstore daemon,
//! in two kinds; [`xen`] holds grants, event channels and domains, stricter than the real ones;
//! [`machine`] is what a domain has. Nothing here depends on a clock, a hash order or a thread: a
//! world is a function of its seed.
#![forbid(unsafe_code)]

pub mod campaign;
mod check;
pub mod clock;
pub mod crowd;
pub mod dom0;
pub mod faults;
pub mod guest;
mod hostile;
pub mod life;
pub mod machine;
pub mod minimise;
pub mod oracle;
pub mod page;
pub mod params;
pub mod platform;
pub mod ports;
pub mod report;
pub mod run;
pub mod store;
mod strike;
pub mod trace;
pub mod user;
pub mod world;
pub mod xen;
