//! The start info: a version with a memory map.
//!
//! Magic and version were checked before anything could be printed; this says what was found.

use super::failed::{Failed, hold};
use crate::image::machine::Machine;
use crate::xen::abi::start_info::VERSION_WITH_MEMORY_MAP;

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let boot = &machine.boot;
    crate::say!(Debug, "start info version {}, {} regions", boot.version, boot.memory_map.len());
    hold("version", boot.version >= VERSION_WITH_MEMORY_MAP)
}
