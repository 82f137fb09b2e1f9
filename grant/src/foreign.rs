//! Which frames of the foreign window hold a mapping of a peer's page. Mapping at a frame that
//! already holds one makes Xen crash our domain, and a handle that is forgotten pins the peer's
//! page for ever; so slots and handles are kept here, by domain and not by connection, and outlive
//! any endpoint (docs/protocol.md §8, §11).

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;

use crate::layout::PAGES_MAX;
use crate::ports::{MapHandle, MapRefused, Mapper, Mapping, UnmapRefused};
use xen_types::{DomId, GrantRef};

/// What a slot of the window holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Free,
    /// Part of a run that is being mapped or was handed out.
    Mapped(MapHandle),
    /// Its owner has let go of it, but Xen refused to unmap: out of use, tried again.
    Stuck(MapHandle),
}

/// The window: guest frames without memory, where foreign pages can be mapped.
#[derive(Debug)]
pub struct Window {
    slots: Box<[Slot]>,
}

/// Consecutive slots that hold one connection's pages. Not `Clone`: whoever has it may unmap.
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

/// A peer's pages could not be mapped; none of them is.
///
/// Exhaustive on purpose: the channel maps each one to its own reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// The peer offered no page, or more than [`PAGES_MAX`].
    PageCount {
        /// How many it offered.
        offered: usize,
    },
    /// The peer offered the same reference twice.
    RepeatedRef(GrantRef),
    /// The peer's ring size does not follow from its number of pages.
    RingBytes {
        /// Bytes of each ring as offered.
        offered: u32,
        /// Bytes of each ring with so many pages.
        expected: u32,
    },
    /// Our window has no run of free slots long enough.
    WindowFull {
        /// Slots needed in a row.
        wanted: usize,
    },
    /// Xen refused one of the pages.
    Refused {
        /// Which one.
        r: GrantRef,
        /// What Xen said.
        why: MapRefused,
    },
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PageCount { offered } => {
                write!(f, "the peer offers {offered} pages, 1 to {PAGES_MAX} are possible")
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

/// Some pages could not be unmapped; their slots stay out of use until [`Window::sweep`] succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnmapError {
    /// How many.
    pub stuck: usize,
    /// What Xen said to the last of them.
    pub why: UnmapRefused,
}

impl fmt::Display for UnmapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pages stay mapped: {}", self.stuck, self.why)
    }
}

impl core::error::Error for UnmapError {}

impl Window {
    /// A window of `slots` frames without a mapping. This is the only allocation.
    pub fn new(slots: usize) -> Self {
        Self { slots: vec![Slot::Free; slots].into_boxed_slice() }
    }

    /// Maps all of a peer's pages into consecutive slots, or none.
    ///
    /// # Errors
    /// [`MapError`]: the offer is absurd, the window is full, or Xen refused.
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
            // What was mapped is undone. A refusal there leaves stuck slots, which are counted and
            // retried; the answer to the peer is the same.
            let _ = self.unmap(mapper, run);
            return Err(refused);
        }
        Ok(run)
    }

    /// Unmaps a run. Afterwards none of its pages may be touched, even if some are stuck.
    ///
    /// # Errors
    /// [`UnmapError`] if Xen refused any; the others are unmapped.
    pub fn unmap(&mut self, mapper: &mut impl Mapper, run: SlotRun) -> Result<(), UnmapError> {
        self.unmap_with(run, |mappings, outcomes| mapper.unmap_run(mappings, outcomes))
    }

    /// As [`Self::unmap`], by `undo`: as [`Mapper::unmap_run`], it undoes the mappings and leaves
    /// what came of each in the outcomes. It is called once, or not at all if nothing is mapped.
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

    /// Tries again to unmap what is stuck.
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

    /// Unmaps everything, whoever had it: for an image whose endpoints all start anew.
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

    /// Forgets everything without a word to Xen: after a resume the mappings are gone with the
    /// domain's former life, and their handles may be others' by now. Runs that were handed out
    /// are unmapped as if they were empty.
    pub fn forget(&mut self) {
        self.slots.fill(Slot::Free);
    }

    /// Slots that hold a mapping, stuck ones included.
    pub fn mapped(&self) -> usize {
        self.slots.iter().filter(|slot| **slot != Slot::Free).count()
    }

    /// Slots whose mapping Xen refused to undo.
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
        // As many at once as a connection has pages.
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
