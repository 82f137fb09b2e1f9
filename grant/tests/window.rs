//! The foreign window: all pages or none, no slot used twice, no handle forgotten.

mod common;

use common::{World, terms};
use grant::{
    DomId, GrantRef, GrantStatus, MapError, MapHandle, MapRefused, Mapper, Mapping, PAGES_MAX,
    UnmapRefused, Window,
};

const REFUSED: MapRefused = MapRefused::Status(GrantStatus::BAD_REF);

/// A front with `count` granted pages; its references.
fn offer(world: &mut World, first: u32, count: u32) -> Vec<GrantRef> {
    let set = world.pages(first, count);
    let peer = world.back.domid();
    let grant = |&frame: &u32| world.table.grant_frame(peer, frame).expect("a free entry");
    set.frames().iter().map(grant).collect()
}

fn end(world: &mut World, refs: &[GrantRef]) {
    for &r in refs {
        world.table.end_grant(r).expect("nobody maps it");
    }
    world.machine.assert_clean();
}

#[test]
fn runs_get_consecutive_slots_and_freed_slots_are_used_again() {
    let mut world = World::new();
    let refs = offer(&mut world, 0x100, 6);
    let peer = world.front.domid();
    let first = world.window.map(&mut world.mapper, peer, &refs[..2]).expect("room");
    let second = world.window.map(&mut world.mapper, peer, &refs[2..5]).expect("room");
    assert_eq!((first.first(), second.first()), (0, 2));
    world.window.unmap(&mut world.mapper, first).expect("Xen unmaps");
    let third = world.window.map(&mut world.mapper, peer, &refs[5..]).expect("room");
    assert_eq!(third.first(), 0);
    assert_eq!(world.window.mapped(), 4);
    world.window.unmap_all(&mut world.mapper).expect("Xen unmaps");
    assert_eq!(world.window.mapped(), 0);
    end(&mut world, &refs);
}

#[test]
fn an_absurd_offer_is_refused_before_xen_is_asked() {
    let mut world = World::new();
    world.back.refuse_map_after(0, REFUSED);
    let mut map = |refs: &[GrantRef]| world.window.map(&mut world.mapper, DomId(3), refs);
    assert_eq!(map(&[]), Err(MapError::PageCount { offered: 0 }));
    let many: Vec<GrantRef> = (8..17).map(GrantRef).collect();
    assert_eq!(map(&many), Err(MapError::PageCount { offered: PAGES_MAX + 1 }));
    let twice = [GrantRef(8), GrantRef(9), GrantRef(8)];
    assert_eq!(map(&twice), Err(MapError::RepeatedRef(GrantRef(8))));
}

#[test]
fn a_window_without_a_long_enough_run_says_so() {
    let mut world = World::new();
    let refs = offer(&mut world, 0x100, 3);
    let peer = world.front.domid();
    let mut window = Window::new(3);
    let left = window.map(&mut world.mapper, peer, &refs[..1]).expect("room");
    let middle = window.map(&mut world.mapper, peer, &refs[1..2]).expect("room");
    window.unmap(&mut world.mapper, left).expect("Xen unmaps");
    let split = window.map(&mut world.mapper, peer, &[refs[0], refs[2]]);
    assert_eq!(split, Err(MapError::WindowFull { wanted: 2 }));
    window.unmap(&mut world.mapper, middle).expect("Xen unmaps");
    end(&mut world, &refs);
}

/// Passes everything on, and counts how often Xen would be asked.
struct Counting<M> {
    mapper: M,
    maps: usize,
    unmaps: usize,
}

impl<M: Mapper> Mapper for Counting<M> {
    fn map(&mut self, _: DomId, _: GrantRef, _: u32) -> Result<MapHandle, MapRefused> {
        panic!("pages are mapped together");
    }

    fn unmap(&mut self, _: MapHandle, _: u32) -> Result<(), UnmapRefused> {
        panic!("pages are unmapped together");
    }

    fn map_run(
        &mut self,
        peer: DomId,
        refs: &[GrantRef],
        first_slot: u32,
        outcomes: &mut [Result<MapHandle, MapRefused>],
    ) {
        self.maps += 1;
        self.mapper.map_run(peer, refs, first_slot, outcomes);
    }

    fn unmap_run(&mut self, mappings: &[Mapping], outcomes: &mut [Result<(), UnmapRefused>]) {
        self.unmaps += 1;
        self.mapper.unmap_run(mappings, outcomes);
    }
}

#[test]
fn all_pages_of_a_connection_are_one_question_to_xen() {
    let mut world = World::new();
    let refs = offer(&mut world, 0x100, PAGES_MAX as u32);
    let peer = world.front.domid();
    let mut mapper = Counting { mapper: world.mapper, maps: 0, unmaps: 0 };
    let run = world.window.map(&mut mapper, peer, &refs).expect("room");
    world.window.unmap(&mut mapper, run).expect("Xen unmaps");
    assert_eq!((mapper.maps, mapper.unmaps), (1, 1));
    world.mapper = mapper.mapper;
    end(&mut world, &refs);
}

#[test]
fn a_refusal_in_the_middle_undoes_what_was_mapped() {
    let mut world = World::new();
    let refs = offer(&mut world, 0x100, 3);
    world.back.refuse_map_after(2, REFUSED);
    let mapped = world.window.map(&mut world.mapper, world.front.domid(), &refs);
    assert_eq!(mapped, Err(MapError::Refused { r: refs[2], why: REFUSED }));
    assert_eq!((world.window.mapped(), world.back.mappings()), (0, 0));
    end(&mut world, &refs);
}

#[test]
fn a_page_that_xen_will_not_unmap_blocks_its_slot_until_a_sweep_succeeds() {
    let mut world = World::new();
    let refs = offer(&mut world, 0x100, 4);
    let peer = world.front.domid();
    let run = world.window.map(&mut world.mapper, peer, &refs[..2]).expect("room");
    world.back.refuse_unmaps(1);
    let error = world.window.unmap(&mut world.mapper, run).expect_err("one is refused");
    assert_eq!(error.stuck, 1);
    assert!(matches!(error.why, UnmapRefused::Status(_)));
    assert_eq!((world.window.stuck(), world.window.mapped()), (1, 1));
    let next = world.window.map(&mut world.mapper, peer, &refs[2..]).expect("room");
    assert_eq!(next.first(), 1);
    world.window.sweep(&mut world.mapper).expect("Xen unmaps");
    assert_eq!((world.window.stuck(), world.window.mapped()), (0, 2));
    world.window.unmap(&mut world.mapper, next).expect("Xen unmaps");
    end(&mut world, &refs);
}

#[test]
fn a_rollback_that_xen_refuses_leaves_the_slot_counted_and_retried() {
    let mut world = World::new();
    let refs = offer(&mut world, 0x100, 2);
    world.back.refuse_map_after(1, REFUSED);
    world.back.refuse_unmaps(1);
    let mapped = world.window.map(&mut world.mapper, world.front.domid(), &refs);
    assert_eq!(mapped, Err(MapError::Refused { r: refs[1], why: REFUSED }));
    assert_eq!(world.window.stuck(), 1);
    world.window.sweep(&mut world.mapper).expect("Xen unmaps");
    end(&mut world, &refs);
}

#[test]
fn what_is_not_granted_to_us_cannot_be_mapped() {
    let mut world = World::new();
    let refs = offer(&mut world, 0x100, 1);
    let stranger = world.machine.create(DomId(9), 16);
    let outcome = |result| match result {
        Err(MapRefused::Status(status)) => status,
        other => panic!("{other:?}"),
    };
    let peer = world.front.domid();
    let other = outcome(stranger.mapper().map(peer, refs[0], 0));
    assert_eq!(other, GrantStatus::GENERAL_ERROR);
    assert_eq!(outcome(world.mapper.map(peer, GrantRef(999), 0)), GrantStatus::BAD_REF);
    assert_eq!(outcome(world.mapper.map(DomId(77), refs[0], 0)), GrantStatus::BAD_DOMAIN);
    end(&mut world, &refs);
}

#[test]
fn a_dead_mapper_lets_go_and_a_dead_granter_does_not_take_the_page_away() {
    let mut world = World::new();
    let pair = world.connect(0x100, 1);
    world.back.destroy();
    let set = common::freed(world.release(pair.front));

    world.back = world.machine.create(DomId(5), 64);
    world.mapper = world.back.mapper();
    world.window = Window::new(16);
    let front = world.open(set, &terms(1));
    let refs: Vec<GrantRef> = front.refs().collect();
    let mut back = world.map(&refs);
    back.verify(&terms(1)).expect("the header is the announced one");
    back.stamp(common::BACK_EPOCH);
    world.front.destroy();
    assert_eq!(back.write(b"late"), Ok(4));
    world.unmap(back);
    drop(front);
    world.machine.assert_clean();
}

#[test]
fn a_window_that_has_forgotten_asks_xen_for_nothing_and_is_free() {
    let mut world = World::new();
    let refs = offer(&mut world, 0x100, 2);
    let peer = world.front.domid();
    let run = world.window.map(&mut world.mapper, peer, &refs).expect("room");
    // A domain that was restored has no mappings: its former life's went with that domain.
    world.back.destroy();
    world.window.forget();
    assert_eq!((world.window.mapped(), world.window.stuck()), (0, 0));
    world.window.unmap(&mut world.mapper, run).expect("nothing is asked");
    assert_eq!(world.window.stuck(), 0);
    end(&mut world, &refs);
}
