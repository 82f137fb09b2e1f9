//! Shared memory as `grant/` wants it: one implementation for own pages and for foreign ones.

/// Implements [`grant::SharedPages`] for a type, over the memory that the expression finds in it. What
/// moves data is always inlined: a call costs more than the access.
macro_rules! shared_pages {
    ($type:ty, |$pages:ident| $memory:expr) => {
        impl grant::SharedPages for $type {
            #[inline(always)]
            fn load_u32(&self, at: usize) -> u32 {
                let $pages = self;
                $memory.load(at)
            }

            #[inline(always)]
            fn store_u32(&self, at: usize, value: u32) {
                let $pages = self;
                $memory.store(at, value);
            }

            #[inline(always)]
            fn copy_from(&self, at: usize, into: &mut [u8]) {
                let $pages = self;
                $memory.copy_from(at, into);
            }

            #[inline(always)]
            fn copy_to(&self, at: usize, from: &[u8]) {
                let $pages = self;
                $memory.copy_to(at, from);
            }

            #[inline(always)]
            fn full_barrier(&self) {
                core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
            }

            fn zero(&self) {
                let $pages = self;
                $memory.fill(0);
            }

            fn pages(&self) -> usize {
                let $pages = self;
                $memory.bytes() / $crate::mem::PAGE_BYTES
            }
        }
    };
}
pub(super) use shared_pages;
