//! The quarantine: pages that a peer maps are never reused, wait bounded, and come back by
//! revocation alone.

mod common;

use common::{World, freed, terms};
use grant::layout::front_line;
use grant::{
    FrontConnection, GrantError, GrantRef, Mapper, OpenRefusal, QuarantineState, SharedPages,
    StillMapped, TransferError,
};

#[test]
fn pages_that_the_peer_maps_come_back_only_when_it_lets_go() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 2);
    assert!(matches!(world.release(pair.front), Err(StillMapped { pages: 2 })));
    assert_eq!(pair.back.write(b"late"), Err(TransferError::Fenced));

    let nothing = |_: &mut _, _| panic!("still mapped");
    let state = world.quarantine.sweep(&mut world.table, nothing);
    let full = QuarantineState { sets: 1, pages: 2, freed: 0, reserved: 0, capacity: 2 };
    assert_eq!(state, full);

    world.unmap(pair.back);
    let mut back = vec![];
    let state = world.quarantine.sweep(&mut world.table, |_, set| back.push(set));
    let empty = QuarantineState { sets: 0, pages: 0, freed: 2, reserved: 0, capacity: 2 };
    assert_eq!(state, empty);
    assert_eq!(back.len(), 1);
    assert_eq!(back[0].frames(), [0x100, 0x101]);
    let mut all = [1; 2 * 4096];
    back[0].pages().copy_from(0, &mut all);
    assert_eq!(all, [0; 2 * 4096]);
    world.machine.assert_clean();
}

#[test]
fn each_reference_is_free_as_soon_as_its_own_page_is_unmapped() {
    let mut world = World::new();
    let set = world.pages(0x100, 2);
    let front = world.open(set, &terms(1));
    let refs: Vec<GrantRef> = front.refs().collect();
    let peer = world.front.domid();
    let handle = world.mapper.map(peer, refs[1], 0).expect("granted");
    assert!(matches!(world.release(front), Err(StillMapped { pages: 1 })));
    assert_eq!(world.front.granted(), 1);
    world.mapper.unmap(handle, 0).expect("mapped");
    let mut sets = 0;
    world.quarantine.sweep(&mut world.table, |_, _| sets += 1);
    assert_eq!(sets, 1);
    world.machine.assert_clean();
}

#[test]
fn pages_come_back_zeroed() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 1);
    assert_eq!(pair.front.write(b"secret"), Ok(6));
    let set = world.disconnect(pair);
    let mut all = [1; 4096];
    set.pages().copy_from(0, &mut all);
    assert_eq!(all, [0; 4096]);
    world.machine.assert_clean();
}

#[test]
fn a_full_quarantine_refuses_new_connections_by_name_and_recovers() {
    let mut world = World::new();
    let kept: Vec<_> = [0x100, 0x200]
        .map(|first| world.connect(first, 1))
        .map(|pair| {
            assert!(matches!(world.release(pair.front), Err(StillMapped { pages: 1 })));
            pair.back
        })
        .into();
    let set = world.pages(0x300, 1);
    let peer = world.back.domid();
    let (table, quarantine) = (&mut world.table, &mut world.quarantine);
    let refused = FrontConnection::open(set, peer, &terms(3), table, quarantine);
    let refused = refused.expect_err("the quarantine is full");
    assert_eq!(refused.why, OpenRefusal::QuarantineFull);
    let set = refused.set.expect("pages that were not granted come back");

    for back in kept {
        world.unmap(back);
    }
    let mut sets = 0;
    world.quarantine.sweep(&mut world.table, |_, _| sets += 1);
    assert_eq!(sets, 2);
    let front = world.open(set, &terms(3));
    freed(world.release(front));
    world.machine.assert_clean();
}

#[test]
fn open_connections_reserve_their_place_in_the_quarantine() {
    let mut world = World::new();
    let first = world.connect(0x100, 1);
    let second = world.connect(0x200, 1);
    let set = world.pages(0x300, 1);
    let peer = world.back.domid();
    let (table, quarantine) = (&mut world.table, &mut world.quarantine);
    let refused = FrontConnection::open(set, peer, &terms(3), table, quarantine);
    assert_eq!(refused.expect_err("two are open").why, OpenRefusal::QuarantineFull);
    assert!(matches!(world.release(first.front), Err(StillMapped { .. })));
    assert!(matches!(world.release(second.front), Err(StillMapped { .. })));
    world.unmap(first.back);
    world.unmap(second.back);
    world.quarantine.sweep(&mut world.table, |_, set| drop(set));
    assert_eq!(world.quarantine.state().reserved, 0);
    world.machine.assert_clean();
}

#[test]
fn running_out_of_references_rolls_back() {
    // Eleven entries, eight of them reserved: three for a set of four pages.
    let mut world = World::with_entries(11);
    let set = world.pages(0x100, 4);
    let peer = world.back.domid();
    let (table, quarantine) = (&mut world.table, &mut world.quarantine);
    let refused = FrontConnection::open(set, peer, &terms(1), table, quarantine);
    let refused = refused.expect_err("a reference is missing");
    assert_eq!(refused.why, OpenRefusal::Grant(GrantError::Exhausted { entries: 11 }));
    assert_eq!(refused.set.expect("nobody mapped them").frames().len(), 4);
    assert_eq!(world.quarantine.state().reserved, 0);
    world.machine.assert_clean();
}

/// Grant entries whose peer guesses references: it maps each as soon as it is valid.
#[derive(Clone)]
struct Guessed {
    entries: grant::fake::FakeEntries,
    mapper: grant::fake::FakeMapper,
    victim: grant::DomId,
}

impl grant::GrantEntries for Guessed {
    fn entries(&self) -> u32 {
        self.entries.entries()
    }
    fn flags(&self, r: GrantRef) -> u16 {
        self.entries.flags(r)
    }
    fn write(&mut self, r: GrantRef, domid: grant::DomId, frame: u32) {
        self.entries.write(r, domid, frame);
    }
    fn set_flags(&mut self, r: GrantRef, flags: u16) {
        self.entries.set_flags(r, flags);
        self.mapper.map(self.victim, r, r.0).expect("just granted");
    }
    fn compare_exchange_flags(&mut self, r: GrantRef, current: u16, new: u16) -> Result<u16, u16> {
        self.entries.compare_exchange_flags(r, current, new)
    }
}

#[test]
fn a_rollback_quarantines_pages_that_a_guessing_peer_has_mapped() {
    let mut world = World::with_entries(10);
    let set = world.pages(0x100, 3);
    let view = set.pages().clone();
    let peer = world.back.domid();
    let mut table = grant::GrantTable::new(Guessed {
        entries: world.front.entries(),
        mapper: world.mapper.clone(),
        victim: world.front.domid(),
    });
    let refused = FrontConnection::open(set, peer, &terms(1), &mut table, &mut world.quarantine);
    assert!(refused.expect_err("a reference is missing").set.is_none());
    let state = world.quarantine.state();
    assert_eq!((state.sets, state.pages, state.reserved), (1, 2, 0));
    let fence = [0, 4].map(|half| view.load_u32(front_line::FENCE + half));
    assert_eq!(fence, [0, 0], "what the guesser maps is closed");
    world.back.destroy();
    let mut sets = 0;
    world.quarantine.sweep(&mut table, |_, _| sets += 1);
    assert_eq!(sets, 1);
    world.machine.assert_clean();
}
