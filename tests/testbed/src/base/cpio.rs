//! Archives in the "newc" format of cpio: [`Archive`], a sorted map of paths.
//!
//! Three things travel in it: dom0's file system, a job, and a job's results. The kernel and busybox
//! both read it, and sorted paths with no times and no owners make it the same bytes every time.

use std::collections::BTreeMap;

/// What a path of an archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CpioEntry {
    /// A folder.
    Folder,
    /// A file.
    File {
        /// Whether it may be executed.
        mode: Mode,
        /// What is in it.
        bytes: Vec<u8>,
    },
    /// A symbolic link.
    Link(String),
}

/// What may be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Read only.
    Data,
    /// Executed too.
    Program,
}

/// Paths without a leading slash, and what is there.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Archive {
    entries: BTreeMap<String, CpioEntry>,
}

/// "070701": the magic of newc.
const MAGIC: &str = "070701";
/// Magic and thirteen numbers of eight hexadecimal digits.
const HEADER_BYTES: usize = 6 + 13 * 8;
/// The name of the last entry.
const TRAILER: &str = "TRAILER!!!";
/// File types in a mode, as in <sys/stat.h>: S_IFDIR, S_IFREG, S_IFLNK, S_IFMT.
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const TYPE_MASK: u32 = 0o170_000;

impl Archive {
    /// An empty one.
    pub fn new() -> Archive {
        Archive::default()
    }

    /// Adds or replaces a path, and the folders above it.
    pub fn insert(&mut self, path: &str, entry: CpioEntry) {
        let path = path.trim_start_matches('/');
        for (at, _) in path.match_indices('/') {
            self.entries.entry(path[..at].to_string()).or_insert(CpioEntry::Folder);
        }
        self.entries.insert(path.to_string(), entry);
    }

    /// Adds a file.
    pub fn file(&mut self, path: &str, mode: Mode, bytes: Vec<u8>) {
        self.insert(path, CpioEntry::File { mode, bytes });
    }

    /// What is at a path.
    pub fn get(&self, path: &str) -> Option<&CpioEntry> {
        self.entries.get(path)
    }

    /// The contents of a file.
    pub fn bytes(&self, path: &str) -> Option<&[u8]> {
        match self.entries.get(path) {
            Some(CpioEntry::File { bytes, .. }) => Some(bytes),
            _ => None,
        }
    }

    /// The contents of a file as text.
    pub fn text(&self, path: &str) -> Option<String> {
        self.bytes(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// All paths with what is there, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &CpioEntry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// The archive as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Inode numbers only have to differ: the same one twice would be a hard link.
        for (number, (path, entry)) in (1u32..).zip(self.iter()) {
            let (mode, body): (u32, &[u8]) = match entry {
                CpioEntry::Folder => (FOLDER | 0o755, &[]),
                CpioEntry::File { mode: Mode::Data, bytes } => (FILE | 0o644, bytes),
                CpioEntry::File { mode: Mode::Program, bytes } => (FILE | 0o755, bytes),
                CpioEntry::Link(target) => (LINK | 0o777, target.as_bytes()),
            };
            push(&mut out, number, mode, path, body);
        }
        push(&mut out, 0, 0, TRAILER, &[]);
        out
    }

    /// Reads what `cpio -o -H newc` wrote; nothing where it is not that.
    pub fn from_bytes(bytes: &[u8]) -> Option<Archive> {
        let mut archive = Archive::new();
        let mut at = 0_usize;
        loop {
            let header = bytes.get(at..at.checked_add(HEADER_BYTES)?)?;
            if header.get(..MAGIC.len())? != MAGIC.as_bytes() {
                return None;
            }
            let mode = field(header, 1)?;
            let body_bytes = usize::try_from(field(header, 6)?).ok()?;
            let name_bytes = usize::try_from(field(header, 11)?).ok()?;
            let name_at = at.checked_add(HEADER_BYTES)?;
            let name = bytes.get(name_at..name_at.checked_add(name_bytes)?)?;
            let name = core::str::from_utf8(name).ok()?.trim_end_matches('\0');
            if name == TRAILER {
                return Some(archive);
            }
            let body_at = padded(name_at.checked_add(name_bytes)?);
            let body_end = body_at.checked_add(body_bytes)?;
            let body = bytes.get(body_at..body_end)?.to_vec();
            at = padded(body_end);
            let entry = match mode & TYPE_MASK {
                FOLDER => CpioEntry::Folder,
                LINK => CpioEntry::Link(String::from_utf8(body).ok()?),
                _ if mode & 0o111 != 0 => CpioEntry::File { mode: Mode::Program, bytes: body },
                _ => CpioEntry::File { mode: Mode::Data, bytes: body },
            };
            let name = name.trim_start_matches("./");
            if name != "." && !name.is_empty() {
                archive.insert(name, entry);
            }
        }
    }
}

/// Headers and bodies start at multiples of four.
fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(4)
}

fn push(out: &mut Vec<u8>, number: u32, mode: u32, name: &str, body: &[u8]) {
    let size = u32::try_from(body.len()).expect("what the bed packs is far below 4 GiB");
    let name_size = u32::try_from(name.len() + 1).expect("names are short");
    out.extend_from_slice(MAGIC.as_bytes());
    // inode, mode, uid, gid, links, time, size, four device numbers, name's size, checksum
    for value in [number, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0] {
        out.extend_from_slice(format!("{value:08x}").as_bytes());
    }
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    out.resize(padded(out.len()), 0);
    out.extend_from_slice(body);
    out.resize(padded(out.len()), 0);
}

fn field(header: &[u8], index: usize) -> Option<u32> {
    let start = MAGIC.len() + index * 8;
    let digits = core::str::from_utf8(header.get(start..start + 8)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_read_back() {
        let mut archive = Archive::new();
        archive.file("bin/sh", Mode::Program, b"abc".to_vec());
        archive.file("etc/empty", Mode::Data, Vec::new());
        archive.insert("lib", CpioEntry::Link("usr/lib".into()));
        let bytes = archive.to_bytes();
        assert_eq!(Archive::from_bytes(&bytes), Some(archive));
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn folders_above_a_path_are_there_before_it() {
        let mut archive = Archive::new();
        archive.file("/a/b/c", Mode::Data, Vec::new());
        let paths: Vec<&str> = archive.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["a", "a/b", "a/b/c"]);
    }

    #[test]
    fn a_cut_archive_is_refused() {
        let mut archive = Archive::new();
        archive.file("a", Mode::Data, b"abc".to_vec());
        let bytes = archive.to_bytes();
        for end in 0..bytes.len() {
            let read = Archive::from_bytes(&bytes[..end]);
            // What is missing at the very end is padding.
            assert!(read.is_none() || end + 4 > bytes.len(), "cut at {end}");
        }
    }
}
