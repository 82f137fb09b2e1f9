//! The page header: its bytes, what each side refuses in it, and that a back writes nothing into
//! pages that it has not verified.

mod common;

use common::{BACK_EPOCH, World, terms};
use grant::header::LINK_BYTES_MAX;
use grant::layout::{front_line, ring_bytes};
use grant::{
    Closing, ConnectionId, Epoch, Fence, GrantRef, LinkTag, PageWords, SharedPages, Stamp, Terms,
    TransferError, VerifyError,
};

/// Opens a connection of one page with terms(1), lets `spoil` loose on the front's page, and
/// verifies against `expected`.
fn verify_after(
    spoil: impl FnOnce(&grant::fake::FakePages),
    expected: &Terms,
) -> Result<(), VerifyError> {
    let mut world = World::new();
    let set = world.pages(0x100, 1);
    let view = set.pages().clone();
    let front = world.open(set, &terms(1));
    spoil(&view);
    let mut before = [0; 4096];
    view.copy_from(0, &mut before);

    let refs: Vec<GrantRef> = front.refs().collect();
    let mut back = world.map(&refs);
    let verified = back.verify(expected);
    let mut after = [0; 4096];
    view.copy_from(0, &mut after);
    assert!(before == after, "verifying writes nothing");

    world.unmap(back);
    common::freed(world.release(front));
    world.machine.assert_clean();
    verified
}

#[test]
fn the_front_writes_these_bytes() {
    let mut world = World::new();
    let set = world.pages(0x100, 2);
    let view = set.pages().clone();
    let front = world.open(set, &terms(0x0102_0304));
    let mut line = [0; 64];
    view.copy_from(0, &mut line);
    assert_eq!(line[..16], *b"TETH\x02\0\0\0\x04\x03\x02\x01\x80\x0e\0\0");
    assert_eq!(line[16..32], *b"front-epoch-0001");
    assert_eq!(line[32], b'a');
    assert_eq!(line[33..56], [0; 23]);
    assert_eq!(line[56..], terms(0x0102_0304).fence_word().to_le_bytes());
    let mut rest = vec![1; 2 * 4096 - 64];
    view.copy_from(64, &mut rest);
    assert!(rest.iter().all(|&byte| byte == 0), "everything else is zero");
    assert_eq!((front.ring_bytes(), ring_bytes(2)), (3712, 3712));
    common::freed(world.release(front));
    world.machine.assert_clean();
}

#[test]
fn ring_sizes_are_whole_lines_of_half_of_what_the_header_leaves() {
    let sizes: Vec<u32> = (1..=8).map(ring_bytes).collect();
    assert_eq!(sizes, [1664, 3712, 5760, 7808, 9856, 11904, 13952, 16000]);
}

#[test]
fn a_header_as_announced_is_accepted() {
    assert_eq!(verify_after(|_| {}, &terms(1)), Ok(()));
}

#[test]
fn each_wrong_part_of_the_header_is_named() {
    let spoiled = |at, value| verify_after(|page| page.store_u32(at, value), &terms(1));
    assert_eq!(spoiled(front_line::MAGIC, 7), Err(VerifyError::Magic { found: 7 }));
    assert_eq!(spoiled(front_line::VERSION, 1), Err(VerifyError::Version { found: 1 }));
    assert_eq!(spoiled(front_line::NUMBER, 2), Err(VerifyError::Number { found: ConnectionId(2) }));
    assert_eq!(spoiled(front_line::RING_BYTES, 64), Err(VerifyError::RingBytes { found: 64 }));
    for word in (0..16).step_by(4) {
        assert_eq!(spoiled(front_line::EPOCH + word, 7), Err(VerifyError::Epoch));
    }
    for word in (0..24).step_by(4) {
        assert_eq!(spoiled(front_line::LINK + word, 7), Err(VerifyError::Link));
    }
    for half in [0, 4] {
        assert_eq!(spoiled(front_line::FENCE + half, 0), Err(VerifyError::Fenced));
    }
}

#[test]
fn a_page_of_another_connection_link_or_life_is_refused() {
    let other = |change: fn(&mut Terms)| {
        let mut expected = terms(1);
        change(&mut expected);
        verify_after(|_| {}, &expected)
    };
    assert_eq!(
        other(|terms| terms.number = ConnectionId(2)),
        Err(VerifyError::Number { found: ConnectionId(1) })
    );
    assert_eq!(other(|terms| terms.epoch = BACK_EPOCH), Err(VerifyError::Epoch));
    let longer = |terms: &mut Terms| terms.link = LinkTag::new("ab").expect("valid");
    assert_eq!(other(longer), Err(VerifyError::Link));
}

#[test]
fn a_page_that_became_something_else_is_refused_unwritten() {
    let garbage = |page: &grant::fake::FakePages| page.copy_to(0, &[0x5a; 4096]);
    let found = 0x5a5a_5a5a;
    assert_eq!(verify_after(garbage, &terms(1)), Err(VerifyError::Magic { found }));
    let zeros = |page: &grant::fake::FakePages| page.copy_to(0, &[0; 4096]);
    assert_eq!(verify_after(zeros, &terms(1)), Err(VerifyError::Magic { found: 0 }));
}

#[test]
fn tokens_of_different_connections_differ_and_are_never_zero() {
    let mut seen = std::collections::HashSet::new();
    for number in (0..1000).chain([u32::MAX - 1, u32::MAX]) {
        for epoch in [[0; 16], [0xff; 16], *b"front-epoch-0001", *b"back-epoch-00001"] {
            let token =
                Terms { epoch: Epoch::from_bytes(epoch), number: ConnectionId(number), ..terms(0) }
                    .fence_word();
            assert!(token as u32 != 0 && token >> 32 != 0, "closing either half must close");
            assert!(seen.insert(token), "tokens repeat");
        }
    }
}

#[test]
fn link_names_are_one_to_twenty_four_bytes() {
    assert!(LinkTag::new("").is_none());
    assert!(LinkTag::new(&"x".repeat(LINK_BYTES_MAX)).is_some());
    assert!(LinkTag::new(&"x".repeat(LINK_BYTES_MAX + 1)).is_none());
    assert_ne!(LinkTag::new("a"), LinkTag::new("b"));
}

#[test]
fn stamp_words_and_closing_reach_the_other_side() {
    let mut world = World::new();
    let set = world.pages(0x100, 1);
    let front = world.open(set, &terms(7));
    let refs: Vec<GrantRef> = front.refs().collect();
    let mut back = world.map(&refs);
    assert_eq!(back.observe().fence, Fence::Closed, "unverified counts as closed");
    back.verify(&terms(7)).expect("the header is the announced one");
    let unstamped = Stamp { epoch: Epoch::from_bytes([0; 16]), number: ConnectionId(0) };
    assert_eq!(front.observe().stamp, unstamped);
    back.stamp(BACK_EPOCH);
    assert_eq!(front.observe().stamp, Stamp { epoch: BACK_EPOCH, number: ConnectionId(7) });

    let front_words = PageWords { beat: 1, sent: 2, delivered: 3 };
    let back_words = PageWords { beat: 4, sent: 5, delivered: 6 };
    front.publish(front_words);
    back.publish(back_words);
    assert_eq!((front.observe().words, front.observe().closing), (back_words, Closing::NotAsked));
    assert_eq!((back.observe().words, back.observe().closing), (front_words, Closing::NotAsked));
    back.say_closing();
    assert_eq!(front.observe().closing, Closing::Asked);
    assert_eq!(back.observe().closing, Closing::NotAsked);
    front.say_closing();
    assert_eq!(back.observe().closing, Closing::Asked);
    assert_eq!(front.observe().words, back_words);
    common::freed({
        world.unmap(back);
        world.release(front)
    });
    world.machine.assert_clean();
}

#[test]
fn a_closed_fence_stops_the_back_at_its_next_unit() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 1);
    assert_eq!(pair.front.write(b"abc"), Ok(3));
    assert_eq!(pair.back.observe().fence, Fence::Open);
    pair.front.fence();
    assert_eq!(pair.back.observe().fence, Fence::Closed);
    assert_eq!(pair.back.read(&mut [0; 8]), Err(TransferError::Fenced));
    assert_eq!(pair.back.write(b"x"), Err(TransferError::Fenced));
    assert_eq!(pair.back.before_sleep(grant::WakeWhen::default()), Err(TransferError::Fenced));
    world.disconnect(pair);
    world.machine.assert_clean();
}

#[test]
fn either_half_of_the_fence_closes_it_and_the_front_clears_both() {
    let mut world = World::new();
    let set = world.pages(0x100, 1);
    let view = set.pages().clone();
    let front = world.open(set, &terms(1));
    let refs: Vec<GrantRef> = front.refs().collect();
    let mut back = world.map(&refs);
    back.verify(&terms(1)).expect("the header is the announced one");
    for half in [front_line::FENCE, front_line::FENCE + 4] {
        let open = view.load_u32(half);
        for closed in [0, open ^ 1, open ^ 1 << 31] {
            view.store_u32(half, closed);
            assert_eq!(back.observe().fence, Fence::Closed);
        }
        view.store_u32(half, open);
        assert_eq!(back.observe().fence, Fence::Open);
    }
    front.fence();
    let halves = [0, 4].map(|half| view.load_u32(front_line::FENCE + half));
    assert_eq!(halves, [0, 0]);
    world.unmap(back);
    common::freed(world.release(front));
    world.machine.assert_clean();
}

#[test]
#[should_panic(expected = "after the header was verified")]
fn an_unverified_page_is_never_stamped() {
    let mut world = World::new();
    let set = world.pages(0x100, 1);
    let front = world.open(set, &terms(1));
    let refs: Vec<GrantRef> = front.refs().collect();
    world.map(&refs).stamp(BACK_EPOCH);
}

#[test]
#[should_panic(expected = "nothing is written before the header is verified")]
fn no_beat_is_written_into_an_unverified_page() {
    let mut world = World::new();
    let set = world.pages(0x100, 1);
    let front = world.open(set, &terms(1));
    let refs: Vec<GrantRef> = front.refs().collect();
    world.map(&refs).publish(PageWords::default());
}

#[test]
fn every_bit_of_the_epoch_and_the_number_turn_the_fence_over() {
    let link = LinkTag::new("a").expect("a valid name");
    let word = |epoch: u128, number| {
        Terms { epoch: Epoch::from_bits(epoch), number: ConnectionId(number), link }.fence_word()
    };
    // The halves' lowest bits are always set, whatever the epoch's are.
    let always_set = [0, 32];
    for epoch in [0, u128::MAX, 0x0123_4567_89ab_cdef_0011_2233_4455_6677] {
        for bit in (0..128).filter(|bit| !always_set.contains(bit)) {
            assert_ne!(word(epoch, 1), word(epoch ^ (1 << bit), 1), "bit {bit} of {epoch:#x}");
        }
        for number in 0..100 {
            assert_ne!(word(epoch, number), word(epoch, number + 1));
            let halves = [word(epoch, number) as u32, (word(epoch, number) >> 32) as u32];
            assert!(halves.iter().all(|half| half % 2 == 1), "a zeroed half is closed");
        }
    }
}
