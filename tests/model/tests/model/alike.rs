//! Why the session's searches may take worlds for the same, and put steps off: in every world of
//! searches that do neither, each step is played both ways, and comes to the same.

use core::cell::RefCell;
use std::collections::HashMap;

use model::key::Key;
use model::session::step::{SessionStep, What};
use model::session::world::{Flight, MESSAGES_UNBOUNDED, Sameness, World};
use model::session::{Bounds, Session};
use model::side::{SIDES, Side};
use model::{Kind, Model, Wrong, check};

use super::LIMIT;

/// What a step came to: the kind of world and the kind of step, or what went wrong.
type Come = Result<(Key, Kind), Wrong>;

/// A search that tells all worlds apart and puts nothing off, and looks at each world through the
/// eyes of the one that does not.
struct Watched {
    /// What is searched, step by step.
    every: Session,
    /// How the search tells worlds apart.
    named: Session,
    /// What takes worlds for alike.
    alike: Session,
    /// What is asked of each world that is expanded.
    question: fn(&Watched, &World),
    /// What each step from the worlds of a kind comes to.
    steps: RefCell<HashMap<Key, Vec<(SessionStep, Come)>>>,
}

impl Watched {
    fn new(messages: u32, crashes: [u8; 2], faults: u8, question: fn(&Self, &World)) -> Self {
        let mut every = Session { bounds: Bounds::NONE };
        every.bounds.sameness = Sameness::Equal;
        (every.bounds.messages, every.bounds.crashes, every.bounds.faults) =
            (messages, crashes, faults);
        let mut alike = every;
        alike.bounds.sameness = Sameness::Alike;
        Self { every, named: every, alike, question, steps: RefCell::default() }
    }

    /// All worlds are seen, or so many, and none has been complained of. Says how many.
    fn watch(&self, limit: usize) -> usize {
        let outcome = check(self, limit, |_| {});
        assert_eq!(outcome.finding, None);
        assert!(outcome.is_complete || limit < LIMIT, "{} states and more", outcome.states);
        outcome.states
    }

    fn kind(&self, world: &World) -> Key {
        self.alike.key(&mut world.clone())
    }

    /// The world after these steps, one after the other, and what the last one was.
    fn after(&self, world: &World, steps: &[SessionStep]) -> Come {
        let mut world = world.clone();
        let mut kind = Kind::Still;
        for (place, step) in steps.iter().enumerate() {
            if place > 0 {
                // Names the epochs that are in use, so that this step may draw another.
                self.every.key(&mut world);
            }
            kind = self.every.apply(&mut world, *step)?;
        }
        Ok((self.kind(&world), kind))
    }
}

impl Model for Watched {
    type World = World;
    type Step = SessionStep;

    fn first(&self) -> World {
        self.every.first()
    }
    fn possible(&self, world: &World) -> Vec<SessionStep> {
        (self.question)(self, world);
        self.every.possible(world)
    }
    fn apply(&self, world: &mut World, step: SessionStep) -> Result<Kind, Wrong> {
        self.every.apply(world, step)
    }
    fn key(&self, world: &mut World) -> Key {
        self.named.key(world)
    }
    fn is_settled(&self, world: &World) -> bool {
        self.every.is_settled(world)
    }
    fn described(&self, world: &World) -> String {
        self.every.described(world)
    }
}

/// From two worlds of one kind the same steps come to the same kinds of worlds.
fn same_steps(watched: &Watched, world: &World) {
    // What is sent may be counted for the search, and not for what is judged.
    let mut judged = watched.every;
    judged.bounds.messages = watched.alike.bounds.messages;
    let mut steps: Vec<_> = judged
        .possible(world)
        .into_iter()
        .map(|step| (step, watched.after(world, &[step])))
        .collect();
    // A good end is a step too, as it were.
    if watched.every.is_settled(world) {
        let nothing = SessionStep { side: Side::A, what: What::Start };
        steps.push((nothing, Ok((watched.kind(world), Kind::Still))));
    }
    let mut known = watched.steps.borrow_mut();
    let before = known.entry(watched.kind(world)).or_insert_with(|| steps.clone());
    assert_eq!(*before, steps, "{}", watched.described(world));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn worlds_that_are_called_alike_behave_alike() {
    // All worlds of small bounds, and those of wider ones that are found first.
    for (messages, crashes, faults, limit) in [(1, [0; 2], 0, LIMIT), (1, [1; 2], 1, 20_000)] {
        let watched = Watched::new(messages, crashes, faults, same_steps);
        let states = watched.watch(limit);
        let kinds = watched.steps.into_inner().len();
        assert!(states > kinds, "{kinds} kinds of {states} worlds");
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn worlds_that_differ_in_what_is_acknowledged_behave_alike() {
    let mut watched = Watched::new(2, [0, 0], 0, same_steps);
    // Worlds that are alike are, as the test above shows; now for numbers alone.
    (watched.every, watched.named) = (watched.alike, watched.alike);
    watched.alike.bounds.messages = MESSAGES_UNBOUNDED;
    let states = watched.watch(LIMIT);
    let kinds = watched.steps.borrow().len();
    assert!(states > kinds, "{kinds} kinds of {states} worlds");
    // A search by kinds finds all of them, and no other.
    assert_eq!(check(&watched.alike, LIMIT, |_| {}).states, kinds);
}

/// A watch event while a READ is under way makes no difference before that READ's answer; nor does
/// that a READ is done, before its mailbox is changed or its answer arrives.
fn same_later(watched: &Watched, world: &World) {
    for side in SIDES {
        let flights = &world.at(side).flights;
        let is_read =
            |flight: Option<&Flight>| matches!(flight, Some(Flight::Read | Flight::ReadDone(_)));
        if flights.iter().any(|flight| is_read(Some(flight))) {
            put_off_hint(watched, world, side, is_read(flights.front()));
        }
        if is_read_next(world, side) {
            put_off_read(watched, world, side);
        }
    }
}

fn put_off_hint(watched: &Watched, world: &World, side: Side, is_read_first: bool) {
    let hint = SessionStep { side, what: What::Hint };
    let answer = SessionStep { side, what: What::Answer };
    for step in watched.every.possible(world) {
        let now = watched.after(world, &[hint, step]);
        if step == answer && is_read_first {
            // Of other kinds, because it is said each time that the event need not come.
            let later = watched.after(world, &[SessionStep { side, what: What::AnswerAfterHint }]);
            assert_eq!(now.map(|now| now.0), later.map(|later| later.0));
        } else {
            let later = either_way(watched, world, step, hint);
            assert_eq!(now, later, "{step} and the event, from {}", watched.described(world));
        }
    }
}

fn put_off_read(watched: &Watched, world: &World, side: Side) {
    let of = |what| SessionStep { side, what };
    let by = |what| SessionStep { side: side.other(), what };
    let read = of(What::Serve);
    for step in watched.every.possible(world).into_iter().filter(|step| *step != read) {
        let now = watched.after(world, &[read, step]);
        let is_write = step == by(What::Serve) && !is_read_next(world, side.other());
        let later = if is_write {
            watched.after(world, &[by(What::ServeWriteAfterRead)])
        } else if step == by(What::StaleLands) {
            watched.after(world, &[by(What::StaleLandsAfterRead)])
        } else {
            either_way(watched, world, step, read)
        };
        assert_eq!(now, later, "{step} and the READ, from {}", watched.described(world));
    }
    // The answer and a WRITE behind it have it done themselves.
    let is_first = matches!(world.at(side).flights.front(), Some(Flight::Read));
    let answer = of(What::Answer);
    if is_first {
        assert_eq!(watched.after(world, &[read, answer]), watched.after(world, &[answer]));
    }
    if world.at(side).flights.iter().any(|flight| matches!(flight, Flight::Write(_))) {
        let both = [read, of(What::Serve)];
        assert_eq!(watched.after(world, &both), watched.after(world, &[of(What::ServeWrite)]));
    }
}

/// The step, and then what was put off, unless it cannot be any more; as if it were the step.
fn either_way(watched: &Watched, world: &World, step: SessionStep, put_off: SessionStep) -> Come {
    let (_, kind) = watched.after(world, &[step])?;
    let mut next = world.clone();
    watched.every.apply(&mut next, step)?;
    let is_possible = watched.every.possible(&next).contains(&put_off)
        && (put_off.what == What::Hint || is_read_next(&next, put_off.side));
    let steps = [step, put_off];
    let (key, _) = watched.after(world, if is_possible { &steps } else { &steps[..1] })?;
    Ok((key, kind))
}

/// Whether the daemon's next request of this side is a READ.
fn is_read_next(world: &World, side: Side) -> bool {
    let is_asked = |flight: &&Flight| matches!(flight, Flight::Read | Flight::Write(_));
    matches!(world.at(side).flights.iter().find(is_asked), Some(Flight::Read))
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn what_is_put_off_comes_to_the_same_later() {
    for (messages, crashes, faults, limit) in [(0, [0; 2], 0, LIMIT), (1, [1; 2], 1, 5_000)] {
        let mut watched = Watched::new(messages, crashes, faults, same_later);
        // Worlds that are alike are, as the first test shows; now for the order of steps alone.
        watched.named = watched.alike;
        watched.watch(limit);
    }
}
