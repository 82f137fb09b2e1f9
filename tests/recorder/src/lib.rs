//! What the xenstore daemons answer, as text: one [`script`] of requests, [`play`]ed against a real
//! daemon by the program of this crate, which runs in the bed's dom0, and against the simulated ones
//! by the tests.
//!
//! A record is a text: a [`step`] a line, and below it, indented, what came of it. Playing the steps
//! of a record anywhere gives a text again; where the two differ, the daemons differ.
#![forbid(unsafe_code)]

pub mod packet;
pub mod play;
pub mod record;
pub mod script;
pub mod step;
pub mod text;
