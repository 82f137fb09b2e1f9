//! The foreign window, and which of its frames hold a mapping of a peer's page. Xen crashes our
//! domain if it maps at a frame that already holds a mapping, and a lost handle pins the peer's
//! page for ever. Slots and handles therefore belong to the domain, not to a connection, and
//! outlive any endpoint (docs/protocol.md §8, §11).

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;

use crate::layout::PAGES_MAX;
use crate::ports::{MapHandle, MapRefused, Mapper, Mapping, UnmapRefused};
use xen_types::{DomId, GrantRef};

/// State of one slot of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Free,
    /// Part of a run.
    Mapped(MapHandle),
    /// The run was unmapped, but Xen refused this slot. Retried by [`Window::sweep`].
    Stuck(MapHandle),
}

/// Guest frames without memory, at which foreign pages can be mapped.
#[derive(Debug)]
pub struct Window {
    slots: Box<[Slot]>,
}

/// Consecutive slots that hold one connection's pages. Not `Clone`, because its owner may unmap it.
#[derive(Debug, PartialEq, Eq)]
pub struct SlotRun {
    first: usize,
    count: usize,
}

impl SlotRun {
    /// Index of the first slot.
    pub const fn first(&self) -> u32 {
        self.first as u32
    }

    /// Number of slots, in `1..=PAGES_MAX`.
    pub const fn count(&self) -> usize {
        self.count
    }
}

/// Why a peer's pages could not be mapped. None of them is mapped.
///
/// Exhaustive on purpose: the channel maps each one to its own reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// The peer offered no page, or more than [`PAGES_MAX`].
    PageCount {
        /// Number of pages offered.
        offered: usize,
    },
    /// The peer offered the same reference twice.
    RepeatedRef(GrantRef),
    /// The peer's ring size does not follow from its number of pages.
    RingBytes {
        /// Size of each ring in bytes, as offered.
        offered: u32,
        /// Size of each ring in bytes that follows from the number of pages.
        expected: u32,
    },
    /// The window has no long enough run of free slots.
    WindowFull {
        /// Number of consecutive slots needed.
        wanted: usize,
    },
    /// Xen refused one of the pages.
    Refused {
        /// The reference that Xen refused.
        r: GrantRef,
        /// Xen's answer.
        why: MapRefused,
    },
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PageCount { offered } => {
                write!(f, "the peer offers {offered} pages; 1 to {PAGES_MAX} are allowed")
            }
            Self::RepeatedRef(r) => write!(f, "the peer offers reference {} twice", r.0),
            Self::RingBytes { offered, expected } => {
                write!(f, "the peer offers rings of {offered} bytes, its pages give {expected}")
            }
            Self::WindowFull { wanted } => write!(f, "no {wanted} free slots in the window"),
            Self::Refused { r, why } => write!(f, "reference {}: {why}", r.0),
        }
    }
}

impl core::error::Error for MapError {}

/// Some pages could not be unmapped. Their slots stay out of use until [`Window::sweep`] succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnmapError {
    /// Number of pages that stay mapped.
    pub stuck: usize,
    /// Xen's answer for the last of them.
    pub why: UnmapRefused,
}

impl fmt::Display for UnmapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pages stay mapped: {}", self.stuck, self.why)
    }
}

impl core::error::Error for UnmapError {}

impl Window {
    /// A window of `slots` frames without mappings. Only this call allocates.
    pub fn new(slots: usize) -> Self {
        Self { slots: vec![Slot::Free; slots].into_boxed_slice() }
    }

    /// Maps all of a peer's pages into consecutive slots, or none.
    ///
    /// # Errors
    /// [`MapError`]: the offer is invalid, the window is full, or Xen refused.
    pub fn map(
        &mut self,
        mapper: &mut impl Mapper,
        peer: DomId,
        refs: &[GrantRef],
    ) -> Result<SlotRun, MapError> {
        if refs.is_empty() || refs.len() > PAGES_MAX {
            return Err(MapError::PageCount { offered: refs.len() });
        }
        if let Some(r) = repeated(refs) {
            return Err(MapError::RepeatedRef(r));
        }
        let first = self.free_run(refs.len()).ok_or(MapError::WindowFull { wanted: refs.len() })?;
        let mut outcomes = [Ok(MapHandle(0)); PAGES_MAX];
        let outcomes = &mut outcomes[..refs.len()];
        mapper.map_run(peer, refs, first as u32, outcomes);
        let mut refused = Ok(());
        for ((slot, &r), outcome) in self.slots.iter_mut().skip(first).zip(refs).zip(outcomes) {
            match *outcome {
                Ok(handle) => *slot = Slot::Mapped(handle),
                Err(why) => refused = Err(MapError::Refused { r, why }),
            }
        }
        let run = SlotRun { first, count: refs.len() };
        if let Err(refused) = refused {
            // If Xen refuses to unmap as well, stuck slots remain, which are counted and retried.
            // The result is the same.
            let _ = self.unmap(mapper, run);
            return Err(refused);
        }
        Ok(run)
    }

    /// Unmaps a run. Its pages must not be accessed afterwards, even if some are stuck.
    ///
    /// # Errors
    /// [`UnmapError`] if Xen refused any; the others are unmapped.
    pub fn unmap(&mut self, mapper: &mut impl Mapper, run: SlotRun) -> Result<(), UnmapError> {
        self.unmap_with(run, |mappings, outcomes| mapper.unmap_run(mappings, outcomes))
    }

    /// Like [`Self::unmap`], but unmaps by calling `undo`, which has the contract of
    /// [`Mapper::unmap_run`]. Calls it once, or not at all if nothing is mapped.
    ///
    /// # Errors
    /// [`UnmapError`] if Xen refused any; the others are unmapped.
    pub fn unmap_with(
        &mut self,
        run: SlotRun,
        undo: impl FnMut(&[Mapping], &mut [Result<(), UnmapRefused>]),
    ) -> Result<(), UnmapError> {
        self.release(undo, run.first, run.count, |slot| match slot {
            Slot::Mapped(handle) => Some(handle),
            Slot::Free | Slot::Stuck(_) => None,
        })
    }

    /// Tries again to unmap the stuck slots.
    ///
    /// # Errors
    /// [`UnmapError`] if some still are.
    pub fn sweep(&mut self, mapper: &mut impl Mapper) -> Result<(), UnmapError> {
        let undo = |mappings: &_, outcomes: &mut _| mapper.unmap_run(mappings, outcomes);
        self.release(undo, 0, self.slots.len(), |slot| match slot {
            Slot::Stuck(handle) => Some(handle),
            Slot::Free | Slot::Mapped(_) => None,
        })
    }

    /// Unmaps every slot, for an image that restarts all its endpoints.
    ///
    /// # Errors
    /// [`UnmapError`] if Xen refused any.
    pub fn unmap_all(&mut self, mapper: &mut impl Mapper) -> Result<(), UnmapError> {
        let undo = |mappings: &_, outcomes: &mut _| mapper.unmap_run(mappings, outcomes);
        self.release(undo, 0, self.slots.len(), |slot| match slot {
            Slot::Mapped(handle) | Slot::Stuck(handle) => Some(handle),
            Slot::Free => None,
        })
    }

    /// Frees every slot without unmapping. After a resume the old mappings no longer exist, and Xen
    /// may have reused their handles. Unmapping a run from before does nothing.
    pub fn forget(&mut self) {
        self.slots.fill(Slot::Free);
    }

    /// Number of slots that hold a mapping, including stuck ones.
    pub fn mapped(&self) -> usize {
        self.slots.iter().filter(|slot| **slot != Slot::Free).count()
    }

    /// Number of slots that Xen refused to unmap.
    pub fn stuck(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot, Slot::Stuck(_))).count()
    }

    fn release(
        &mut self,
        mut undo: impl FnMut(&[Mapping], &mut [Result<(), UnmapRefused>]),
        first: usize,
        count: usize,
        chosen: impl Fn(Slot) -> Option<MapHandle>,
    ) -> Result<(), UnmapError> {
        let mut result = Ok(());
        let mut stuck = 0;
        // A batch fits the arrays below.
        for (batch, slots) in self.slots[first..first + count].chunks_mut(PAGES_MAX).enumerate() {
            let base = first + batch * PAGES_MAX;
            let mut mappings = [Mapping { window_slot: 0, handle: MapHandle(0) }; PAGES_MAX];
            let mut used = 0;
            for (slot, window_slot) in slots.iter().zip(base as u32..) {
                if let Some(handle) = chosen(*slot) {
                    mappings[used] = Mapping { window_slot, handle };
                    used += 1;
                }
            }
            if used == 0 {
                continue;
            }
            let mut outcomes = [Ok(()); PAGES_MAX];
            undo(&mappings[..used], &mut outcomes[..used]);
            for (mapping, outcome) in mappings[..used].iter().zip(outcomes) {
                let slot = &mut slots[mapping.window_slot as usize - base];
                match outcome {
                    Ok(()) => *slot = Slot::Free,
                    Err(why) => {
                        stuck += 1;
                        *slot = Slot::Stuck(mapping.handle);
                        result = Err(UnmapError { stuck, why });
                    }
                }
            }
        }
        result
    }

    fn free_run(&self, wanted: usize) -> Option<usize> {
        self.slots.windows(wanted).position(|run| run.iter().all(|slot| *slot == Slot::Free))
    }
}

fn repeated(refs: &[GrantRef]) -> Option<GrantRef> {
    let mut rest = refs;
    while let Some((head, tail)) = rest.split_first() {
        if tail.contains(head) {
            return Some(*head);
        }
        rest = tail;
    }
    None
}
