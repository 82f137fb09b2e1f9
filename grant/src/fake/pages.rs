//! Views of the fake machine's memory, own or mapped. Each access looks up the current mapping, so
//! a view that outlives its mapping panics on first use.

use alloc::vec::Vec;

use super::machine::{FakeMachine, Life, State};
use crate::layout::PAGE_BYTES;
use crate::ports::MapHandle;
use crate::shared_pages::SharedPages;

/// Pages as one domain sees them.
#[derive(Clone, Debug)]
pub struct FakePages {
    machine: FakeMachine,
    life: Life,
    pages: Vec<Page>,
}

#[derive(Clone, Copy, Debug)]
enum Page {
    Own { frame: u32 },
    Mapped { slot: u32, handle: MapHandle },
}

impl FakePages {
    pub(super) fn own(machine: FakeMachine, life: Life, frames: &[u32]) -> Self {
        let pages = frames.iter().map(|&frame| Page::Own { frame }).collect();
        Self { machine, life, pages }
    }

    #[track_caller]
    pub(super) fn mapped(machine: FakeMachine, life: Life, slots: &[u32]) -> Self {
        let state = machine.0.borrow();
        let page = |&slot: &u32| Page::Mapped { slot, handle: state.slot(life, slot) };
        let pages = slots.iter().map(page).collect();
        drop(state);
        Self { machine, life, pages }
    }

    #[track_caller]
    fn frame(&self, state: &State, page: usize) -> usize {
        match self.pages[page] {
            Page::Own { frame } => state.own_frame(self.life, frame),
            Page::Mapped { slot, handle } => state.mapped_frame(self.life, slot, handle),
        }
    }

    /// Splits `[at, at + bytes)` at page ends: (page, offset in page, offset in buffer, bytes).
    fn pieces(at: usize, bytes: usize) -> impl Iterator<Item = (usize, usize, usize, usize)> {
        let mut done = 0;
        core::iter::from_fn(move || {
            let (page, offset) = ((at + done) / PAGE_BYTES, (at + done) % PAGE_BYTES);
            let piece = (bytes - done).min(PAGE_BYTES - offset);
            let next = (piece > 0).then_some((page, offset, done, piece));
            done += piece;
            next
        })
    }
}

impl SharedPages for FakePages {
    #[track_caller]
    fn load_u32(&self, at: usize) -> u32 {
        assert!(at.is_multiple_of(4), "the word at {at} is not aligned");
        let mut bytes = [0; 4];
        self.copy_from(at, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    #[track_caller]
    fn store_u32(&self, at: usize, value: u32) {
        assert!(at.is_multiple_of(4), "the word at {at} is not aligned");
        self.copy_to(at, &value.to_le_bytes());
    }

    #[track_caller]
    fn copy_from(&self, at: usize, into: &mut [u8]) {
        let state = self.machine.0.borrow();
        for (page, offset, done, bytes) in Self::pieces(at, into.len()) {
            let frame = state.frame(self.frame(&state, page));
            into[done..done + bytes].copy_from_slice(&frame[offset..offset + bytes]);
        }
    }

    #[track_caller]
    fn copy_to(&self, at: usize, from: &[u8]) {
        let mut state = self.machine.0.borrow_mut();
        for (page, offset, done, bytes) in Self::pieces(at, from.len()) {
            let frame = self.frame(&state, page);
            let frame = state.frame_mut(frame);
            frame[offset..offset + bytes].copy_from_slice(&from[done..done + bytes]);
        }
    }

    fn full_barrier(&self) {
        self.machine.0.borrow_mut().count_barrier();
    }

    #[track_caller]
    fn zero(&self) {
        let mut state = self.machine.0.borrow_mut();
        for page in 0..self.pages.len() {
            let frame = self.frame(&state, page);
            assert!(!state.is_mapped(frame), "a page is reused while a domain maps it");
            state.frame_mut(frame).fill(0);
        }
    }

    fn pages(&self) -> usize {
        self.pages.len()
    }
}
