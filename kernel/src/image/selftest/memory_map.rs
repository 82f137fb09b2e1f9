//! The memory map: no two regions overlap, the image is in RAM, the window is empty. The regions come
//! in no particular order.
//!
//! A page placed over RAM would lose that RAM, so this is worth knowing before anything is mapped.

use super::failed::{Failed, hold};
use crate::boot::paging;
use crate::boot::start_info::Region;
use crate::image::machine::Machine;
use crate::xen::window::{WINDOW_BASE, WINDOW_BYTES};

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let boot = &machine.boot;
    for (index, region) in boot.memory_map.iter().enumerate() {
        let overlaps = |other: &Region| other.base < region.end && region.base < other.end;
        if boot.memory_map.iter().skip(index + 1).any(overlaps) {
            return Err(Failed::found("regions-apart", &region.base));
        }
    }
    let (start, end) = boot.free_ram().ok_or(Failed::not("image-in-ram"))?;
    hold("ram-behind-image", start == paging::image_end() && start < end)?;
    hold("window-empty", !boot.occupied(WINDOW_BASE, WINDOW_BASE + WINDOW_BYTES))
}
