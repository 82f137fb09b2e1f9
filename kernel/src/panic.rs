//! A panic is a bug of ours: its place goes out, and the domain ends as *crashed*.
//!
//! Nothing unwinds and nothing is cleaned up: Xen takes everything back, and the peer's channel is
//! made for peers that vanish.

use core::fmt::Write;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::console::Emergency;
use crate::hypercall::sched::{self, ShutdownReason};

static PANICKING: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // A panic while reporting a panic: nothing more can be said.
    if !PANICKING.swap(true, Ordering::Relaxed) {
        let mut out = Emergency::open();
        let (file, line) = info.location().map_or(("?", 0), |at| (at.file(), at.line()));
        let _ = writeln!(out, "crash: panic at {file}:{line}: {}", info.message());
        out.close();
    }
    sched::shutdown(ShutdownReason::Crash)
}
