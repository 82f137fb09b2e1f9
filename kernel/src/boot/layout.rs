//! Memory that assembly and the processor use: page tables, stack, time of the first instruction.
//!
//! Rust reaches it by address (`paging.rs`, `descriptors.rs`) or atomically, never by reference.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

/// Bytes in a page table.
pub(super) const TABLE_BYTES: usize = 4096;
/// PML4, PDPT, directories of the three mapped GiB, and the small pages of the first 2 MiB.
pub(super) const TABLES: usize = 6;

/// Bytes of the stack on which everything runs. The deepest caller makes the books of a hundred links
/// (`platform`), some 15 KiB, and moves them; 64 KiB were too few for that. Nothing of it is in the file.
pub(super) const STACK_BYTES: usize = 128 * 1024;

/// Memory that only assembly and the processor use.
#[repr(C, align(4096))]
pub(super) struct Raw<const BYTES: usize>(UnsafeCell<[u8; BYTES]>);

// SAFETY: nothing in Rust reads or writes the contents except through the accessors of the module
// that owns the static, and an image has one processor.
unsafe impl<const BYTES: usize> Sync for Raw<BYTES> {}

impl<const BYTES: usize> Raw<BYTES> {
    /// Zeroes.
    pub(super) const fn new() -> Raw<BYTES> {
        Raw(UnsafeCell::new([0; BYTES]))
    }

    /// Where it lies.
    pub(super) fn address(&self) -> u64 {
        self.0.get() as u64
    }
}

/// The page tables, in the order of the indices in [`super::paging`].
#[unsafe(export_name = "tether_page_tables")]
pub(super) static PAGE_TABLES: Raw<{ TABLES * TABLE_BYTES }> = Raw::new();

/// The stack. Its lowest page becomes a guard once paging is refined.
#[unsafe(export_name = "tether_stack")]
pub(super) static STACK: Raw<STACK_BYTES> = Raw::new();

/// The time-stamp counter at the first instruction: low word, high word.
#[unsafe(export_name = "tether_entry_tsc")]
static ENTRY_TSC: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];

/// The time-stamp counter at the image's first instruction.
pub(crate) fn entry_tsc() -> u64 {
    let [low, high] = [0, 1].map(|half: usize| u64::from(ENTRY_TSC[half].load(Ordering::Relaxed)));
    (high << 32) | low
}
