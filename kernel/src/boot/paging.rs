//! What is mapped where, and the second half of the page tables' construction.
//!
//! Everything is mapped at its guest-physical address: the first GiB (RAM), the GiB below 4 GiB
//! (Xen's special pages), and the *window*, one GiB of guest frames that never hold RAM. Placing
//! shared info, grant frames or another domain's page over RAM would lose that RAM for the life of
//! the domain, hence the window. `entry.rs` writes the coarse tables; [`refine`] takes away what
//! nobody may do: touch page 0 or the stack's guard, write code, execute data.

use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use x86_64::registers::control::Cr3;

use super::layout::{PAGE_TABLES, STACK, TABLE_BYTES, TABLES};
use crate::xen::abi::PAGE_BYTES;
use crate::xen::hypercall;
use crate::xen::window::{WINDOW_BASE, WINDOW_BYTES};

/// Directory of the first GiB.
const LOW: usize = 2;
/// Directory of the GiB below 4 GiB.
const HIGH: usize = 3;
/// Small pages of the first 2 MiB.
const SMALL: usize = 5;
/// Entries in a table.
const ENTRIES: usize = 512;

/// Physical address bits that the window takes. Nobody is asked for them, which would cost an exit:
/// every domain with PAE, and so with long mode, has 36 or more (xen/arch/x86/cpuid.c,
/// recalculate_cpuid_policy).
const WINDOW_ADDRESS_BITS: u32 = 33;
/// RAM above this is not mapped and not used.
pub(crate) const RAM_MAPPED_BYTES: u64 = 1 << 30;
const _: () = assert!(WINDOW_BASE + WINDOW_BYTES <= 1 << WINDOW_ADDRESS_BITS);
// One PDPT covers 512 GiB; `entry.rs` counts the window's place in GiB and in fours of them.
const _: () = assert!(WINDOW_BASE >> 30 < 512 && WINDOW_BASE.is_multiple_of(4 << 30));

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const NO_EXECUTE: u64 = 1 << 63;

unsafe extern "C" {
    // linker.ld. Only their addresses mean anything.
    static __image_start: u8;
    static __text_end: u8;
    static __rodata_end: u8;
    static __image_end: u8;
}

/// First address behind the image (page-aligned).
pub(crate) fn image_end() -> u64 {
    (&raw const __image_end).addr() as u64
}

/// The entries of one table.
fn entries(table: usize) -> &'static [AtomicU64; ENTRIES] {
    assert!(table < TABLES);
    let at = PAGE_TABLES.address() as usize + table * TABLE_BYTES;
    // SAFETY:
    // 1. The address is that of a whole one of the static page tables.
    // 2. The processor may set accessed and dirty bits in it at any time: hence atomics.
    unsafe { &*ptr::with_exposed_provenance(at) }
}

/// Splits the first 2 MiB into small pages with the rights of what lies there. Execution is forbidden
/// everywhere else already, by `entry.rs`; not so where the processor has no such bit.
pub(crate) fn refine() {
    let no_execute = entries(HIGH)[0].load(Ordering::Relaxed) & NO_EXECUTE;
    let page = |address: u64| address as usize / PAGE_BYTES;
    let text =
        page((&raw const __image_start).addr() as u64)..page((&raw const __text_end).addr() as u64);
    let rodata = text.end..page((&raw const __rodata_end).addr() as u64);
    let hypercalls = page(hypercall::page_address());
    let guard = page(STACK.address());
    // Everything is data but what is not. Nobody looks at this table before it is whole.
    let parts = [
        (0..ENTRIES, PRESENT | WRITABLE | no_execute),
        (text, PRESENT),
        (rodata, PRESENT | no_execute),
        (hypercalls..hypercalls + 1, PRESENT),
        (guard..guard + 1, 0),
        (0..1, 0),
    ];
    for (pages, rights) in parts {
        let mut entry = (pages.start * PAGE_BYTES) as u64 | rights;
        for place in &entries(SMALL)[pages] {
            place.store(entry, Ordering::Relaxed);
            // Far from any end; a check for each page would be a third of all this.
            entry = entry.wrapping_add(PAGE_BYTES as u64);
        }
    }
    let small = PAGE_TABLES.address() + (SMALL * TABLE_BYTES) as u64;
    entries(LOW)[0].store(small | PRESENT | WRITABLE, Ordering::Release);
    let (frame, flags) = Cr3::read();
    // SAFETY: the same tables, which still map all code, data and stack where they were; the
    // write only makes the processor forget the coarse translations.
    unsafe { Cr3::write(frame, flags) };
}
