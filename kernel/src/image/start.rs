//! The order of boot, and the end of the run.
//!
//! Each step needs the ones before it and nothing else. A step that fails ends the run with one
//! line that names it: an image that cannot do its work must say so, not try. What the first request
//! to xenstored can do without comes later (`Links::open`, and the console's ring with its first line).

use crate::boot::start_info::{self, Boot, CommandLine};
use crate::boot::{descriptors, layout, paging};
use crate::image::exit_status::ExitStatus;
use crate::image::machine::Machine;
use crate::image::options::Options;
use crate::mem::{heap, pages, random};
use crate::xen::abi::PAGE_BYTES;
use crate::xen::boot_error::BootError;
use crate::xen::grants::{GrantFrames, OwnGrants};
use crate::xen::hypercall::sched;
use crate::xen::store::{StoreAccess, StoreRing};
use crate::xen::window::{WINDOW_BASE, WINDOW_BYTES};
use crate::xen::{clock, hypercall, shared_info};
use crate::{console, trace};

/// Entries of the grant table that are placed: one for each of 400 links (the most at default
/// quotas, docs/protocol.md §12) and the reserved ones, which is one frame.
pub(crate) const GRANT_ENTRIES: u32 = 512;

/// Xen's CPUID leaf does not tell this domain's number.
pub(crate) const NO_DOMAIN_NUMBER: BootError = BootError::of("own-domain-number-unknown");

#[cfg(feature = "image")]
unsafe extern "Rust" {
    /// [`crate::entry!`] defines all of them.
    safe fn tether_main(machine: Machine) -> ExitStatus;
    safe fn tether_image_name() -> &'static str;
    safe fn tether_image_options() -> &'static [&'static str];
}
#[cfg(not(feature = "image"))]
fn tether_main(_: Machine) -> ExitStatus {
    ExitStatus::success("no image")
}
#[cfg(not(feature = "image"))]
fn tether_image_name() -> &'static str {
    "none"
}
#[cfg(not(feature = "image"))]
fn tether_image_options() -> &'static [&'static str] {
    &[]
}

/// Where the assembly of `boot/entry.rs` arrives, on the image's stack.
// SAFETY: nothing else has this name; the assembly calls it with this very signature.
#[unsafe(no_mangle)]
extern "C" fn tether_start(start_info: u32) -> ! {
    descriptors::load();
    let (mut boot, mut line) = (Boot::NONE, CommandLine::new());
    let verdict = match prepare(start_info, &mut boot, &mut line) {
        Ok(()) => run(boot, &line),
        Err(refusal) => ExitStatus::error(refusal),
    };
    finish(&verdict)
}

/// All that an image needs before it has options.
fn prepare(start_info: u32, boot: &mut Boot, line: &mut CommandLine) -> Result<(), BootError> {
    hypercall::fill()?;
    paging::refine();
    start_info::read(start_info, boot, line)?;
    if boot.occupied(WINDOW_BASE, WINDOW_BASE + WINDOW_BYTES) {
        return Err(BootError::of("memory-map-reaches-into-the-window-at-4-gib"));
    }
    begin_life()?;
    console::expect_ring();
    divide_memory(boot)?;
    if clock::now_ns() == 0 {
        return Err(BootError::of("xen-gives-no-time"));
    }
    Ok(())
}

/// What each life of the domain begins with once hypercalls can be made, the restored ones' too.
pub(super) fn begin_life() -> Result<(), BootError> {
    shared_info::place()?;
    shared_info::mask_all();
    random::check()?;
    Ok(())
}

/// Gives the RAM behind the image to the heap (half, at most 1 MiB) and to the page pool. A link
/// takes five to six kilobytes of the one, and a page or more of the other if it is a front.
fn divide_memory(boot: &Boot) -> Result<(), BootError> {
    const HEAP_BYTES_MAX: u64 = 1 << 20;
    const MEMORY_BYTES_MIN: u64 = 256 << 10;
    let (base, end) = boot.free_ram().unwrap_or((0, 0));
    let bytes = end.saturating_sub(base);
    if bytes < MEMORY_BYTES_MIN {
        return Err(BootError::number("bytes-of-memory-behind-the-image", bytes));
    }
    let heap_bytes = (bytes / 2).min(HEAP_BYTES_MAX) & !(PAGE_BYTES as u64 - 1);
    // SAFETY:
    // 1. RAM by the memory map, and mapped: `free_ram` ends where the tables do.
    // 2. It lies behind the image, so no static and no stack is in it. What Xen's loader left there was
    //    copied (`start_info`) and is not read again. It is given away here only.
    unsafe { heap::add_region(base, base + heap_bytes) };
    // SAFETY: as above, and the rest of it; both ends are whole pages.
    unsafe { pages::add_region(base + heap_bytes, end) };
    Ok(())
}

/// Options, store, and the image's own part.
fn run(boot: Boot, line: &CommandLine) -> ExitStatus {
    let options = match Options::parse(line, tether_image_options()) {
        Ok(options) => options,
        Err(error) => return ExitStatus::error(error),
    };
    console::set_level(options.log);
    match connect(boot, options) {
        Ok(machine) => {
            let memory_kib = machine.memory_kib();
            console::greet(console::Greeting {
                image: machine.image,
                memory_kib,
                entry_tsc: layout::entry_tsc(),
            });
            tether_main(machine)
        }
        Err(refusal) => ExitStatus::error(refusal),
    }
}

fn connect(boot: Boot, options: Options) -> Result<Machine, BootError> {
    let ring = StoreRing::find()?;
    // Any number will do; its low half is as random as the rest.
    let first_request_id = random::draw()? as u32;
    let store = StoreAccess::start(ring, first_request_id);
    let grants = OwnGrants::new(GrantFrames::of(GRANT_ENTRIES));
    let image = tether_image_name();
    Ok(Machine { image, options, store, grants, boot })
}

/// Says the verdict, waits until it has been read, and switches off. Where no hypercall can be made, at
/// boot or in a restored domain, there is no ring either: the verdict is on Xen's console then.
pub(crate) fn finish(verdict: &ExitStatus) -> ! {
    trace!("{verdict}");
    console::drain();
    sched::shutdown(verdict.shutdown_reason())
}
