//! Views of pages: a domain's own, or a peer's through its window.
//!
//! A view of a peer's pages dies when it is unmapped; whoever touches it then has broken invariant
//! I2 and is told so at once.

use core::cell::Cell;
use std::rc::Rc;

use grant::SharedPages;

use crate::base::page::{PAGE_BYTES, Page};

/// A counter that views share.
pub type Counter = Rc<Cell<u64>>;

/// Some pages in a row, as one domain sees them.
#[derive(Clone, Debug)]
pub struct SimPages {
    pages: Vec<Page>,
    usable: Rc<Cell<bool>>,
}

impl SimPages {
    /// A view of these pages.
    pub fn new(pages: Vec<Page>) -> Self {
        SimPages { pages, usable: Rc::new(Cell::new(true)) }
    }

    /// What makes the view unusable when it is set to false.
    pub fn switch(&self) -> Rc<Cell<bool>> {
        self.usable.clone()
    }

    #[track_caller]
    fn page(&self, at: usize) -> (&Page, usize) {
        assert!(self.usable.get(), "I2: pages are touched after they were unmapped");
        (&self.pages[at / PAGE_BYTES], at % PAGE_BYTES)
    }
}

impl SharedPages for SimPages {
    fn load_u32(&self, at: usize) -> u32 {
        let (page, at) = self.page(at);
        page.load(at)
    }

    fn store_u32(&self, at: usize, value: u32) {
        let (page, at) = self.page(at);
        page.store(at, value);
    }

    fn copy_from(&self, at: usize, into: &mut [u8]) {
        let mut done = 0;
        while done < into.len() {
            let (page, start) = self.page(at + done);
            let count = (into.len() - done).min(PAGE_BYTES - start);
            page.copy_from(start, &mut into[done..done + count]);
            done += count;
        }
    }

    fn copy_to(&self, at: usize, from: &[u8]) {
        let mut done = 0;
        while done < from.len() {
            let (page, start) = self.page(at + done);
            let count = (from.len() - done).min(PAGE_BYTES - start);
            page.copy_to(start, &from[done..done + count]);
            done += count;
        }
    }

    fn full_barrier(&self) {}

    fn zero(&self) {
        for at in 0..self.pages.len() {
            self.page(at * PAGE_BYTES).0.fill(0);
        }
    }

    fn pages(&self) -> usize {
        self.pages.len()
    }
}
