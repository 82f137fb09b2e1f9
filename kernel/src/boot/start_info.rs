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

/// Longest command line: xl itself cuts `extra=` at 1,024 bytes.
pub(crate) const COMMAND_LINE_BYTES_MAX: usize = 1024;
/// Most entries of the memory map: xl writes four or five.
const MEMORY_MAP_ENTRIES_MAX: usize = 16;

/// The command line, as given.
pub(crate) type CommandLine = String<COMMAND_LINE_BYTES_MAX>;

/// Why the start info cannot be used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartInfoError {
    /// Not below 1 GiB, where RAM is mapped, or not aligned.
    Address(u64),
    /// `magic` is something else: not started by Xen as PVH.
    Magic(u32),
    /// A version without a memory map.
    Version(u32),
    /// The command line has no end, or is not ASCII.
    CommandLine,
    /// The memory map is empty or longer than any known.
    MemoryMap(u32),
}

impl core::fmt::Display for StartInfoError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            StartInfoError::Address(at) => write!(f, "start-info-address-{at:#x}"),
            StartInfoError::Magic(magic) => write!(f, "start-info-magic-{magic:#x}"),
            StartInfoError::Version(version) => write!(f, "start-info-version-{version}"),
            StartInfoError::CommandLine => f.write_str("command-line-not-ascii-or-too-long"),
            StartInfoError::MemoryMap(entries) => write!(f, "memory-map-entries-{entries}"),
        }
    }
}

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

/// What was copied.
pub(crate) struct Boot {
    /// `StartInfo::version`.
    pub(crate) version: u32,
    /// The command line.
    pub(crate) command_line: CommandLine,
    /// The memory map, in Xen's order.
    pub(crate) memory_map: Vec<Region, MEMORY_MAP_ENTRIES_MAX>,
}

impl Boot {
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

/// Reads and checks the start info at the address that Xen passed in `ebx`.
pub(super) fn read(address: u32) -> Result<Boot, StartInfoError> {
    let info: StartInfo = copy(u64::from(address))?;
    if info.magic != MAGIC {
        return Err(StartInfoError::Magic(info.magic));
    }
    if info.version < VERSION_WITH_MEMORY_MAP {
        return Err(StartInfoError::Version(info.version));
    }
    let command_line = command_line(info.cmdline_paddr)?;
    let mut memory_map = Vec::new();
    for index in 0..u64::from(info.memmap_entries) {
        let at = info.memmap_paddr.saturating_add(index * size_of::<MemmapEntry>() as u64);
        let entry: MemmapEntry = copy(at)?;
        let end = entry.addr.saturating_add(entry.size);
        let region = Region { base: entry.addr, end, ram: entry.kind == MEMMAP_TYPE_RAM };
        memory_map.push(region).map_err(|_| StartInfoError::MemoryMap(info.memmap_entries))?;
    }
    if memory_map.is_empty() {
        return Err(StartInfoError::MemoryMap(0));
    }
    Ok(Boot { version: info.version, command_line, memory_map })
}

fn command_line(at: u64) -> Result<CommandLine, StartInfoError> {
    let mut line = CommandLine::new();
    if at == 0 {
        return Ok(line);
    }
    for offset in 0..=COMMAND_LINE_BYTES_MAX as u64 {
        let byte: u8 = copy(at.saturating_add(offset))?;
        if byte == 0 {
            return Ok(line);
        }
        if !byte.is_ascii() || line.push(char::from(byte)).is_err() {
            break;
        }
    }
    Err(StartInfoError::CommandLine)
}

/// What may be read as plain data: any bytes are a value.
trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for StartInfo {}
impl Plain for MemmapEntry {}

/// Copies a value out of low RAM.
fn copy<T: Plain>(at: u64) -> Result<T, StartInfoError> {
    let end = at.saturating_add(size_of::<T>() as u64);
    if at < PAGE_BYTES as u64 || end > RAM_MAPPED_BYTES {
        return Err(StartInfoError::Address(at));
    }
    let from = core::ptr::with_exposed_provenance::<T>(at as usize);
    // SAFETY:
    // 1. The first GiB is mapped readable, page 0 (excluded above) apart; where
    //    there is no RAM a read gives all ones and faults nothing.
    // 2. Nothing is allocated yet: no Rust object lies there.
    // 3. Any bytes are a `T` (`Plain`); alignment is not assumed.
    Ok(unsafe { from.read_unaligned() })
}
