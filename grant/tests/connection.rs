//! Whole connections: data both ways, many in a row, the fence falling in the middle of a unit, and
//! the strictness of the fakes that all of this rests on.

mod common;

use core::cell::Cell;
use std::rc::Rc;

use common::{BACK_EPOCH, World, terms};
use grant::fake::FakePages;
use grant::layout::{LINE_INDEX, Layout};
use grant::{
    BackConnection, GrantRef, Notify, Readiness, SharedPages, TransferError, WakeWhen, ring_bytes,
};

#[test]
fn bytes_cross_both_ways_for_every_number_of_pages() {
    for count in 1..=8 {
        let mut world = World::new();
        let mut pair = world.connect(0x100, count);
        let size = ring_bytes(count as usize) as usize;
        let sent: Vec<u8> = (0..size + 9).map(|n| (n * 7 + 3) as u8).collect();
        let mut got = vec![0; size + 9];
        assert_eq!(pair.front.write(&sent), Ok(size), "a ring holds its size");
        assert_eq!(pair.back.write(&sent[1..]), Ok(size));
        assert_eq!(pair.back.read(&mut got), Ok(size));
        assert_eq!(got[..size], sent[..size]);
        assert_eq!(pair.front.read(&mut got), Ok(size));
        assert_eq!(got[..size], sent[1..=size]);
        assert_eq!(pair.front.read(&mut got), Ok(0));
        world.disconnect(pair);
        world.machine.assert_clean();
    }
}

#[test]
fn many_connections_on_the_same_pages_leave_nothing_behind() {
    let mut world = World::with_entries(10);
    let mut set = world.pages(0x100, 1);
    for number in 1..=100 {
        let mut front = world.open(set, &terms(number));
        let refs: Vec<GrantRef> = front.refs().collect();
        let mut back = world.map(&refs);
        back.verify(&terms(number)).expect("the header is the announced one");
        back.stamp(BACK_EPOCH);
        assert_eq!(front.write(&number.to_le_bytes()), Ok(4));
        let mut bytes = [0; 8];
        assert_eq!(back.read(&mut bytes), Ok(4));
        assert_eq!(bytes[..4], number.to_le_bytes());
        world.unmap(back);
        set = common::freed(world.release(front));
        assert_eq!((world.window.mapped(), world.quarantine.state().reserved), (0, 0));
    }
    world.machine.assert_clean();
}

#[test]
fn a_burst_costs_one_barrier_and_at_most_one_notification() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 1);
    let asked = pair.back.before_sleep(WakeWhen { readable: 1, writable: 0 });
    assert_eq!(asked.expect("honest").readiness, Readiness::MaySleep);
    let before = world.machine.barriers();
    for _ in 0..ring_bytes(1) / 64 {
        assert_eq!(pair.front.write(&[7; 64]), Ok(64));
    }
    assert_eq!(world.machine.barriers(), before, "messages cost no barrier");
    assert_eq!(pair.front.flush(), Notify::Due);
    assert_eq!(pair.front.flush(), Notify::NotDue);
    assert_eq!(world.machine.barriers(), before + 1, "nothing moved, nothing to look for");
    world.disconnect(pair);
    world.machine.assert_clean();
}

#[test]
fn a_look_finds_what_has_come_and_asks_for_nothing() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 1);
    let wish = WakeWhen { readable: 1, writable: 0 };
    assert_eq!(pair.back.spin_until_ready(wish), Ok(Readiness::MaySleep));
    assert_eq!(pair.front.write(b"x"), Ok(1));
    assert_eq!(pair.front.flush(), Notify::NotDue, "nobody asked");
    assert_eq!(pair.back.spin_until_ready(wish), Ok(Readiness::Ready));
    world.disconnect(pair);
    world.machine.assert_clean();
}

#[test]
fn only_what_the_stream_accepts_counts_as_progress() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 1);
    let place = Layout::of(1).to_back;
    let index = place.producer_line + LINE_INDEX;
    let start = pair.back.accepted();
    // Any index, as often as the front likes: nothing has looked at it, so nothing has come of it.
    for found in [1, 7, u32::MAX] {
        pair.front.pages().store_u32(index, found);
        assert_eq!(pair.back.accepted(), start, "index {found}");
    }
    // The last of them is impossible. It is refused, and counts for nothing either.
    assert!(matches!(pair.back.read(&mut [0; 8]), Err(TransferError::Ring(_))));
    assert_eq!(pair.back.accepted(), start);
    // A byte that is read, and room that is given back, count.
    pair.front.pages().store_u32(index, 0);
    assert_eq!(pair.front.write(b"a"), Ok(1));
    assert_eq!(pair.back.read(&mut [0; 8]), Ok(1));
    assert_eq!(pair.back.accepted(), [start[0], start[1] + 1]);
    assert_eq!(pair.back.write(b"b"), Ok(1));
    assert_eq!(pair.front.read(&mut [0; 8]), Ok(1));
    assert_eq!(pair.back.room(), Ok(place.size as usize));
    assert_eq!(pair.back.accepted(), [start[0] + 1, start[1] + 1]);
    world.disconnect(pair);
}

#[test]
fn streaming_costs_one_notification_a_ring_full_each_way() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 1);
    let size = ring_bytes(1) as usize;
    let mut notified = [0, 0];
    for _ in 0..50 {
        let wait = WakeWhen { readable: 1, writable: 0 };
        let reader = pair.back.before_sleep(wait).expect("honest");
        notified[1] += u32::from(reader.notify == Notify::Due);
        assert_eq!(reader.readiness, Readiness::MaySleep);
        while pair.front.write(&[1; 100]) != Ok(0) {}
        let wait = WakeWhen { readable: 0, writable: u32::MAX };
        let writer = pair.front.before_sleep(wait).expect("honest");
        notified[0] += u32::from(writer.notify == Notify::Due);
        assert_eq!(writer.readiness, Readiness::MaySleep);
        assert_eq!(pair.back.read(&mut [0; 4096]), Ok(size));
    }
    assert_eq!(notified, [50, 49]);
    world.disconnect(pair);
    world.machine.assert_clean();
}

/// A back's view through which the front closes the fence while data are being copied.
struct FencedMeanwhile {
    pages: FakePages,
    front: FakePages,
    /// The fence falls in so many copies; 0: never.
    armed: Rc<Cell<u32>>,
    copies: Rc<Cell<u32>>,
}

impl SharedPages for FencedMeanwhile {
    fn load_u32(&self, at: usize) -> u32 {
        self.pages.load_u32(at)
    }
    fn store_u32(&self, at: usize, value: u32) {
        self.pages.store_u32(at, value);
    }
    fn copy_from(&self, at: usize, into: &mut [u8]) {
        self.pages.copy_from(at, into);
        self.copies.set(self.copies.get() + 1);
        if self.armed.get() == 1 {
            self.front.store_u32(grant::layout::front_line::FENCE, 0);
        }
        self.armed.set(self.armed.get().saturating_sub(1));
    }
    fn copy_to(&self, at: usize, from: &[u8]) {
        self.pages.copy_to(at, from);
    }
    fn full_barrier(&self) {
        self.pages.full_barrier();
    }
    fn zero(&self) {
        self.pages.zero();
    }
    fn pages(&self) -> usize {
        self.pages.pages()
    }
}

#[test]
fn a_unit_copied_while_the_fence_fell_is_not_acted_on() {
    let mut world = World::new();
    let set = world.pages(0x100, 1);
    let view = set.pages().clone();
    let mut front = world.open(set, &terms(1));
    let refs: Vec<GrantRef> = front.refs().collect();
    let (armed, copies) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (domain, peer) = (world.back.clone(), world.front.domid());
    let mut back = BackConnection::map(&mut world.window, &mut world.mapper, peer, &refs, |run| {
        let pages = domain.window_pages(run);
        FencedMeanwhile { pages, front: view.clone(), armed: armed.clone(), copies: copies.clone() }
    })
    .expect("the offer can be mapped");
    back.verify(&terms(1)).expect("the header is the announced one");
    back.stamp(BACK_EPOCH);

    assert_eq!(front.write(b"request"), Ok(7));
    armed.set(1);
    assert_eq!(back.read(&mut [0; 7]), Err(TransferError::Fenced));
    let index = Layout::of(1).to_back.consumer_line + LINE_INDEX;
    assert_eq!(view.load_u32(index), 0, "nothing was consumed after the fence fell");
    let before = copies.get();
    assert_eq!(back.read(&mut [0; 7]), Err(TransferError::Fenced));
    assert_eq!(copies.get(), before, "no unit is begun behind a closed fence");
    back.unmap(&mut world.window, &mut world.mapper).expect("Xen unmaps");
    common::freed(world.release(front));
    world.machine.assert_clean();
}

#[test]
#[should_panic(expected = "reused while a domain maps it")]
fn the_fake_catches_a_page_that_is_reused_while_mapped() {
    let mut world = World::new();
    let set = world.pages(0x100, 1);
    let view = set.pages().clone();
    let front = world.open(set, &terms(1));
    let refs: Vec<GrantRef> = front.refs().collect();
    let _back = world.map(&refs);
    view.zero();
}

#[test]
#[should_panic(expected = "used after it was unmapped")]
fn the_fake_catches_a_view_that_outlives_its_mapping() {
    let mut world = World::new();
    let set = world.pages(0x100, 1);
    let front = world.open(set, &terms(1));
    let refs: Vec<GrantRef> = front.refs().collect();
    let (mapper, peer) = (&mut world.mapper, world.front.domid());
    let run = world.window.map(mapper, peer, &refs).expect("room");
    let view = world.back.window_pages(&run);
    world.window.unmap(mapper, run).expect("Xen unmaps");
    let _again = world.window.map(mapper, peer, &refs).expect("room");
    view.load_u32(0);
}

#[test]
#[should_panic(expected = "mapped twice: domain crash")]
fn the_fake_catches_a_slot_that_is_mapped_twice() {
    let mut world = World::new();
    let set = world.pages(0x100, 2);
    let front = world.open(set, &terms(1));
    let refs: Vec<GrantRef> = front.refs().collect();
    let peer = world.front.domid();
    let _run = world.window.map(&mut world.mapper, peer, &refs[..1]);
    // A second book of the same window knows nothing of the first.
    let _crash = grant::Window::new(4).map(&mut world.mapper, peer, &refs[1..]);
}

#[test]
#[should_panic(expected = "leaks grants")]
fn the_fake_catches_a_connection_that_is_dropped() {
    let mut world = World::new();
    let set = world.pages(0x100, 1);
    drop(world.open(set, &terms(1)));
    world.machine.assert_clean();
}
