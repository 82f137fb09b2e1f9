//! The start info, checked and copied: command line and memory map.
//!
//! Xen's loader leaves both in RAM behind the image, which soon becomes heap; so they are copied
//! before anything is allocated, and what is copied is bounded and checked.

use heapless::{String, Vec};

use crate::abi::PAGE_BYTES;
use crate::abi::start_info::{
    MAGIC, MEMMAP_TYPE_RAM, MemmapEntry, StartInfo, VERSION_WITH_MEMORY_MAP,
};
use crate::boot::paging::{self, RAM_MAPPED_BYTES};
use crate::refusal::Refusal;

/// Longest command line: xl itself cuts `extra=` at 1,024 bytes.
pub(crate) const COMMAND_LINE_BYTES_MAX: usize = 1024;
/// Most entries of the memory map: xl writes four or five.
const MEMORY_MAP_ENTRIES_MAX: usize = 16;

/// The command line, as given.
pub(crate) type CommandLine = String<COMMAND_LINE_BYTES_MAX>;

/// One region of the memory map.
#[derive(Clone, Copy)]
pub(crate) struct Region {
    /// First address.
    pub(crate) base: u64,
    /// First address behind it.
    pub(crate) end: u64,
    /// Is it RAM?
    pub(crate) ram: bool,
}

/// What was copied, the command line apart.
pub(crate) struct Boot {
    /// `StartInfo::version`.
    pub(crate) version: u32,
    /// The memory map, in Xen's order.
    pub(crate) memory_map: Vec<Region, MEMORY_MAP_ENTRIES_MAX>,
}

impl Boot {
    /// Nothing yet.
    pub(super) const NONE: Boot = Boot { version: 0, memory_map: Vec::new() };

    /// Bytes of RAM in all.
    pub(crate) fn ram_bytes(&self) -> u64 {
        self.memory_map.iter().filter(|region| region.ram).map(|r| r.end - r.base).sum()
    }

    /// RAM behind the image that is mapped: what heap and pages are made of. `None` when the image
    /// does not lie in RAM, which the loader forbids.
    pub(crate) fn free_ram(&self) -> Option<(u64, u64)> {
        let start = paging::image_end();
        let home = |region: &&Region| region.ram && (region.base..region.end).contains(&start);
        let region = self.memory_map.iter().find(home)?;
        Some((start, region.end.min(RAM_MAPPED_BYTES) & !0xfff))
    }

    /// Does any region that the map names reach into `base..end`?
    pub(crate) fn occupied(&self, base: u64, end: u64) -> bool {
        self.memory_map.iter().any(|region| region.base < end && base < region.end)
    }
}

/// Reads and checks the start info at the address that Xen passed in `ebx`, into `boot` and `line`, which
/// are empty: both are large, and moving them would take longer.
pub(super) fn read(address: u32, boot: &mut Boot, line: &mut CommandLine) -> Result<(), Refusal> {
    let info: StartInfo = copy(u64::from(address))?;
    if info.magic != MAGIC {
        return Err(Refusal::hex("start-info-magic", info.magic.into()));
    }
    if info.version < VERSION_WITH_MEMORY_MAP {
        return Err(Refusal::number("start-info-version", info.version.into()));
    }
    command_line(info.cmdline_paddr, line)?;
    // Empty, or longer than any known.
    let bad_map = Refusal::number("memory-map-entries", info.memmap_entries.into());
    for index in 0..u64::from(info.memmap_entries) {
        let at = info.memmap_paddr.saturating_add(index * size_of::<MemmapEntry>() as u64);
        let entry: MemmapEntry = copy(at)?;
        let end = entry.addr.saturating_add(entry.size);
        let region = Region { base: entry.addr, end, ram: entry.kind == MEMMAP_TYPE_RAM };
        boot.memory_map.push(region).map_err(|_| bad_map)?;
    }
    if boot.memory_map.is_empty() {
        return Err(bad_map);
    }
    boot.version = info.version;
    Ok(())
}

fn command_line(at: u64, line: &mut CommandLine) -> Result<(), Refusal> {
    if at == 0 {
        return Ok(());
    }
    for offset in 0..=COMMAND_LINE_BYTES_MAX as u64 {
        let byte: u8 = copy(at.saturating_add(offset))?;
        if byte == 0 {
            return Ok(());
        }
        if !byte.is_ascii() || line.push(char::from(byte)).is_err() {
            break;
        }
    }
    Err(Refusal::of("command-line-not-ascii-or-too-long"))
}

/// What may be read as plain data: any bytes are a value.
trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for StartInfo {}
impl Plain for MemmapEntry {}

/// Copies a value out of low RAM.
fn copy<T: Plain>(at: u64) -> Result<T, Refusal> {
    let end = at.saturating_add(size_of::<T>() as u64);
    if at < PAGE_BYTES as u64 || end > RAM_MAPPED_BYTES {
        // Not where RAM is mapped.
        return Err(Refusal::hex("start-info-address", at));
    }
    let from = core::ptr::with_exposed_provenance::<T>(at as usize);
    // SAFETY:
    // 1. The first GiB is mapped readable, page 0 (excluded above) apart; where
    //    there is no RAM a read gives all ones and faults nothing.
    // 2. Nothing is allocated yet: no Rust object lies there.
    // 3. Any bytes are a `T` (`Plain`); alignment is not assumed.
    Ok(unsafe { from.read_unaligned() })
}
