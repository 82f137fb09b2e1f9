//! The heap: one free list over the lower part of the image's memory.
//!
//! It counts its blocks, because an image that leaks one a cycle must be found out (I4).

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use spin::Mutex;

/// `linked_list_allocator`'s list behind a lock, with a count.
pub struct CountedHeap {
    list: Mutex<linked_list_allocator::Heap>,
    blocks: AtomicUsize,
    given: AtomicUsize,
}

/// The heap of the image; [`crate::entry!`] declares it as the global allocator.
#[cfg_attr(feature = "image", global_allocator)]
static HEAP: CountedHeap = CountedHeap {
    list: Mutex::new(linked_list_allocator::Heap::empty()),
    blocks: AtomicUsize::new(0),
    given: AtomicUsize::new(0),
};

// SAFETY: the list hands out disjoint blocks of the memory that boot gave it, under a lock.
unsafe impl GlobalAlloc for CountedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Ok(block) = self.list.lock().allocate_first_fit(layout) else {
            return ptr::null_mut();
        };
        self.blocks.fetch_add(1, Ordering::Relaxed);
        self.given.fetch_add(1, Ordering::Relaxed);
        block.as_ptr()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(block) = NonNull::new(block) else { return };
        self.blocks.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: the caller's promise: `alloc` gave this block for this layout.
        unsafe { self.list.lock().deallocate(block, layout) };
    }
}

/// Hands RAM over to the heap. Called once, by boot.
///
/// # Safety
/// The range must be mapped RAM that nothing else uses.
pub(crate) unsafe fn add_region(base: u64, end: u64) {
    let start = ptr::with_exposed_provenance_mut(base as usize);
    // SAFETY: the caller's promise.
    unsafe { HEAP.list.lock().init(start, (end - base) as usize) };
}

/// Blocks in use.
pub fn blocks() -> usize {
    HEAP.blocks.load(Ordering::Relaxed)
}

/// Blocks ever given out: what allocates nothing leaves it as it is.
pub fn blocks_given() -> usize {
    HEAP.given.load(Ordering::Relaxed)
}

/// Bytes free.
pub fn bytes_free() -> usize {
    HEAP.list.lock().free()
}
