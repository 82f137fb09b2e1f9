//! The start info, checked and copied: command line and memory map.
//!
//! Xen's loader leaves both in RAM behind the image (tools/libs/guest/xg_dom_x86.c,
//! `alloc_magic_pages_pvh`), which soon becomes heap; so they are copied before anything is allocated,
//! and what is copied is bounded and checked. Nothing is read anywhere else: in the image the bytes
//! would be those of Rust objects. Fields are decoded from the copied bytes.

use core::mem::offset_of;

use heapless::{String, Vec};

use crate::boot::paging::{self, RAM_MAPPED_BYTES};
use crate::mem::functions;
use crate::xen::abi::start_info::{
    MAGIC, MEMMAP_TYPE_RAM, MemmapEntry, StartInfo, VERSION_WITH_MEMORY_MAP,
};
use crate::xen::boot_error::BootError;

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
    pub(crate) const NONE: Boot = Boot { version: 0, memory_map: Vec::new() };

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
pub(crate) fn read(address: u32, boot: &mut Boot, line: &mut CommandLine) -> Result<(), BootError> {
    parse(address, boot, line, copy)
}

/// Copies bytes from an address on.
type Copy = fn(u64, &mut [u8]) -> Result<(), BootError>;

/// [`read`], with the way to get at the bytes.
fn parse(
    address: u32,
    boot: &mut Boot,
    line: &mut CommandLine,
    copy: Copy,
) -> Result<(), BootError> {
    let mut bytes = [0; size_of::<StartInfo>()];
    copy(u64::from(address), &mut bytes)?;
    let magic = u32_at(&bytes, offset_of!(StartInfo, magic));
    if magic != MAGIC {
        return Err(BootError::hex("start-info-magic", magic.into()));
    }
    let version = u32_at(&bytes, offset_of!(StartInfo, version));
    if version < VERSION_WITH_MEMORY_MAP {
        return Err(BootError::number("start-info-version", version.into()));
    }
    command_line(u64_at(&bytes, offset_of!(StartInfo, cmdline_paddr)), line, copy)?;
    let memory_map = u64_at(&bytes, offset_of!(StartInfo, memmap_paddr));
    let entries = u32_at(&bytes, offset_of!(StartInfo, memmap_entries));
    // Empty, or longer than any known.
    let bad_map = BootError::number("memory-map-entries", entries.into());
    for index in 0..u64::from(entries) {
        let mut bytes = [0; size_of::<MemmapEntry>()];
        copy(memory_map.saturating_add(index * bytes.len() as u64), &mut bytes)?;
        let base = u64_at(&bytes, offset_of!(MemmapEntry, addr));
        let end = base.saturating_add(u64_at(&bytes, offset_of!(MemmapEntry, size)));
        let ram = u32_at(&bytes, offset_of!(MemmapEntry, kind)) == MEMMAP_TYPE_RAM;
        boot.memory_map.push(Region { base, end, ram }).map_err(|_| bad_map)?;
    }
    if boot.memory_map.is_empty() {
        return Err(bad_map);
    }
    boot.version = version;
    Ok(())
}

fn command_line(at: u64, line: &mut CommandLine, copy: Copy) -> Result<(), BootError> {
    if at == 0 {
        return Ok(());
    }
    for offset in 0..=COMMAND_LINE_BYTES_MAX as u64 {
        let mut byte = [0];
        copy(at.saturating_add(offset), &mut byte)?;
        let [byte] = byte;
        if byte == 0 {
            return Ok(());
        }
        if !byte.is_ascii() || line.push(char::from(byte)).is_err() {
            break;
        }
    }
    Err(BootError::of("command-line-not-ascii-or-too-long"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// Is all of `at..at + bytes` behind the image, which ends at `image_end`, and where RAM is mapped?
fn is_behind(image_end: u64, at: u64, bytes: usize) -> bool {
    at >= image_end && at.saturating_add(bytes as u64) <= RAM_MAPPED_BYTES
}

/// Copies bytes out of the RAM behind the image.
fn copy(at: u64, into: &mut [u8]) -> Result<(), BootError> {
    if !is_behind(paging::image_end(), at, into.len()) {
        return Err(BootError::hex("start-info-address", at));
    }
    let from = core::ptr::with_exposed_provenance::<u8>(at as usize);
    // SAFETY:
    // 1. The tables map all from the image's end to the end of the first GiB, readable; where there is
    //    no RAM a read gives all ones and faults nothing.
    // 2. Every Rust object is in the image, which holds code, statics and the stack: heap and page pool
    //    are given their RAM later (`start::divide_memory`). So nothing that is read is an object, and
    //    `into` does not overlap it.
    unsafe { functions::copy_forward(into.as_mut_ptr(), from, into.len()) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::{Boot, CommandLine, MAGIC, MEMORY_MAP_ENTRIES_MAX, RAM_MAPPED_BYTES};
    use super::{MemmapEntry, StartInfo, is_behind, parse};
    use crate::xen::boot_error::BootError;

    const MIB: u64 = 1 << 20;
    /// Where the structures of these tests lie, and the end of the image before them.
    const BASE: u64 = 2 * MIB;
    const IMAGE_END: u64 = MIB;
    const MAP_AT: usize = 64;
    const LINE_AT: usize = 2048;

    std::thread_local! {
        static MEMORY: core::cell::RefCell<Vec<u8>> = const { core::cell::RefCell::new(Vec::new()) };
    }

    fn copy(at: u64, into: &mut [u8]) -> Result<(), BootError> {
        if !is_behind(IMAGE_END, at, into.len()) {
            return Err(BootError::hex("start-info-address", at));
        }
        MEMORY.with_borrow(|memory| {
            for (offset, byte) in into.iter_mut().enumerate() {
                // All ones where there is no RAM.
                let at = (at - IMAGE_END) as usize + offset;
                *byte = at
                    .checked_sub((BASE - IMAGE_END) as usize)
                    .and_then(|at| memory.get(at).copied())
                    .unwrap_or(0xff);
            }
        });
        Ok(())
    }

    fn put(memory: &mut [u8], at: usize, bytes: &[u8]) {
        memory[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// A start info with a memory map of so many entries.
    fn usual(entries: u32) -> Vec<u8> {
        let mut memory = std::vec![0; 4096];
        put(&mut memory, offset_of!(StartInfo, magic), &MAGIC.to_le_bytes());
        put(&mut memory, offset_of!(StartInfo, version), &1_u32.to_le_bytes());
        let line = BASE + LINE_AT as u64;
        put(&mut memory, offset_of!(StartInfo, cmdline_paddr), &line.to_le_bytes());
        let map = BASE + MAP_AT as u64;
        put(&mut memory, offset_of!(StartInfo, memmap_paddr), &map.to_le_bytes());
        put(&mut memory, offset_of!(StartInfo, memmap_entries), &entries.to_le_bytes());
        for index in 0..entries as usize {
            let at = MAP_AT + index * size_of::<MemmapEntry>();
            let base = index as u64 * MIB;
            put(&mut memory, at + offset_of!(MemmapEntry, addr), &base.to_le_bytes());
            put(&mut memory, at + offset_of!(MemmapEntry, size), &MIB.to_le_bytes());
            let kind = 1 + index as u32 % 2;
            put(&mut memory, at + offset_of!(MemmapEntry, kind), &kind.to_le_bytes());
        }
        put(&mut memory, LINE_AT, b"link=a cycles=1\0");
        memory
    }

    fn read(at: u32, memory: Vec<u8>) -> Result<(Boot, CommandLine), String> {
        MEMORY.set(memory);
        let (mut boot, mut line) = (Boot::NONE, CommandLine::new());
        match parse(at, &mut boot, &mut line, copy) {
            Ok(()) => Ok((boot, line)),
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    fn refused(at: u32, memory: Vec<u8>) -> String {
        read(at, memory).err().expect("refused")
    }

    #[test]
    fn line_and_memory_map_are_copied() {
        let (boot, line) = read(BASE as u32, usual(3)).expect("as Xen writes it");
        assert_eq!(line, "link=a cycles=1");
        let regions: Vec<_> = boot.memory_map.iter().map(|r| (r.base, r.end, r.ram)).collect();
        let expected = [(0, MIB, true), (MIB, 2 * MIB, false), (2 * MIB, 3 * MIB, true)];
        assert_eq!(regions, expected);
        assert_eq!((boot.version, boot.ram_bytes()), (1, 2 * MIB));
    }

    #[test]
    fn nothing_is_read_in_the_image_or_where_no_ram_is_mapped() {
        let last = IMAGE_END as u32 - 1;
        for at in [0, 0xfff, 0x1000, 0x10000, last, 0x3fff_fff0, u32::MAX] {
            let expected = std::format!("start-info-address-{at:#x}");
            assert_eq!(refused(at, usual(1)), expected);
        }
        for field in [offset_of!(StartInfo, cmdline_paddr), offset_of!(StartInfo, memmap_paddr)] {
            for at in [1, 0x1000, IMAGE_END - 1, RAM_MAPPED_BYTES, u64::MAX] {
                let mut memory = usual(1);
                put(&mut memory, field, &at.to_le_bytes());
                assert_eq!(
                    refused(BASE as u32, memory),
                    std::format!("start-info-address-{at:#x}")
                );
            }
        }
    }

    #[test]
    fn what_is_not_a_start_info_is_named() {
        let field = |at: usize, bytes: &[u8]| {
            let mut memory = usual(1);
            put(&mut memory, at, bytes);
            refused(BASE as u32, memory)
        };
        assert_eq!(field(offset_of!(StartInfo, magic), &[0]), "start-info-magic-0x336ec500");
        assert_eq!(field(offset_of!(StartInfo, version), &[0]), "start-info-version-0");
        assert_eq!(field(LINE_AT, &[0x80]), "command-line-not-ascii-or-too-long");
        assert_eq!(field(LINE_AT, &[b'a'; 1025]), "command-line-not-ascii-or-too-long");
        assert_eq!(refused(BASE as u32, usual(0)), "memory-map-entries-0");
        let many = MEMORY_MAP_ENTRIES_MAX as u32 + 1;
        assert_eq!(refused(BASE as u32, usual(many)), "memory-map-entries-17");
    }
}
