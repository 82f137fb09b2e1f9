//! Random runs of two endpoints: requests served and answered at any time, events lost and
//! repeated, restarts, false reports of death, replaced domains, repeated introductions. Each
//! delivery is checked. After the faults end, both endpoints must come up and all messages must
//! arrive.

use super::pair::{A, B, Pair};
use crate::instant::Instant;
use crate::testing::Random;

/// Injects a random fault.
fn disturb(pair: &mut Pair, random: &mut Random) {
    let side = random.below(2) as usize;
    if random.below(60) > 0 {
        match random.below(8) {
            0..=1 => {
                pair.submit(side);
            }
            2..=3 => {
                pair.serve(side);
            }
            4..=5 => {
                pair.answer(side);
            }
            6 => {
                pair.send(side);
            }
            _ => pair.end(side).handle_hint(),
        }
        return;
    }
    match random.below(16) {
        0..=10 => {
            let deadline = pair.end(side).deadline();
            if deadline != Instant::NEVER {
                pair.now = pair.now.max(deadline);
                let now = pair.now;
                pair.end(side).handle_timeout(now);
            }
        }
        11 => pair.verdict(side),
        12 => pair.restart(side),
        13 => pair.introduce(side),
        14 => {
            pair.replace(side);
            pair.introduce(side);
        }
        // The permission is void: it was set for a domain that did not exist.
        _ => pair.sides[side].is_open = false,
    }
}

#[test]
fn whatever_happens_deliveries_are_a_prefix_of_what_the_same_session_sent() {
    let mut disturbed = 0;
    for seed in 1..=1000 {
        let mut random = Random::new(seed);
        let mut pair = Pair::introduced();
        for _ in 0..600 {
            disturb(&mut pair, &mut random);
        }
        disturbed += pair.sides[A].delivered_ever + pair.sides[B].delivered_ever;
        let calm = |pair: &Pair| pair.is_up(A) && pair.is_up(B);
        pair.settle();
        // A session that began during the faults may still end; the next one must last.
        for _ in 0..60 {
            pair.tick_with_beats();
        }
        assert!(calm(&pair), "seed {seed}");
        let before = pair.sides[B].delivered_ever;
        for _ in 0..5 {
            assert!(pair.send(A), "seed {seed}");
            pair.tick();
            pair.tick();
            pair.tick();
        }
        assert_eq!(pair.sides[B].delivered_ever, before + 5, "seed {seed}");
    }
    assert!(disturbed > 10_000, "{disturbed}: the faults left room for messages");
}
