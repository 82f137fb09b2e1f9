//! The answers of the xenstore daemons, as text: one [`script`] of requests, [`play`]ed against a
//! real daemon by the program of this crate, which runs in the testbed's dom0, and against the
//! simulated daemons by the tests.
//!
//! A record is text: one [`step`] per line, and below it, indented, its outcome. Playing the steps
//! of a record anywhere gives text again; where the two texts differ, the daemons differ.
#![forbid(unsafe_code)]

pub mod packet;
pub mod play;
pub mod record;
pub mod script;
pub mod step;
pub mod text;
