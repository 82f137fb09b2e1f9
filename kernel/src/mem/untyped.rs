//! Memory that another party may write at any time: the rings, grant frames and shared pages.
//!
//! There is never a Rust reference to its bytes. Words are accessed atomically, byte ranges are
//! copied by [`crate::mem::functions`]'s assembly, which the compiler cannot split, repeat or reorder with
//! its own idea of the contents. A torn or changing copy is a wrong value, never undefined.

use core::ptr;
use core::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use crate::mem::functions;

/// A range of such memory, whole pages, mapped for as long as the value lives. What moves data
/// through it is always inlined: a call costs more than the access.
pub(crate) struct Untyped {
    base: *mut u8,
    bytes: usize,
}

// SAFETY:
// 1. The value is an address and a length, which mean the same to every thread.
// 2. No Rust object lies in the range, and its words are accessed atomically, its bytes by assembly
//    that promises nothing of what it finds. Another thread of ours may do so at the same time as
//    well as another domain may.
unsafe impl Send for Untyped {}

impl Untyped {
    /// Takes a range over.
    ///
    /// # Safety
    /// The range must be mapped, readable and writable, while the value lives, and no Rust object
    /// may lie in it.
    ///
    /// # Panics
    /// If it is not a range of whole pages.
    pub(crate) unsafe fn new(address: u64, bytes: usize) -> Untyped {
        assert!(address.is_multiple_of(crate::mem::PAGE_BYTES as u64));
        assert!(bytes.is_multiple_of(crate::mem::PAGE_BYTES));
        Untyped { base: ptr::with_exposed_provenance_mut(address as usize), bytes }
    }

    /// Bytes in the range.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Guest-physical address of the range.
    pub(crate) fn address(&self) -> u64 {
        self.base.addr() as u64
    }

    /// The word at a byte offset, a multiple of 4.
    #[inline(never)] // Fifty callers, each with the checks.
    pub(crate) fn word(&self, at: usize) -> &AtomicU32 {
        self.data_word(at)
    }

    /// The same where data go through it.
    #[inline(always)]
    fn data_word(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4) && at < self.bytes);
        // SAFETY:
        // 1. In the range: the offset and the range's length are multiples of 4.
        // 2. Aligned (the base is page-aligned), accessed atomically only.
        unsafe { AtomicU32::from_ptr(self.base.wrapping_add(at).cast()) }
    }

    /// The half word at a byte offset, a multiple of 2.
    pub(crate) fn half_word(&self, at: usize) -> &AtomicU16 {
        assert!(at.is_multiple_of(2) && at < self.bytes);
        // SAFETY:
        // 1. In the range: the offset and the range's length are multiples of 2.
        // 2. Aligned (the base is page-aligned), accessed atomically only.
        unsafe { AtomicU16::from_ptr(self.base.wrapping_add(at).cast()) }
    }

    /// Reads the word at a byte offset, with acquire order.
    #[inline(always)]
    pub(crate) fn load(&self, at: usize) -> u32 {
        self.data_word(at).load(Ordering::Acquire)
    }

    /// Writes the word at a byte offset, with release order.
    #[inline(always)]
    pub(crate) fn store(&self, at: usize, value: u32) {
        self.data_word(at).store(value, Ordering::Release);
    }

    /// Copies out.
    #[inline(always)]
    pub(crate) fn copy_from(&self, at: usize, into: &mut [u8]) {
        let from = self.at(at, into.len());
        // SAFETY: `from` is in the range; `into` is a distinct Rust object (none lies there).
        unsafe { functions::copy_forward(into.as_mut_ptr(), from, into.len()) };
    }

    /// Copies in.
    #[inline(always)]
    pub(crate) fn copy_to(&self, at: usize, from: &[u8]) {
        let to = self.at(at, from.len());
        // SAFETY: `to` is in the range; `from` is a distinct Rust object (none lies there).
        unsafe { functions::copy_forward(to, from.as_ptr(), from.len()) };
    }

    /// Fills the whole range.
    pub(crate) fn fill(&self, byte: u8) {
        // SAFETY: the whole range, in which no Rust object lies.
        unsafe { functions::fill(self.base, byte, self.bytes) };
    }

    /// The address of `length` bytes at an offset.
    #[inline(always)]
    fn at(&self, offset: usize, length: usize) -> *mut u8 {
        assert!(offset <= self.bytes);
        assert!(length <= self.bytes - offset);
        self.base.wrapping_add(offset)
    }
}
