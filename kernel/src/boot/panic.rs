//! A panic is a bug of ours: its place goes out, and the domain ends as *crashed*.
//!
//! Nothing unwinds and nothing is cleaned up: Xen takes everything back, and the peer's channel is
//! made for peers that vanish. Only the place is printed, without `core::fmt`: it leads to the
//! assertion, whose text is therefore left out of the image, with the texts of all the others.

use core::hint::black_box;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::console::Emergency;
use crate::xen::hypercall::sched::{self, ShutdownReason};

static PANICKING: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let (file, line) = info.location().map_or(("?", 0), |at| (at.file(), at.line()));
    // The report may panic itself, and in such a circle of calls the compiler does not find out
    // that nobody reads the texts: so it does not see this call. That is 8 KB of a large image.
    black_box::<fn(&str, u32) -> !>(report)(file, line)
}

fn report(file: &str, line: u32) -> ! {
    // A panic while reporting a panic: nothing more can be said.
    if !PANICKING.swap(true, Ordering::Relaxed) {
        let mut out = Emergency::open();
        out.write(b"crash: panic at ");
        out.write(file.as_bytes());
        out.write(b":");
        out.write_decimal(line);
        out.write(b"\n");
        out.close();
    }
    sched::shutdown(ShutdownReason::Crash)
}
