//! Grant entries and foreign mappings, by the rules of Xen and a few stricter ones (invariant I1).
//!
//! An entry is changed with its flags invalid or by compare-exchange, or not at all while somebody
//! maps its page; a page that is mapped is neither granted anew nor written as if it were free.

use core::cell::{Cell, RefCell};
use std::rc::Rc;

use grant::{
    DomId, GrantEntries, GrantFlags, GrantRef, GrantStatus, MapHandle, MapRefused, Mapper,
    UnmapRefused,
};

use super::pages::SimPages;
use super::{Being, Frame, GRANT_ENTRIES, Life, Mapping, State, Xen};

/// A domain's own grant table.
#[derive(Clone, Debug)]
pub struct Entries {
    xen: Xen,
    life: Life,
}

/// A domain's window for foreign pages.
#[derive(Debug)]
pub struct WindowMapper {
    xen: Xen,
    life: Life,
    switchboard: Switchboard,
    /// A fault: Xen refuses the next map, or unmap, once.
    refuse_map: bool,
    refuse_unmap: bool,
}

/// On while the view that shares it may be used.
type Switch = Rc<Cell<bool>>;

/// What makes the views of mapped slots unusable, slot by slot. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Switchboard {
    xen: Xen,
    life: Life,
    switches: Rc<RefCell<Vec<Option<Switch>>>>,
}

/// Which operation of a window fails once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapFailure {
    /// The next map.
    Map,
    /// The next unmap.
    Unmap,
}

impl Xen {
    /// The grant table of a domain.
    pub fn entries(&self, life: Life) -> Entries {
        Entries { xen: self.clone(), life }
    }

    /// The window of a domain.
    pub fn window(&self, life: Life) -> WindowMapper {
        let switches = Rc::new(RefCell::new(vec![None; self.sizes().slots]));
        let switchboard = Switchboard { xen: self.clone(), life, switches };
        WindowMapper {
            xen: self.clone(),
            life,
            switchboard,
            refuse_map: false,
            refuse_unmap: false,
        }
    }

    /// A view of a domain's own pages, by guest frame number.
    pub fn own_pages(&self, life: Life, frames: &[u32]) -> SimPages {
        let state = self.0.borrow();
        let page = |frame: &u32| state.frames[state.machine_frame(life, *frame)].page.clone();
        SimPages::new(frames.iter().map(page).collect())
    }

    /// Checks that a domain may use its own pages afresh: nobody maps them (invariant I1).
    ///
    /// # Panics
    /// If somebody does.
    pub fn assert_unmapped(&self, life: Life, frames: &[u32]) {
        let state = self.0.borrow();
        for frame in frames {
            let frame = &state.frames[state.machine_frame(life, *frame)];
            assert!(frame.mapped == 0, "I1: a page is used afresh while somebody maps it");
        }
    }

    /// How many mappings show pages of a domain.
    pub fn mapped_pages(&self, life: Life) -> u32 {
        let state = self.0.borrow();
        state.frames.iter().filter(|frame| frame.owner == life).map(|frame| frame.mapped).sum()
    }
}

impl State {
    fn machine_frame(&self, life: Life, frame: u32) -> usize {
        self.domains[life.0].memory[frame as usize - 1]
    }

    /// Maps a peer's page into a slot of the window.
    fn map(
        &mut self,
        life: Life,
        peer: u16,
        reference: u32,
        slot: usize,
    ) -> Result<u32, GrantStatus> {
        assert!(
            self.domains[life.0].window[slot].is_none(),
            "a frame of the window is mapped twice: Xen would crash the domain"
        );
        let own = self.domains[life.0].domid;
        let granter = self.alive(peer).ok_or(GrantStatus::BAD_DOMAIN)?;
        let entries = &mut self.domains[granter.0].entries;
        let entry = entries.get_mut(reference as usize).ok_or(GrantStatus::BAD_REF)?;
        let permitted = entry.flags & GrantFlags::PERMIT_ACCESS.0 != 0 && entry.domain == own;
        if !permitted {
            return Err(GrantStatus::GENERAL_ERROR);
        }
        entry.flags |= GrantFlags::READING.0 | GrantFlags::WRITING.0;
        entry.pins += 1;
        assert!(entry.pins == 1, "the same grant is mapped twice at once");
        let frame = entry.frame;
        let frame = self.machine_frame(granter, frame);
        self.frames[frame].mapped += 1;
        self.next_handle += 1;
        let handle = self.next_handle;
        self.domains[life.0].window[slot] = Some(Mapping { handle, granter, reference, frame });
        self.counts.maps += 1;
        Ok(handle)
    }

    /// Undoes the mapping in a slot, if there is one.
    pub(super) fn unmap(&mut self, life: Life, slot: usize) {
        let Some(mapping) = self.domains[life.0].window[slot].take() else { return };
        self.frames[mapping.frame].mapped -= 1;
        let entry = &mut self.domains[mapping.granter.0].entries[mapping.reference as usize];
        entry.pins -= 1;
        if entry.pins == 0 {
            entry.flags &= !(GrantFlags::READING.0 | GrantFlags::WRITING.0);
        }
        self.reap(mapping.granter);
    }

    fn frame_of(&self, life: Life, frame: u32) -> &Frame {
        &self.frames[self.machine_frame(life, frame)]
    }
}

impl Entries {
    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.xen.0.borrow_mut();
        assert!(state.domains[self.life.0].being == Being::Alive, "a dead domain grants");
        work(&mut state)
    }
}

impl GrantEntries for Entries {
    fn entries(&self) -> u32 {
        GRANT_ENTRIES
    }

    fn flags(&self, r: GrantRef) -> u16 {
        self.with(|state| state.domains[self.life.0].entries[r.0 as usize].flags)
    }

    fn write(&mut self, r: GrantRef, domid: DomId, frame: u32) {
        let life = self.life;
        self.with(|state| {
            assert!(state.frame_of(life, frame).mapped == 0, "I1: a mapped page is granted anew");
            let entry = &mut state.domains[life.0].entries[r.0 as usize];
            assert!(entry.flags == 0, "I1: a grant in use is written over");
            entry.domain = domid.0;
            entry.frame = frame;
        });
    }

    fn set_flags(&mut self, r: GrantRef, flags: u16) {
        let life = self.life;
        self.with(|state| {
            let entry = &mut state.domains[life.0].entries[r.0 as usize];
            assert!(entry.flags == 0, "I1: a grant's flags are set without a look at them");
            entry.flags = flags;
        });
    }

    fn compare_exchange_flags(&mut self, r: GrantRef, current: u16, new: u16) -> Result<u16, u16> {
        let life = self.life;
        self.with(|state| {
            let entry = &mut state.domains[life.0].entries[r.0 as usize];
            if entry.flags != current {
                return Err(entry.flags);
            }
            assert!(entry.pins == 0, "I1: a grant is taken away while somebody maps the page");
            entry.flags = new;
            Ok(current)
        })
    }
}

impl WindowMapper {
    /// Makes the next operation of a kind fail once.
    pub fn fail_next(&mut self, failure: MapFailure) {
        match failure {
            MapFailure::Map => self.refuse_map = true,
            MapFailure::Unmap => self.refuse_unmap = true,
        }
    }

    /// What makes views of this window.
    pub fn switchboard(&self) -> Switchboard {
        self.switchboard.clone()
    }
}

impl Switchboard {
    /// A view of `count` slots from `first` on, all of them mapped.
    pub fn view(&self, first: usize, count: usize) -> SimPages {
        let state = self.xen.0.borrow();
        let window = &state.domains[self.life.0].window;
        let pages = (first..first + count).map(|slot| {
            let mapping = window[slot].as_ref().expect("just mapped");
            state.frames[mapping.frame].page.clone()
        });
        let view = SimPages::new(pages.collect());
        drop(state);
        for switch in &mut self.switches.borrow_mut()[first..first + count] {
            *switch = Some(view.switch());
        }
        view
    }
}

impl Mapper for WindowMapper {
    fn map(&mut self, peer: DomId, r: GrantRef, window_slot: u32) -> Result<MapHandle, MapRefused> {
        let mut state = self.xen.0.borrow_mut();
        assert!(state.domains[self.life.0].being == Being::Alive, "a dead domain maps");
        let mapped = if core::mem::take(&mut self.refuse_map) {
            Err(GrantStatus::GENERAL_ERROR)
        } else {
            state.map(self.life, peer.0, r.0, window_slot as usize)
        };
        match mapped {
            Ok(handle) => Ok(MapHandle(handle)),
            Err(status) => {
                state.counts.maps_refused += 1;
                Err(MapRefused::Status(status))
            }
        }
    }

    fn unmap(&mut self, handle: MapHandle, window_slot: u32) -> Result<(), UnmapRefused> {
        let slot = window_slot as usize;
        let mut state = self.xen.0.borrow_mut();
        assert!(state.domains[self.life.0].being == Being::Alive, "a dead domain unmaps");
        let mapping = state.domains[self.life.0].window[slot].as_ref();
        let mapping = mapping.expect("a slot is unmapped that holds nothing");
        assert!(mapping.handle == handle.0, "a mapping is undone by another one's handle");
        // Even if Xen refuses, nobody may touch the pages any more.
        if let Some(switch) = self.switchboard.switches.borrow_mut()[slot].take() {
            switch.set(false);
        }
        if core::mem::take(&mut self.refuse_unmap) {
            return Err(UnmapRefused::Status(GrantStatus::BAD_HANDLE));
        }
        state.unmap(self.life, slot);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use grant::SharedPages;

    use super::super::Sizes;
    use super::*;

    fn pair() -> (Xen, Life, Life) {
        let xen = Xen::new(Sizes::FEW);
        let front = xen.create(1);
        let back = xen.create(2);
        (xen, front, back)
    }

    fn granted(xen: &Xen, front: Life) -> Entries {
        let frame = xen.allocate(front);
        let mut entries = xen.entries(front);
        entries.write(GrantRef(8), DomId(2), frame);
        entries.set_flags(GrantRef(8), GrantFlags::PERMIT_ACCESS.0);
        entries
    }

    #[test]
    fn a_mapped_page_is_the_granters_and_pins_the_entry() {
        let (xen, front, back) = pair();
        let mut entries = granted(&xen, front);
        let mut window = xen.window(back);
        let handle = window.map(DomId(1), GrantRef(8), 3).expect("granted");
        let view = window.switchboard().view(3, 1);
        view.store_u32(0, 7);
        assert_eq!(xen.own_pages(front, &[1]).load_u32(0), 7);
        let flags = entries.flags(GrantRef(8));
        assert!(GrantFlags(flags).in_use());
        assert_eq!(entries.compare_exchange_flags(GrantRef(8), 1, 0), Err(flags));
        window.unmap(handle, 3).expect("mapped");
        assert_eq!(entries.compare_exchange_flags(GrantRef(8), 1, 0), Ok(1));
        assert_eq!(xen.holdings(front).grants, 0);
        assert_eq!(xen.holdings(back).mappings, 0);
    }

    #[test]
    #[should_panic(expected = "I2")]
    fn a_view_is_dead_after_the_unmap() {
        let (xen, front, back) = pair();
        let _entries = granted(&xen, front);
        let mut window = xen.window(back);
        let handle = window.map(DomId(1), GrantRef(8), 0).expect("granted");
        let view = window.switchboard().view(0, 1);
        window.unmap(handle, 0).expect("mapped");
        view.load_u32(0);
    }

    #[test]
    #[should_panic(expected = "I1")]
    fn a_mapped_page_is_not_granted_anew() {
        let (xen, front, back) = pair();
        let mut entries = granted(&xen, front);
        xen.window(back).map(DomId(1), GrantRef(8), 0).expect("granted");
        entries.write(GrantRef(9), DomId(2), 1);
    }

    #[test]
    fn a_dead_domain_keeps_its_number_while_somebody_maps_its_pages() {
        let (xen, front, back) = pair();
        granted(&xen, front);
        let mut window = xen.window(back);
        let handle = window.map(DomId(1), GrantRef(8), 0).expect("granted");
        xen.destroy(front);
        xen.finish(front);
        assert!(!xen.is_free(1));
        window.unmap(handle, 0).expect("mapped");
        assert!(xen.is_free(1));
        let refused = window.map(DomId(1), GrantRef(8), 0);
        assert_eq!(refused, Err(MapRefused::Status(GrantStatus::BAD_DOMAIN)));
    }

    #[test]
    fn what_a_dead_domain_mapped_stays_mapped_until_xen_has_finished() {
        let (xen, front, back) = pair();
        let mut entries = granted(&xen, front);
        xen.window(back).map(DomId(1), GrantRef(8), 0).expect("granted");
        xen.destroy(back);
        assert!(entries.compare_exchange_flags(GrantRef(8), 1, 0).is_err());
        assert_eq!(xen.mapped_pages(front), 1);
        xen.finish(back);
        assert_eq!(entries.compare_exchange_flags(GrantRef(8), 1, 0), Ok(1));
    }
}
