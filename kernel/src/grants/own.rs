//! Pages of our own that a peer may map: a run of the page pool, seen as `grant/` wants it.
//!
//! The peer reads and writes them at any time, so they are only ever copied from and to.

use core::sync::atomic::{Ordering, fence};

use grant::{PAGES_MAX, PageSet, SharedPages};

use crate::pages::Pages;

/// Pages of our own.
pub struct OwnPages(Pages);

impl OwnPages {
    /// So many pages in a row, with their frames; `None` where the pool has no such run.
    ///
    /// # Panics
    /// If `count` is 0 or more than [`PAGES_MAX`].
    pub fn allocate(count: usize) -> Option<PageSet<OwnPages>> {
        assert!((1..=PAGES_MAX).contains(&count));
        let pages = Pages::allocate(count)?;
        let mut frames = [0; PAGES_MAX];
        for (index, frame) in frames.iter_mut().enumerate().take(count) {
            *frame = pages.frame(index);
        }
        Some(PageSet::new(OwnPages(pages), frames))
    }
}

impl SharedPages for OwnPages {
    #[inline(always)]
    fn load_u32(&self, at: usize) -> u32 {
        self.0.memory().load(at)
    }

    #[inline(always)]
    fn store_u32(&self, at: usize, value: u32) {
        self.0.memory().store(at, value);
    }

    #[inline(always)]
    fn copy_from(&self, at: usize, into: &mut [u8]) {
        self.0.memory().copy_from(at, into);
    }

    #[inline(always)]
    fn copy_to(&self, at: usize, from: &[u8]) {
        self.0.memory().copy_to(at, from);
    }

    #[inline(always)]
    fn full_barrier(&self) {
        fence(Ordering::SeqCst);
    }

    fn zero(&self) {
        self.0.memory().fill(0);
    }

    fn pages(&self) -> usize {
        self.0.count()
    }
}
