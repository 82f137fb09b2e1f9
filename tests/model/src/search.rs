//! The search: breadth first from the world in which nobody has started, so that whatever is found
//! is found by a shortest way. Only worlds still to be expanded are kept whole; a way is told again
//! from its steps.

use core::fmt::Display;
use core::panic::AssertUnwindSafe;
use std::collections::VecDeque;
use std::panic::catch_unwind;

use crate::finding::{Finding, Wrong};
use crate::graph::{Graph, Kind};
use crate::key::{Key, KeyMap};

/// What can be searched: a world and everything that may happen in it.
pub trait Model {
    /// Everything, at one moment. Copied for each step.
    type World: Clone;
    /// One thing that happens.
    type Step: Copy + Display;

    /// Before anything has happened.
    fn first(&self) -> Self::World;
    /// Everything that may happen next.
    fn possible(&self, world: &Self::World) -> Vec<Self::Step>;
    /// Does a step, and says of what kind it was.
    ///
    /// # Errors
    /// What went wrong by it.
    fn apply(&self, world: &mut Self::World, step: Self::Step) -> Result<Kind, Wrong>;
    /// The world's name. Two worlds of one name behave alike.
    fn key(&self, world: &mut Self::World) -> Key;
    /// Whether this is a good end.
    fn is_settled(&self, world: &Self::World) -> bool;
    /// The world in a line.
    fn described(&self, world: &Self::World) -> String;
}

/// What came of a search.
#[derive(Debug)]
pub struct SearchResult {
    /// Different worlds.
    pub states: usize,
    /// Steps between them.
    pub edges: usize,
    /// The longest shortest way.
    pub depth: u32,
    /// Worlds that are a good end.
    pub settled: usize,
    /// Whether everything within the bounds was seen.
    pub is_complete: bool,
    /// What is wrong, and how it comes about, one line a step.
    pub finding: Option<(Finding, Vec<String>)>,
}

/// How a state was first found.
#[derive(Clone, Copy)]
struct Origin<S> {
    parent: u32,
    step: S,
}

struct Search<'a, M: Model> {
    model: &'a M,
    known: KeyMap<u32>,
    origins: Vec<Option<Origin<M::Step>>>,
    frontier: VecDeque<(M::World, u32)>,
    graph: Graph,
    settled: Vec<u32>,
    depth: u32,
}

/// Checks a model, and stops as incomplete beyond `limit` states. `progress` is told the number of
/// states now and then.
pub fn check<M: Model>(model: &M, limit: usize, mut progress: impl FnMut(usize)) -> SearchResult {
    let mut search = Search {
        model,
        known: KeyMap::default(),
        origins: Vec::new(),
        frontier: VecDeque::new(),
        graph: Graph::default(),
        settled: Vec::new(),
        depth: 0,
    };
    let mut first = model.first();
    let first_key = model.key(&mut first);
    search.number(first_key, first, None, 0);
    let mut finding = None;
    let mut is_complete = true;
    while let Some((world, depth)) = search.frontier.pop_front() {
        if search.graph.states().is_multiple_of(4096) {
            progress(search.known.len());
        }
        if search.known.len() > limit {
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
    SearchResult {
        states: search.known.len(),
        edges: search.graph.edges(),
        depth: search.depth,
        settled: search.settled.len(),
        is_complete,
        finding,
    }
}

impl<M: Model> Search<'_, M> {
    fn number(
        &mut self,
        key: Key,
        world: M::World,
        origin: Option<Origin<M::Step>>,
        depth: u32,
    ) -> u32 {
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let number = u32::try_from(self.origins.len()).expect("more states than memory holds");
        self.known.insert(key, number);
        self.origins.push(origin);
        if self.model.is_settled(&world) {
            self.settled.push(number);
        }
        self.depth = self.depth.max(depth);
        self.frontier.push_back((world, depth));
        number
    }

    fn expand(&mut self, world: &M::World, depth: u32) -> Option<(Finding, Vec<String>)> {
        let parent = self.graph.states() as u32;
        self.graph.open();
        for step in self.model.possible(world) {
            let mut next = world.clone();
            let done = catch_unwind(AssertUnwindSafe(|| self.model.apply(&mut next, step)));
            let finding = match done {
                Ok(Ok(kind)) => {
                    let name = self.model.key(&mut next);
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
        way.extend(self.described(&states));
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
        let mut world = self.model.first();
        self.model.key(&mut world);
        let mut lines = Vec::new();
        for step in steps {
            // It went well when it was found.
            let _ = self.model.apply(&mut world, step);
            self.model.key(&mut world);
            lines.push(format!("{:<45} {}", step.to_string(), self.model.described(&world)));
        }
        lines
    }

    /// The steps between states that follow one another.
    fn described(&self, states: &[u32]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut world = self.world(states[0]);
        for pair in states.windows(2) {
            let next = self.model.possible(&world).into_iter().find_map(|step| {
                let mut next = world.clone();
                let kind = self.model.apply(&mut next, step).ok()?;
                let is_it = self.known.get(&self.model.key(&mut next)) == Some(&pair[1]);
                (is_it && kind != Kind::Free && kind != Kind::Passing).then_some((step, next))
            });
            let Some((step, next)) = next else { break };
            lines.push(format!("{:<45} {}", step.to_string(), self.model.described(&next)));
            world = next;
        }
        lines
    }

    fn world(&self, state: u32) -> M::World {
        let Some(origin) = self.origins[state as usize] else {
            let mut world = self.model.first();
            self.model.key(&mut world);
            return world;
        };
        let mut world = self.world(origin.parent);
        let _ = self.model.apply(&mut world, origin.step);
        self.model.key(&mut world);
        world
    }
}
