//! The ring page that a domain shares with xenstored, in the memory of one process. Tests are
//! single-threaded, so barriers do nothing.

use core::cell::RefCell;
use std::rc::Rc;

use xenbus::{RingPage, RingWord};

/// A ring page shared by daemon and domain.
#[derive(Clone)]
pub struct Ring(Rc<RefCell<[u8; 4096]>>);

impl Ring {
    pub fn new() -> Self {
        Self(Rc::new(RefCell::new([0; 4096])))
    }
}

impl RingPage for Ring {
    fn load(&self, word: RingWord) -> u32 {
        let at = word.offset();
        u32::from_le_bytes(self.0.borrow()[at..at + 4].try_into().unwrap())
    }
    fn store(&mut self, word: RingWord, value: u32) {
        let at = word.offset();
        self.0.borrow_mut()[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    fn copy_from(&self, offset: usize, into: &mut [u8]) {
        into.copy_from_slice(&self.0.borrow()[offset..offset + into.len()]);
    }
    fn copy_to(&mut self, offset: usize, from: &[u8]) {
        self.0.borrow_mut()[offset..offset + from.len()].copy_from_slice(from);
    }
    fn full_barrier(&self) {}
}
