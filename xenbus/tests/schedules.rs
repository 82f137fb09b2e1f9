//! Client and daemon run in any order, a piece at a time, the daemon asleep from the moment it
//! finds nothing to do until the client's doorbell rings. Whatever the schedule, every request is
//! answered with what it asked for, and nobody waits for ever.

mod common;

use common::{Bench, Got, Said, pattern};
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use xenbus::fake::{ReplyOrder, Step};
use xenbus::{Request, RequestId, SubmitError, TransactionId};

/// Lengths of values that matter: none, small, around the ring, near the quota.
const LENGTHS: [usize; 6] = [0, 3, 500, 1007, 1030, 2000];

struct World {
    bench: Bench,
    awake: bool,
    got: Vec<Got>,
    asked: Vec<(RequestId, Said)>,
}

impl World {
    fn submit(&mut self, choice: u8) {
        let length = LENGTHS[usize::from(choice) % LENGTHS.len()];
        let value = pattern(length);
        let path = format!("data/{length}");
        let (request, answer) = if choice >= 128 {
            (Request::Write { path: "data/x", value: &value }, Said::Done)
        } else {
            (Request::Read { path: &path }, Said::Value(value.clone()))
        };
        match self.bench.client.submit(TransactionId::NONE, request) {
            Ok(id) => self.asked.push((id, answer)),
            Err(error) => assert_eq!(error, SubmitError::Full),
        }
    }

    fn client_round(&mut self) {
        let (got, rang) = self.bench.round();
        self.got.extend(got);
        self.awake |= rang;
    }

    fn daemon_step(&mut self) {
        if self.awake {
            self.awake = self.bench.daemon_steps() == Step::Moved;
        }
    }
}

proptest! {
    #[test]
    fn every_request_is_answered_under_every_schedule(
        start in any::<u32>(),
        piece in 1u32..1100,
        reversed in any::<bool>(),
        schedule in vec((0u8..8, any::<u8>()), 1..300),
    ) {
        let mut bench = Bench::starting_at(start, !start);
        bench.daemon.piece_bytes = piece;
        if reversed {
            bench.daemon.order = ReplyOrder::Reversed;
        }
        for length in LENGTHS {
            bench.daemon.set(&format!("/local/domain/1/data/{length}"), &pattern(length));
        }
        let mut world = World { bench, awake: false, got: vec![], asked: vec![] };
        for (act, choice) in schedule {
            match act {
                0 => world.submit(choice),
                1..=3 => world.client_round(),
                _ => world.daemon_step(),
            }
        }
        // From here on nothing new: both run until both have nothing left to do.
        for _ in 0..200_000 {
            world.client_round();
            if !world.awake {
                break;
            }
            world.daemon_step();
        }
        prop_assert!(!world.awake);
        prop_assert_eq!(world.bench.client.ended(), None);
        prop_assert_eq!(world.bench.client.in_flight(), 0, "somebody waits for ever");
        prop_assert_eq!(world.got.len(), world.asked.len());
        for (id, answer) in world.asked {
            let found = world.got.iter().find(|got| got.id() == id);
            prop_assert_eq!(found.map(Got::result), Some(Ok(answer)));
        }
    }
}
