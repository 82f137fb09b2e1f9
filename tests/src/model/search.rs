//! The search: breadth first from the world in which nobody has started, so that whatever is found
//! is found by a shortest way. Only worlds still to be expanded are kept whole; a way is told again
//! from its steps.

use core::panic::AssertUnwindSafe;
use std::collections::VecDeque;
use std::panic::catch_unwind;

use super::apply::{Wrong, apply};
use super::broken::Broken;
use super::graph::Graph;
use super::key::{Key, KeyMap, key};
use super::step::{Kind, Step, possible};
use super::world::{Bounds, SIDES, World};

/// What the search has found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A step led to what must not be.
    Unsafe(Wrong),
    /// An assertion of the endpoint failed.
    Panicked,
    /// From here no faultless way leads to both up and everything delivered.
    Stuck,
    /// Without time passing there is a way back here, and it writes.
    WritesForEver,
}

/// What came of a search.
#[derive(Debug)]
pub struct Outcome {
    /// Different worlds.
    pub states: usize,
    /// Steps between them.
    pub edges: usize,
    /// The longest shortest way.
    pub depth: u32,
    /// Worlds in which both are up and everything is delivered.
    pub settled: usize,
    /// Whether everything within the bounds was seen.
    pub is_complete: bool,
    /// What is wrong, and how it comes about, one line a step.
    pub finding: Option<(Finding, Vec<String>)>,
}

/// How a state was first found.
#[derive(Clone, Copy)]
struct Origin {
    parent: u32,
    step: Step,
}

struct Search<'a> {
    bounds: &'a Bounds,
    broken: Broken,
    known: KeyMap<u32>,
    origins: Vec<Option<Origin>>,
    frontier: VecDeque<(World, u32)>,
    graph: Graph,
    settled: Vec<u32>,
    depth: u32,
}

/// Checks a machine within bounds. `progress` is told the number of states now and then.
pub fn check(bounds: &Bounds, broken: Broken, mut progress: impl FnMut(usize)) -> Outcome {
    let mut search = Search {
        bounds,
        broken,
        known: KeyMap::default(),
        origins: Vec::new(),
        frontier: VecDeque::new(),
        graph: Graph::default(),
        settled: Vec::new(),
        depth: 0,
    };
    let mut first = World::new(bounds);
    let first_key = key(&mut first);
    search.number(first_key, first, None, 0);
    let mut finding = None;
    let mut is_complete = true;
    while let Some((world, depth)) = search.frontier.pop_front() {
        if search.graph.states().is_multiple_of(4096) {
            progress(search.known.len());
        }
        if search.known.len() > bounds.states {
            is_complete = false;
            break;
        }
        finding = search.expand(&world, depth);
        if finding.is_some() {
            is_complete = false;
            break;
        }
    }
    if is_complete {
        finding = search.judge();
    }
    Outcome {
        states: search.known.len(),
        edges: search.graph.edges(),
        depth: search.depth,
        settled: search.settled.len(),
        is_complete,
        finding,
    }
}

impl Search<'_> {
    fn apply(&self, world: &mut World, step: Step) -> Result<Kind, Wrong> {
        apply(world, step, self.bounds.granting, self.broken)
    }

    fn number(&mut self, key: Key, world: World, origin: Option<Origin>, depth: u32) -> u32 {
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let number = u32::try_from(self.origins.len()).expect("more states than memory holds");
        self.known.insert(key, number);
        self.origins.push(origin);
        if world.is_settled() {
            self.settled.push(number);
        }
        self.depth = self.depth.max(depth);
        self.frontier.push_back((world, depth));
        number
    }

    fn expand(&mut self, world: &World, depth: u32) -> Option<(Finding, Vec<String>)> {
        let parent = self.graph.states() as u32;
        self.graph.open();
        for step in possible(world, self.bounds, self.broken) {
            let mut next = world.clone();
            let done = catch_unwind(AssertUnwindSafe(|| self.apply(&mut next, step)));
            let finding = match done {
                Ok(Ok(kind)) => {
                    let name = key(&mut next);
                    let origin = Origin { parent, step };
                    let target = self.number(name, next, Some(origin), depth + 1);
                    self.graph.add(target, kind);
                    continue;
                }
                Ok(Err(wrong)) => Finding::Unsafe(wrong),
                Err(_) => Finding::Panicked,
            };
            let mut way = self.way(parent);
            way.push(step.to_string());
            return Some((finding, way));
        }
        None
    }

    fn judge(&self) -> Option<(Finding, Vec<String>)> {
        if let Some(stuck) = self.graph.first_stuck(&self.settled) {
            return Some((Finding::Stuck, self.way(stuck)));
        }
        let (from, to) = self.graph.write_loop()?;
        let mut way = self.way(from);
        way.push("from here round and round:".into());
        let mut states = vec![from];
        states.extend(self.graph.still_way(to, from));
        way.extend(self.told(&states));
        Some((Finding::WritesForEver, way))
    }

    /// The steps by which a state was first reached.
    fn way(&self, state: u32) -> Vec<String> {
        let mut steps = Vec::new();
        let mut state = state;
        while let Some(origin) = self.origins[state as usize] {
            steps.push(origin.step);
            state = origin.parent;
        }
        steps.reverse();
        let mut world = World::new(self.bounds);
        key(&mut world);
        let mut lines = Vec::new();
        for step in steps {
            // It went well when it was found.
            let _ = self.apply(&mut world, step);
            key(&mut world);
            lines.push(format!("{:<45} {}", step.to_string(), told(&world)));
        }
        lines
    }

    /// The steps between states that follow one another.
    fn told(&self, states: &[u32]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut world = self.world(states[0]);
        for pair in states.windows(2) {
            let next = possible(&world, self.bounds, self.broken).into_iter().find_map(|step| {
                let mut next = world.clone();
                let kind = self.apply(&mut next, step).ok()?;
                let is_it = self.known.get(&key(&mut next)) == Some(&pair[1]);
                (is_it && kind != Kind::Free && kind != Kind::Passing).then_some((step, next))
            });
            let Some((step, next)) = next else { break };
            lines.push(format!("{:<45} {}", step.to_string(), told(&next)));
            world = next;
        }
        lines
    }

    fn world(&self, state: u32) -> World {
        let Some(origin) = self.origins[state as usize] else {
            let mut world = World::new(self.bounds);
            key(&mut world);
            return world;
        };
        let mut world = self.world(origin.parent);
        let _ = self.apply(&mut world, origin.step);
        key(&mut world);
        world
    }
}

/// Both sides in a line: epoch, peer's epoch, up or not, what is delivered, acknowledged and sent.
fn told(world: &World) -> String {
    let sides = SIDES.map(|side| match world.end(side) {
        None => format!("{side:?} dead"),
        Some(end) => {
            let peer = end.peer_epoch().map_or("-".into(), |peer| peer.bits().to_string());
            let up = if end.is_up() { "up" } else { "down" };
            let (delivered, acked, sent) = (end.delivered().0, end.acked().0, end.sent().0);
            format!("{side:?} {}>{peer} {up} {delivered}/{acked}/{sent}", end.epoch().bits())
        }
    });
    sides.join("   ")
}
