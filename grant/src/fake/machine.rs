//! State of the fakes: frames, domains, grant entries and mappings, and Xen's rules for them.
//! Domains are identified by their incarnation, because domids are reused.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

use xen_types::{DomId, GrantRef};

use crate::entry::{GrantFlags, GrantStatus, RESERVED_REFS};
use crate::layout::PAGE_BYTES;
use crate::ports::{MapHandle, MapRefused, UnmapRefused};

/// A host with any number of domains, alive or dead.
#[derive(Clone, Debug, Default)]
pub struct FakeMachine(pub(super) Rc<RefCell<State>>);

/// Index of one incarnation of a domain.
pub(super) type Life = usize;

#[derive(Debug, Default)]
pub(super) struct State {
    frames: Vec<Box<[u8; PAGE_BYTES]>>,
    lives: Vec<Domain>,
    next_handle: u32,
    barriers: u64,
}

#[derive(Debug)]
struct Domain {
    domid: DomId,
    alive: bool,
    /// Guest frame number to index in [`State::frames`].
    memory: BTreeMap<u32, usize>,
    entries: Vec<Entry>,
    /// The foreign window by slot.
    window: BTreeMap<u32, Mapping>,
    double_maps_allowed: bool,
    refused_maps: Vec<Option<MapRefused>>,
    refused_unmaps: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    flags: GrantFlags,
    domid: DomId,
    frame: u32,
    pins: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Mapping {
    handle: MapHandle,
    granter: Life,
    r: GrantRef,
    frame: usize,
}

impl FakeMachine {
    /// A machine without domains.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of full barriers that all views together have executed.
    pub fn barriers(&self) -> u64 {
        self.0.borrow().barriers
    }

    /// Checks that no domain leaks mappings or grants.
    ///
    /// # Panics
    /// If a domain, alive or dead, maps a page, or a living domain grants one.
    #[track_caller]
    pub fn assert_clean(&self) {
        for domain in &self.0.borrow().lives {
            assert!(domain.window.is_empty(), "domain {} leaks mappings", domain.domid.0);
            let granted = domain.granted();
            assert!(!domain.alive || granted == 0, "domain {} leaks grants", domain.domid.0);
        }
    }
}

impl Domain {
    fn granted(&self) -> usize {
        let own = self.entries.iter().skip(RESERVED_REFS as usize);
        own.filter(|entry| !entry.flags.is_free()).count()
    }
}

impl State {
    /// Starts a domain's life with an empty grant table of `entries` entries.
    pub(super) fn create(&mut self, domid: DomId, entries: u32) -> Life {
        assert!(self.living(domid).is_none(), "domain {} lives already", domid.0);
        let free = Entry { flags: GrantFlags::INVALID, domid: DomId(0), frame: 0, pins: 0 };
        let reserved = GrantFlags::PERMIT_ACCESS;
        let entries = (0..entries)
            .map(|r| if r < 2 { Entry { flags: reserved, ..free } } else { free })
            .collect();
        self.lives.push(Domain {
            domid,
            alive: true,
            memory: BTreeMap::new(),
            entries,
            window: BTreeMap::new(),
            double_maps_allowed: false,
            refused_maps: vec![],
            refused_unmaps: 0,
        });
        self.lives.len() - 1
    }

    fn living(&self, domid: DomId) -> Option<Life> {
        self.lives.iter().position(|domain| domain.alive && domain.domid == domid)
    }

    #[track_caller]
    fn domain(&self, life: Life) -> &Domain {
        let domain = &self.lives[life];
        assert!(domain.alive, "dead domain {} acts", domain.domid.0);
        domain
    }

    #[track_caller]
    fn domain_mut(&mut self, life: Life) -> &mut Domain {
        let domain = &mut self.lives[life];
        assert!(domain.alive, "dead domain {} acts", domain.domid.0);
        domain
    }

    pub(super) fn is_alive(&self, life: Life) -> bool {
        self.lives[life].alive
    }

    pub(super) fn domid(&self, life: Life) -> DomId {
        self.lives[life].domid
    }

    pub(super) fn count_barrier(&mut self) {
        self.barriers += 1;
    }

    /// Ends an incarnation: Xen removes its mappings; its granted pages stay valid for mappers.
    pub(super) fn destroy(&mut self, life: Life) {
        self.domain_mut(life).alive = false;
        let window = core::mem::take(&mut self.lives[life].window);
        for mapping in window.into_values() {
            self.unpin(mapping.granter, mapping.r);
        }
    }

    pub(super) fn add_memory(&mut self, life: Life, frame: u32) {
        let index = self.frames.len();
        let fresh = self.domain_mut(life).memory.insert(frame, index).is_none();
        assert!(fresh, "frame {frame:#x} was added already");
        // Not zero, so that tests notice a page that was not zeroed.
        self.frames.push(Box::new([0xa5; PAGE_BYTES]));
    }

    #[track_caller]
    pub(super) fn own_frame(&self, life: Life, frame: u32) -> usize {
        let found = self.domain(life).memory.get(&frame);
        *found.unwrap_or_else(|| panic!("frame {frame:#x} is not memory"))
    }

    pub(super) fn is_mapped(&self, frame: usize) -> bool {
        let mut mappings = self.lives.iter().flat_map(|domain| domain.window.values());
        mappings.any(|mapping| mapping.frame == frame)
    }

    #[track_caller]
    pub(super) fn slot(&self, life: Life, slot: u32) -> MapHandle {
        let found = self.domain(life).window.get(&slot);
        found.unwrap_or_else(|| panic!("slot {slot} holds no mapping")).handle
    }

    #[track_caller]
    pub(super) fn mapped_frame(&self, life: Life, slot: u32, handle: MapHandle) -> usize {
        let found = self.domain(life).window.get(&slot);
        let valid = found.filter(|mapping| mapping.handle == handle);
        valid.unwrap_or_else(|| panic!("slot {slot} is used after it was unmapped")).frame
    }

    pub(super) fn frame(&self, frame: usize) -> &[u8; PAGE_BYTES] {
        &self.frames[frame]
    }

    pub(super) fn frame_mut(&mut self, frame: usize) -> &mut [u8; PAGE_BYTES] {
        &mut self.frames[frame]
    }

    pub(super) fn mappings(&self, life: Life) -> usize {
        self.lives[life].window.len()
    }

    pub(super) fn granted(&self, life: Life) -> usize {
        self.lives[life].granted()
    }

    pub(super) fn allow_double_maps(&mut self, life: Life) {
        self.domain_mut(life).double_maps_allowed = true;
    }

    pub(super) fn refuse_map_after(&mut self, life: Life, good: usize, why: MapRefused) {
        let plan = &mut self.domain_mut(life).refused_maps;
        plan.clear();
        plan.push(Some(why));
        plan.extend(core::iter::repeat_n(None, good));
    }

    pub(super) fn refuse_unmaps(&mut self, life: Life, count: usize) {
        self.domain_mut(life).refused_unmaps = count;
    }

    pub(super) fn entries(&self, life: Life) -> u32 {
        self.domain(life).entries.len() as u32
    }

    pub(super) fn flags(&self, life: Life, r: GrantRef) -> GrantFlags {
        self.domain(life).entries[r.0 as usize].flags
    }

    #[track_caller]
    fn own_entry(&mut self, life: Life, r: GrantRef) -> &mut Entry {
        assert!(r.0 >= RESERVED_REFS, "reserved entry {} is written", r.0);
        &mut self.domain_mut(life).entries[r.0 as usize]
    }

    #[track_caller]
    pub(super) fn write_entry(&mut self, life: Life, r: GrantRef, domid: DomId, frame: u32) {
        let memory = self.own_frame(life, frame);
        assert!(!self.is_mapped(memory), "frame {frame:#x} is granted again while mapped");
        let entry = self.own_entry(life, r);
        assert!(entry.flags.is_free(), "entry {} is changed while valid", r.0);
        (entry.domid, entry.frame) = (domid, frame);
    }

    #[track_caller]
    pub(super) fn set_flags(&mut self, life: Life, r: GrantRef, flags: GrantFlags) {
        let entry = self.own_entry(life, r);
        assert!(entry.flags.is_free(), "entry {} is ended by a plain store (XSA-396)", r.0);
        assert!(flags == GrantFlags::PERMIT_ACCESS, "flags {:#x} are not ours to set", flags.0);
        entry.flags = flags;
    }

    #[track_caller]
    pub(super) fn exchange_flags(
        &mut self,
        life: Life,
        r: GrantRef,
        current: GrantFlags,
        new: GrantFlags,
    ) -> Result<GrantFlags, GrantFlags> {
        let entry = self.own_entry(life, r);
        if entry.flags != current {
            return Err(entry.flags);
        }
        assert!(entry.pins == 0, "entry {} is changed while mapped", r.0);
        entry.flags = new;
        Ok(current)
    }

    pub(super) fn map(
        &mut self,
        life: Life,
        peer: DomId,
        r: GrantRef,
        slot: u32,
    ) -> Result<MapHandle, MapRefused> {
        let mapper = self.domain_mut(life);
        let (domid, double) = (mapper.domid, mapper.double_maps_allowed);
        assert!(!mapper.window.contains_key(&slot), "slot {slot} is mapped twice: domain crash");
        if let Some(Some(why)) = mapper.refused_maps.pop() {
            return Err(why);
        }
        let refused = |status| Err(MapRefused::Status(status));
        let Some(granter) = self.living(peer) else { return refused(GrantStatus::BAD_DOMAIN) };
        let held = self.domain(life).window.values();
        let again = held.clone().any(|mapping| mapping.granter == granter && mapping.r == r);
        assert!(double || !again, "reference {} is mapped twice", r.0);
        let granter_state = &mut self.lives[granter];
        let Some(entry) = granter_state.entries.get_mut(r.0 as usize) else {
            return refused(GrantStatus::BAD_REF);
        };
        if entry.flags.is_free() || entry.domid != domid {
            return refused(GrantStatus::GENERAL_ERROR);
        }
        let Some(&frame) = granter_state.memory.get(&entry.frame) else {
            return refused(GrantStatus::BAD_PAGE);
        };
        entry.pins += 1;
        entry.flags.0 |= GrantFlags::READING.0 | GrantFlags::WRITING.0;
        let handle = MapHandle(self.next_handle);
        self.next_handle += 1;
        self.lives[life].window.insert(slot, Mapping { handle, granter, r, frame });
        Ok(handle)
    }

    #[track_caller]
    pub(super) fn unmap(
        &mut self,
        life: Life,
        handle: MapHandle,
        slot: u32,
    ) -> Result<(), UnmapRefused> {
        let mapper = self.domain_mut(life);
        let mapping = mapper.window.get(&slot).copied().filter(|held| held.handle == handle);
        let mapping = mapping.unwrap_or_else(|| panic!("slot {slot} is unmapped, but not mapped"));
        if mapper.refused_unmaps > 0 {
            mapper.refused_unmaps -= 1;
            return Err(UnmapRefused::Status(GrantStatus::GENERAL_ERROR));
        }
        mapper.window.remove(&slot);
        self.unpin(mapping.granter, mapping.r);
        Ok(())
    }

    fn unpin(&mut self, granter: Life, r: GrantRef) {
        let entry = &mut self.lives[granter].entries[r.0 as usize];
        entry.pins -= 1;
        if entry.pins == 0 {
            entry.flags.0 &= !(GrantFlags::READING.0 | GrantFlags::WRITING.0);
        }
    }
}
