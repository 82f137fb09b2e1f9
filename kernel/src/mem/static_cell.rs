//! A value in static memory that exactly one owner takes, for ever.
//!
//! What is large or must never move (tables that the processor reads, buffers of the store client)
//! lies in `.bss` instead of on the stack or the heap, and is reached without a lock.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// The value and whether it was taken.
pub(crate) struct StaticCell<T> {
    value: UnsafeCell<T>,
    taken: AtomicBool,
}

// SAFETY: the value is reached only through the one reference that `take` gives out.
unsafe impl<T: Send> Sync for StaticCell<T> {}

impl<T> StaticCell<T> {
    /// The value, not taken yet.
    pub(crate) const fn new(value: T) -> StaticCell<T> {
        StaticCell { value: UnsafeCell::new(value), taken: AtomicBool::new(false) }
    }

    /// The value. A second call is a bug of ours.
    #[allow(clippy::mut_from_ref)] // `taken` makes sure that there is one only.
    pub(crate) fn take(&'static self) -> &'static mut T {
        assert!(!self.taken.swap(true, Ordering::AcqRel));
        // SAFETY: the assertion lets this happen once: no other reference exists or ever will.
        unsafe { &mut *self.value.get() }
    }
}
