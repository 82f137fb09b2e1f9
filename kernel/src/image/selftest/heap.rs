//! The heap: blocks of several sizes and alignments, distinct, kept intact, all given back.
//!
//! The count of blocks must be the same before and after: it is what shows leaks later.

extern crate alloc;

use alloc::vec;
use alloc::vec::Vec;

use super::failed::{Failed, hold};
use crate::image::machine::Machine;
use crate::mem::heap;

/// Sizes around those of words, cache lines and pages.
const SIZES: [usize; 8] = [1, 8, 24, 63, 64, 65, 1000, 4097];

/// A block that must lie on a cache line.
#[repr(align(64))]
struct Line([u8; 64]);

pub(super) fn run(_: &mut Machine) -> Result<(), Failed> {
    let (blocks, free) = (heap::blocks(), heap::bytes_free());
    {
        let mut held: Vec<Vec<u8>> = Vec::with_capacity(SIZES.len());
        for (index, size) in SIZES.into_iter().enumerate() {
            held.push(vec![index as u8 + 1; size]);
        }
        let line = alloc::boxed::Box::new(Line([0xff; 64]));
        hold("aligned", (&raw const *line).addr().is_multiple_of(64))?;
        // Freed in between, so that the list has a hole to reuse.
        drop(held.remove(3));
        held.push(vec![9; 40]);
        let intact = held.iter().all(|block| block.iter().all(|&byte| byte == block[0]));
        hold("blocks-distinct", intact && line.0.iter().all(|&byte| byte == 0xff))?;
    }
    hold("blocks-given-back", heap::blocks() == blocks)?;
    hold("bytes-given-back", heap::bytes_free() == free)
}
