//! The watches of a client and the changes they reported. [`Watches`] turns events into
//! level-triggered marks: an event only hints at a change, so repeated events share one mark, and
//! when the marks run out the watch is marked as "read everything again" instead of losing events.

use crate::reply::WatchEvent;
use crate::wire::{Decimal, parse_decimal};

/// The longest path that a mark stores, in bytes; a change of a longer path is a
/// [`Changed::Rescan`]. Paths of devices and channels in a domain's home are shorter.
pub const MARKED_PATH_BYTES_MAX: usize = 64;

/// The longest token of a table: `w`, three digits, a dot, ten digits.
const TOKEN_BYTES: usize = 15;

/// A watch of a [`Watches`] table. The generation distinguishes it from removed watches in the same
/// place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WatchId {
    place: u8,
    generation: u32,
}

/// The token of a watch, for [`crate::Request::Watch`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    bytes: [u8; TOKEN_BYTES],
    length: usize,
}

impl Token {
    fn new(id: WatchId) -> Token {
        let place = Decimal::new(u32::from(id.place));
        let generation = Decimal::new(id.generation);
        let mut token = Token { bytes: [0; TOKEN_BYTES], length: 0 };
        for part in [b"w", place.bytes(), b".", generation.bytes()] {
            for &byte in part {
                if let Some(kept) = token.bytes.get_mut(token.length) {
                    *kept = byte;
                    token.length += 1;
                }
            }
        }
        token
    }

    fn parse(token: &str) -> Option<WatchId> {
        let mut numbers = token.as_bytes().strip_prefix(b"w")?.split(|&byte| byte == b'.');
        let place = u8::try_from(parse_decimal(numbers.next()?)?).ok()?;
        let generation = parse_decimal(numbers.next()?)?;
        numbers.next().is_none().then_some(WatchId { place, generation })
    }

    /// The token as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.bytes.get(..self.length).unwrap_or(&[])).unwrap_or("")
    }
}

/// The path of a mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarkedPath {
    bytes: [u8; MARKED_PATH_BYTES_MAX],
    length: u8,
}

impl MarkedPath {
    const EMPTY: MarkedPath = MarkedPath { bytes: [0; MARKED_PATH_BYTES_MAX], length: 0 };

    fn new(path: &str) -> Option<MarkedPath> {
        let mut bytes = [0; MARKED_PATH_BYTES_MAX];
        bytes.get_mut(..path.len())?.copy_from_slice(path.as_bytes());
        Some(MarkedPath { bytes, length: path.len() as u8 })
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        let kept = self.bytes.get(..usize::from(self.length)).unwrap_or(&[]);
        core::str::from_utf8(kept).unwrap_or("")
    }
}

/// What to read again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Changed {
    /// This path.
    Path(MarkedPath),
    /// Everything below the watched path.
    Rescan,
}

/// A change that one watch reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// The watch.
    pub watch: WatchId,
    /// What to read again.
    pub what: Changed,
}

/// How an event was recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Noted {
    /// It set a new mark.
    Marked,
    /// Its mark was already set.
    Merged,
    /// No mark was free, or the path was too long: it became a rescan.
    Overflowed,
    /// Its watch was already removed.
    Late,
    /// Its token does not belong to this table.
    Unknown,
}

/// Number of recorded events, by outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WatchCounts {
    /// See [`Noted::Marked`].
    pub marked: u64,
    /// See [`Noted::Merged`].
    pub merged: u64,
    /// See [`Noted::Overflowed`].
    pub overflowed: u64,
    /// See [`Noted::Late`].
    pub late: u64,
    /// See [`Noted::Unknown`].
    pub unknown: u64,
}

/// The table has no free place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableFull;

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// 0 when free.
    generation: u32,
    rescan: bool,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The generation of the watch, 0 when free.
    generation: u32,
    place: u8,
    path: MarkedPath,
}

impl Mark {
    const FREE: Mark = Mark { generation: 0, place: 0, path: MarkedPath::EMPTY };

    fn is_of(&self, id: WatchId) -> bool {
        self.generation == id.generation && self.place == id.place
    }
}

/// A table of at most `WATCHES` watches and at most `MARKS` changed paths.
///
/// ```
/// use xenbus::watch::{Changed, Noted, Watches};
/// use xenbus::WatchEvent;
/// let mut watches: Watches<4, 8> = Watches::new();
/// let disk = watches.add().unwrap();
/// let token = watches.token(disk); // for Request::Watch
/// let event = WatchEvent { path: "data/disk/state", token: token.as_str() };
/// assert_eq!(watches.note(&event), Noted::Marked);
/// assert_eq!(watches.note(&event), Noted::Merged);
/// let change = watches.take().unwrap();
/// assert_eq!(change.watch, disk);
/// assert!(matches!(change.what, Changed::Path(path) if path.as_str() == "data/disk/state"));
/// assert_eq!(watches.take(), None);
/// ```
#[derive(Debug)]
pub struct Watches<const WATCHES: usize = 8, const MARKS: usize = 16> {
    entries: [Entry; WATCHES],
    marks: [Mark; MARKS],
    /// The last generation used; counts the watches ever added.
    generation: u32,
    /// Where the search for the next mark starts, so that no watch can starve the others.
    next: usize,
    counts: WatchCounts,
}

impl<const WATCHES: usize, const MARKS: usize> Watches<WATCHES, MARKS> {
    /// An empty table.
    pub const fn new() -> Self {
        // A place is a byte, in the id as in the token.
        const { assert!(WATCHES <= 256) };
        Watches {
            entries: [Entry { generation: 0, rescan: false }; WATCHES],
            marks: [Mark::FREE; MARKS],
            generation: 0,
            next: 0,
            counts: WatchCounts { marked: 0, merged: 0, overflowed: 0, late: 0, unknown: 0 },
        }
    }

    /// Adds a watch. Call this before sending the request: the first event may arrive before the
    /// reply.
    ///
    /// # Errors
    /// [`TableFull`] if no place is free.
    pub fn add(&mut self) -> Result<WatchId, TableFull> {
        let generation = self.generation.checked_add(1).ok_or(TableFull)?;
        let free = self.entries.iter_mut().enumerate().find(|(_, entry)| entry.generation == 0);
        let (place, entry) = free.ok_or(TableFull)?;
        *entry = Entry { generation, rescan: false };
        self.generation = generation;
        Ok(WatchId { place: place as u8, generation })
    }

    /// Removes a watch and its marks. Later events of it are [`Noted::Late`].
    pub fn remove(&mut self, id: WatchId) {
        if let Some(entry) = self.entry(id) {
            entry.generation = 0;
        }
        self.forget_marks(id);
    }

    /// The token of a watch.
    pub fn token(&self, id: WatchId) -> Token {
        Token::new(id)
    }

    /// Records an event.
    pub fn note(&mut self, event: &WatchEvent<'_>) -> Noted {
        let noted = self.noted(event);
        let count = match noted {
            Noted::Marked => &mut self.counts.marked,
            Noted::Merged => &mut self.counts.merged,
            Noted::Overflowed => &mut self.counts.overflowed,
            Noted::Late => &mut self.counts.late,
            Noted::Unknown => &mut self.counts.unknown,
        };
        *count += 1;
        noted
    }

    /// Marks everything below every watch as changed. Call this after events may have been lost,
    /// and by timer, because a daemon may silently drop an event.
    pub fn mark_all(&mut self) {
        self.marks = [Mark::FREE; MARKS];
        for entry in &mut self.entries {
            entry.rescan = entry.generation != 0;
        }
    }

    /// Takes the next mark. The order of the marks is not the order of the changes.
    pub fn take(&mut self) -> Option<Change> {
        let rescans = self.entries.iter_mut().enumerate();
        if let Some((place, entry)) = rescans.into_iter().find(|(_, entry)| entry.rescan) {
            entry.rescan = false;
            let watch = WatchId { place: place as u8, generation: entry.generation };
            return Some(Change { watch, what: Changed::Rescan });
        }
        let (before, from) = self.marks.split_at_mut_checked(self.next)?;
        let from = from.iter_mut().zip(self.next..);
        let mut marks = from.chain(before.iter_mut().zip(0..));
        let (mark, at) = marks.find(|(mark, _)| mark.generation != 0)?;
        let Mark { generation, place, path } = core::mem::replace(mark, Mark::FREE);
        self.next = (at + 1) % MARKS;
        Some(Change { watch: WatchId { place, generation }, what: Changed::Path(path) })
    }

    /// The counters.
    pub const fn counts(&self) -> &WatchCounts {
        &self.counts
    }

    fn noted(&mut self, event: &WatchEvent<'_>) -> Noted {
        let Some(id) = Token::parse(event.token) else { return Noted::Unknown };
        let was_given = id.generation != 0 && id.generation <= self.generation;
        let Some(entry) = self.entry(id) else {
            return if was_given { Noted::Late } else { Noted::Unknown };
        };
        if entry.rescan {
            return Noted::Merged;
        }
        let Some(path) = MarkedPath::new(event.path) else { return self.overflow(id) };
        if self.marks.iter().any(|mark| mark.is_of(id) && mark.path == path) {
            return Noted::Merged;
        }
        match self.marks.iter_mut().find(|mark| mark.generation == 0) {
            Some(mark) => {
                *mark = Mark { generation: id.generation, place: id.place, path };
                Noted::Marked
            }
            None => self.overflow(id),
        }
    }

    /// A rescan covers all paths of its watch, so their marks become free.
    fn overflow(&mut self, id: WatchId) -> Noted {
        self.forget_marks(id);
        if let Some(entry) = self.entry(id) {
            entry.rescan = true;
        }
        Noted::Overflowed
    }

    fn forget_marks(&mut self, id: WatchId) {
        for mark in self.marks.iter_mut().filter(|mark| mark.is_of(id)) {
            *mark = Mark::FREE;
        }
    }

    fn entry(&mut self, id: WatchId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(usize::from(id.place))?;
        (entry.generation == id.generation && id.generation != 0).then_some(entry)
    }
}

impl<const WATCHES: usize, const MARKS: usize> Default for Watches<WATCHES, MARKS> {
    fn default() -> Self {
        Watches::new()
    }
}
