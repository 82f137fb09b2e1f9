//! A page of memory that several simulated domains may see at once.
//!
//! Everything in one world runs on one thread, so a `RefCell` is enough; it is borrowed only for
//! the length of one copy, as real shared memory must be: nobody ever holds a reference into it.

use core::cell::RefCell;
use std::rc::Rc;

/// Bytes of one page, on this machine and on the simulated one.
pub const PAGE_BYTES: usize = 4096;

/// One shared page. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Page {
    bytes: Rc<RefCell<[u8; PAGE_BYTES]>>,
}

impl Default for Page {
    fn default() -> Self {
        Self::new()
    }
}

impl Page {
    /// A page of zeroes.
    pub fn new() -> Self {
        Page { bytes: Rc::new(RefCell::new([0; PAGE_BYTES])) }
    }

    /// The little-endian word at byte `at`, which is a multiple of four inside the page.
    pub fn load(&self, at: usize) -> u32 {
        assert!(at.is_multiple_of(4), "unaligned word at {at}");
        let bytes = self.bytes.borrow();
        let mut word = [0; 4];
        word.copy_from_slice(&bytes[at..at + 4]);
        u32::from_le_bytes(word)
    }

    /// Stores a little-endian word at byte `at`, which is a multiple of four inside the page.
    pub fn store(&self, at: usize, value: u32) {
        assert!(at.is_multiple_of(4), "unaligned word at {at}");
        self.bytes.borrow_mut()[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Copies `into.len()` bytes from byte `at` on. They lie inside the page.
    pub fn copy_from(&self, at: usize, into: &mut [u8]) {
        into.copy_from_slice(&self.bytes.borrow()[at..at + into.len()]);
    }

    /// Copies `from` to byte `at`. It lies inside the page.
    pub fn copy_to(&self, at: usize, from: &[u8]) {
        self.bytes.borrow_mut()[at..at + from.len()].copy_from_slice(from);
    }

    /// Fills the page with one byte value.
    pub fn fill(&self, value: u8) {
        self.bytes.borrow_mut().fill(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloned_page_is_the_same_memory() {
        let page = Page::new();
        let other = page.clone();
        page.store(8, 0x0102_0304);
        assert_eq!(other.load(8), 0x0102_0304);
        let mut bytes = [0; 4];
        other.copy_from(8, &mut bytes);
        assert_eq!(bytes, [4, 3, 2, 1]);
    }
}
