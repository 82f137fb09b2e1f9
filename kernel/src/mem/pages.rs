//! Whole pages of RAM, for sharing: a bitmap over the upper part of the image's memory.
//!
//! They are kept apart from the heap, because a page that a peer may still map is never given back
//! (the quarantine holds on to it), and a heap with such holes would be no heap.

use spin::Mutex;

use crate::mem::PAGE_BYTES;
use crate::mem::untyped::Untyped;

/// Most pages managed: 64 MiB, sixteen times what 1,024 links of one page need. The rest of a
/// larger domain's RAM lies idle.
const PAGES_MAX: usize = 16 * 1024;
const WORDS: usize = PAGES_MAX / 64;

struct Pool {
    base: u64,
    pages: usize,
    bitmap: [u64; WORDS],
}

static POOL: Mutex<Pool> = Mutex::new(Pool { base: 0, pages: 0, bitmap: [0; WORDS] });

/// A run of whole pages. Dropping it does *not* give it back: a peer may still map pages that were
/// shared, and only their owner knows when none is granted any more. The pool takes a run back by
/// [`Self::give_back`] alone. A connection or a quarantine that is dropped thus loses its pages and
/// never hands them to somebody else.
#[must_use = "pages that are dropped are lost to the pool"]
pub struct Pages {
    memory: Untyped,
}

impl Pages {
    /// The first free run of `count` pages, or `None`. Its contents are whatever was there.
    pub fn allocate(count: usize) -> Option<Pages> {
        let mut pool = POOL.lock();
        let first = pool.find_run(count)?;
        pool.mark(first, count, true);
        let address = pool.base + (first * PAGE_BYTES) as u64;
        // SAFETY: RAM that boot gave to the pool alone, mapped, and in no other run.
        Some(Pages { memory: unsafe { Untyped::new(address, count * PAGE_BYTES) } })
    }

    /// How many pages.
    pub fn count(&self) -> usize {
        self.memory.bytes() / PAGE_BYTES
    }

    /// Guest frame of the page `index`, for a grant.
    pub fn frame(&self, index: usize) -> u32 {
        assert!(index < self.count());
        // The pool lies in the first GiB: its frames' numbers are small.
        (self.memory.address() / PAGE_BYTES as u64) as u32 + index as u32
    }

    /// The bytes.
    pub(crate) fn memory(&self) -> &Untyped {
        &self.memory
    }

    /// Gives the run back to the pool. No page of it may be granted.
    pub fn give_back(self) {
        let mut pool = POOL.lock();
        let first = ((self.memory.address() - pool.base) / PAGE_BYTES as u64) as usize;
        pool.mark(first, self.count(), false);
    }
}

impl Pool {
    fn find_run(&self, count: usize) -> Option<usize> {
        let mut run = 0;
        for page in 0..self.pages {
            run = if self.is_set(page) { 0 } else { run + 1 };
            if run == count && count > 0 {
                return Some(page + 1 - count);
            }
        }
        None
    }

    fn is_set(&self, page: usize) -> bool {
        self.bitmap[page / 64] & 1 << (page % 64) != 0
    }

    /// Marks a run as in use or as free, which it was not.
    fn mark(&mut self, first: usize, count: usize, in_use: bool) {
        for page in first..first + count {
            assert!(self.is_set(page) != in_use);
            self.bitmap[page / 64] ^= 1 << (page % 64);
        }
    }
}

/// Hands RAM over to the pool. Called once, by boot.
///
/// # Safety
/// The range must be mapped RAM that nothing else uses, page-aligned.
pub(crate) unsafe fn add_region(base: u64, end: u64) {
    let mut pool = POOL.lock();
    assert!(pool.pages == 0);
    assert!(base <= end);
    pool.base = base;
    pool.pages = (((end - base) / PAGE_BYTES as u64) as usize).min(PAGES_MAX);
}

#[cfg(test)]
pub(crate) mod tests {
    use core::alloc::Layout;
    use std::sync::{Mutex as Lock, MutexGuard, PoisonError};

    use super::*;

    /// One test at a time has the pool.
    static TURN: Lock<()> = Lock::new(());

    /// Gives the pool this many fresh pages of the host, and nothing else. They are never freed: what
    /// is lost to the pool stays lost.
    pub(crate) fn lend_memory(pages: usize) -> MutexGuard<'static, ()> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let layout = Layout::from_size_align(pages * PAGE_BYTES, PAGE_BYTES).expect("a layout");
        // SAFETY: the size is not 0.
        let memory = unsafe { std::alloc::alloc_zeroed(layout) };
        assert!(!memory.is_null());
        let base = memory.expose_provenance() as u64;
        *POOL.lock() = Pool { base: 0, pages: 0, bitmap: [0; WORDS] };
        // SAFETY: allocated just now, page-aligned, and never freed.
        unsafe { add_region(base, base + (pages * PAGE_BYTES) as u64) };
        turn
    }

    #[test]
    fn a_run_is_free_again_only_when_it_was_given_back() {
        let _pool = lend_memory(4);
        let run = Pages::allocate(3).expect("four are free");
        assert!(Pages::allocate(2).is_none());
        let frame = run.frame(0);
        run.give_back();
        let again = Pages::allocate(4).expect("all are free");
        assert_eq!(again.frame(0), frame);
        drop(again);
        assert!(Pages::allocate(1).is_none(), "what is dropped is lost");
    }
}
