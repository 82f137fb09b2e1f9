//! What an image says: lines for people through `say!`, lines for programs through `trace!`.
//!
//! Two ways out: port 0xe9 (Xen's own console; needs nothing, costs one exit a byte) until the PV
//! console ring is attached, and then only when the image crashes; and the ring, which
//! `xenconsoled` logs. One lock guards both; a crash report goes around it.

mod early;
mod lines;
mod output;
mod ring;

pub(crate) use lines::set_level;
pub use lines::{Level, write_for_programs, write_leveled, write_line};
pub(crate) use output::{Emergency, Greeting, attach, detach, drain, expect_ring, greet};
pub use output::{bytes_lost, flush, port, read};
pub(crate) use ring::Ring;
