//! Making and ending grants: which entries are used, in what order things are stored, and that a
//! grant in use is never ended, however the flags move meanwhile.

mod common;

use core::cell::Cell;

use common::World;
use grant::{
    DomId, EndError, GrantEntries, GrantError, GrantFlags, GrantRef, GrantTable, Mapper,
    RESERVED_REFS,
};

const PERMIT: u16 = GrantFlags::PERMIT_ACCESS.0;
const IN_USE: u16 = PERMIT | GrantFlags::READING.0 | GrantFlags::WRITING.0;

/// One entry whose flags Xen moves under the hands of whoever ends it.
struct Restless {
    flags: Vec<Cell<u16>>,
    /// What the flags become just before each compare-exchange, last one first.
    moves: Vec<u16>,
    exchanges: u32,
    log: Vec<&'static str>,
}

impl Restless {
    fn granted(moves: &[u16]) -> Self {
        let flags = (0..10).map(|r| Cell::new(if r == 8 { PERMIT } else { 0 })).collect();
        Self { flags, moves: moves.iter().rev().copied().collect(), exchanges: 0, log: vec![] }
    }
}

impl GrantEntries for &mut Restless {
    fn entries(&self) -> u32 {
        self.flags.len() as u32
    }

    fn flags(&self, r: GrantRef) -> u16 {
        self.flags[r.0 as usize].get()
    }

    fn write(&mut self, _: GrantRef, _: DomId, _: u32) {
        self.log.push("domain and frame");
    }

    fn set_flags(&mut self, r: GrantRef, flags: u16) {
        self.log.push("flags");
        self.flags[r.0 as usize].set(flags);
    }

    fn compare_exchange_flags(&mut self, r: GrantRef, current: u16, new: u16) -> Result<u16, u16> {
        self.exchanges += 1;
        let entry = &self.flags[r.0 as usize];
        if let Some(moved) = self.moves.pop() {
            entry.set(moved);
        }
        if entry.get() != current {
            return Err(entry.get());
        }
        entry.set(new);
        Ok(current)
    }
}

#[test]
fn domain_and_frame_are_stored_before_the_flags() {
    let mut entries = Restless::granted(&[]);
    let r = GrantTable::new(&mut entries).grant_frame(DomId(5), 0x100);
    assert_eq!(r, Ok(GrantRef(9)));
    assert_eq!(entries.log, ["domain and frame", "flags"]);
}

#[test]
fn reserved_entries_are_never_given_and_every_other_one_is() {
    let mut world = World::with_entries(20);
    let set = world.pages(0x100, 1);
    let peer = world.back.domid();
    let mut refs = vec![];
    while let Ok(r) = world.table.grant_frame(peer, set.frames()[0]) {
        refs.push(r.0);
    }
    assert_eq!(refs, (RESERVED_REFS..20).collect::<Vec<_>>());
    let exhausted = world.table.grant_frame(peer, set.frames()[0]);
    assert_eq!(exhausted, Err(GrantError::Exhausted { entries: 20 }));
    for r in refs {
        assert_eq!(world.table.end_grant(GrantRef(r)), Ok(()));
    }
    world.machine.assert_clean();
}

#[test]
fn an_ended_reference_is_reused_as_late_as_possible() {
    let mut world = World::with_entries(12);
    let set = world.pages(0x100, 1);
    let mut grant_and_end = || {
        let r = world.table.grant_frame(world.back.domid(), set.frames()[0]).expect("a free entry");
        world.table.end_grant(r).expect("nobody maps it");
        r.0
    };
    let refs: Vec<u32> = (0..6).map(|_| grant_and_end()).collect();
    assert_eq!(refs, [8, 9, 10, 11, 8, 9]);
    world.machine.assert_clean();
}

#[test]
fn a_mapped_grant_is_not_ended_and_stays_as_it_is() {
    let mut world = World::new();
    let set = world.pages(0x100, 1);
    let r = world.table.grant_frame(world.back.domid(), set.frames()[0]).expect("a free entry");
    let handle = world.mapper.map(world.front.domid(), r, 0).expect("granted");
    let in_use = EndError::InUse { flags: GrantFlags(IN_USE) };
    assert_eq!(world.table.end_grant(r), Err(in_use));
    assert_eq!(world.table.active().collect::<Vec<_>>(), [(r, GrantFlags(IN_USE))]);
    world.mapper.unmap(handle, 0).expect("mapped");
    assert_eq!(world.table.end_grant(r), Ok(()));
    assert_eq!(world.table.end_grant(r), Err(EndError::NotGranted));
    world.machine.assert_clean();
}

#[test]
fn a_grant_mapped_between_look_and_exchange_is_not_ended() {
    let mut entries = Restless::granted(&[IN_USE]);
    let ended = GrantTable::new(&mut entries).end_grant(GrantRef(8));
    assert_eq!(ended, Err(EndError::InUse { flags: GrantFlags(IN_USE) }));
    assert_eq!(entries.flags[8].get(), IN_USE);
}

#[test]
fn ending_tries_again_when_only_other_flags_moved() {
    // GTF_PWT, which has nothing to do with use, appears just before the first exchange.
    let other = PERMIT | 1 << 5;
    let mut entries = Restless::granted(&[other]);
    assert_eq!(GrantTable::new(&mut entries).end_grant(GrantRef(8)), Ok(()));
    assert_eq!(entries.exchanges, 2);
    assert_eq!(entries.flags[8].get(), 0);
}

#[test]
fn ending_gives_up_when_the_flags_never_hold_still() {
    let moves: Vec<u16> = (0..1000).map(|n| PERMIT | (n % 2) << 5 | 1 << 6).collect();
    let mut entries = Restless::granted(&moves);
    let ended = GrantTable::new(&mut entries).end_grant(GrantRef(8));
    assert!(matches!(ended, Err(EndError::InUse { .. })));
    assert_eq!(entries.exchanges, 4);
}

#[test]
fn a_table_taken_over_gives_out_no_entry_that_is_still_granted() {
    let mut world = World::with_entries(11);
    let set = world.pages(0x100, 1);
    let kept = world.table.grant_frame(world.back.domid(), set.frames()[0]).expect("a free entry");
    let mut second_life = GrantTable::new(world.front.entries());
    assert_eq!(second_life.active().map(|(r, _)| r).collect::<Vec<_>>(), [kept]);
    let refs: Vec<u32> = (0..2)
        .map(|_| {
            second_life.grant_frame(world.back.domid(), set.frames()[0]).expect("a free entry").0
        })
        .collect();
    assert_eq!(refs, [9, 10]);
    for r in 8..11 {
        second_life.end_grant(GrantRef(r)).expect("nobody maps it");
    }
    world.machine.assert_clean();
}

#[test]
#[should_panic(expected = "a reserved grant is not ours to end")]
fn the_entries_of_the_tools_cannot_be_ended() {
    let _ = World::new().table.end_grant(GrantRef(1));
}

#[test]
#[should_panic(expected = "outside the table")]
fn a_reference_outside_the_table_cannot_be_ended() {
    let _ = World::new().table.end_grant(GrantRef(common::ENTRIES));
}
