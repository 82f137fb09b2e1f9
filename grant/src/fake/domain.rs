//! One incarnation of a fake domain: its memory, and the ports for the code under test.

use alloc::vec::Vec;

use super::machine::{FakeMachine, Life};
use super::pages::FakePages;
use xen_types::{DomId, GrantRef};

use crate::entry::GrantFlags;
use crate::foreign::SlotRun;
use crate::layout::PAGES_MAX;
use crate::page_set::PageSet;
use crate::ports::{GrantEntries, MapHandle, MapRefused, Mapper, UnmapRefused};

/// Handle of one incarnation of a domain. Using it after [`Self::destroy`] panics.
#[derive(Clone, Debug)]
pub struct FakeDomain {
    machine: FakeMachine,
    life: Life,
}

/// A domain's grant entries.
#[derive(Clone, Debug)]
pub struct FakeEntries(FakeDomain);

/// A domain's map operations.
#[derive(Clone, Debug)]
pub struct FakeMapper(FakeDomain);

impl FakeMachine {
    /// Starts a domain with an empty grant table of `entries` entries.
    ///
    /// # Panics
    /// If a living domain has this domid.
    pub fn create(&self, domid: DomId, entries: u32) -> FakeDomain {
        let life = self.0.borrow_mut().create(domid, entries);
        FakeDomain { machine: self.clone(), life }
    }
}

impl FakeDomain {
    /// The domain's number.
    pub fn domid(&self) -> DomId {
        self.machine.0.borrow().domid(self.life)
    }

    /// Whether the domain is alive.
    pub fn is_alive(&self) -> bool {
        self.machine.0.borrow().is_alive(self.life)
    }

    /// Destroys the domain: Xen removes its mappings; pages that others map stay valid for them.
    ///
    /// # Panics
    /// If it is dead.
    pub fn destroy(&self) {
        self.machine.0.borrow_mut().destroy(self.life);
    }

    /// Its grant entries.
    pub fn entries(&self) -> FakeEntries {
        FakeEntries(self.clone())
    }

    /// Its map operations.
    pub fn mapper(&self) -> FakeMapper {
        FakeMapper(self.clone())
    }

    /// Gives the domain fresh memory at these guest frames, filled with garbage.
    ///
    /// # Panics
    /// If one of them is already memory, or the number of frames is not in `1..=PAGES_MAX`.
    pub fn page_set(&self, frames: &[u32]) -> PageSet<FakePages> {
        for &frame in frames {
            self.machine.0.borrow_mut().add_memory(self.life, frame);
        }
        let mut padded = [0; PAGES_MAX];
        padded[..frames.len()].copy_from_slice(frames);
        PageSet::new(self.own_pages(frames), padded)
    }

    /// A view of own memory.
    pub fn own_pages(&self, frames: &[u32]) -> FakePages {
        FakePages::own(self.machine.clone(), self.life, frames)
    }

    /// A view of the pages that the window's slots hold now. It must not be used after a slot is
    /// unmapped, even if the slot holds another page by then.
    ///
    /// # Panics
    /// If a slot is empty.
    pub fn window_pages(&self, run: &SlotRun) -> FakePages {
        let slots: Vec<u32> = (run.first()..).take(run.count()).collect();
        FakePages::mapped(self.machine.clone(), self.life, &slots)
    }

    /// Number of foreign pages that the domain maps.
    pub fn mappings(&self) -> usize {
        self.machine.0.borrow().mappings(self.life)
    }

    /// Number of the domain's active grants.
    pub fn granted(&self) -> usize {
        self.machine.0.borrow().granted(self.life)
    }

    /// Permits mapping a reference twice, as Xen does. A hostile peer that offers a reference twice
    /// can make a correct domain do so.
    pub fn allow_double_maps(&self) {
        self.machine.0.borrow_mut().allow_double_maps(self.life);
    }

    /// Lets `good` more maps pass, then refuses one.
    pub fn refuse_map_after(&self, good: usize, why: MapRefused) {
        self.machine.0.borrow_mut().refuse_map_after(self.life, good, why);
    }

    /// Refuses the next `count` unmaps.
    pub fn refuse_unmaps(&self, count: usize) {
        self.machine.0.borrow_mut().refuse_unmaps(self.life, count);
    }
}

impl GrantEntries for FakeEntries {
    fn entries(&self) -> u32 {
        self.0.machine.0.borrow().entries(self.0.life)
    }

    fn flags(&self, r: GrantRef) -> u16 {
        self.0.machine.0.borrow().flags(self.0.life, r).0
    }

    #[track_caller]
    fn write(&mut self, r: GrantRef, domid: DomId, frame: u32) {
        self.0.machine.0.borrow_mut().write_entry(self.0.life, r, domid, frame);
    }

    #[track_caller]
    fn set_flags(&mut self, r: GrantRef, flags: u16) {
        self.0.machine.0.borrow_mut().set_flags(self.0.life, r, GrantFlags(flags));
    }

    #[track_caller]
    fn compare_exchange_flags(&mut self, r: GrantRef, current: u16, new: u16) -> Result<u16, u16> {
        let (current, new) = (GrantFlags(current), GrantFlags(new));
        let mut state = self.0.machine.0.borrow_mut();
        let outcome = state.exchange_flags(self.0.life, r, current, new);
        outcome.map(|flags| flags.0).map_err(|flags| flags.0)
    }
}

impl Mapper for FakeMapper {
    fn map(&mut self, peer: DomId, r: GrantRef, window_slot: u32) -> Result<MapHandle, MapRefused> {
        self.0.machine.0.borrow_mut().map(self.0.life, peer, r, window_slot)
    }

    #[track_caller]
    fn unmap(&mut self, handle: MapHandle, window_slot: u32) -> Result<(), UnmapRefused> {
        self.0.machine.0.borrow_mut().unmap(self.0.life, handle, window_slot)
    }
}
