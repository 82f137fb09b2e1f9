//! What is asked of the graph of states after the search: from which states a good end can be
//! reached by steps that are no faults, and whether there is a loop that needs no time and writes.

/// What a step is for the judgement of liveness and of loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Happens in the end, if nothing goes wrong; needs no time to pass.
    Still,
    /// Likewise, and a WRITE goes out by it.
    Writes,
    /// Happens in the end; time passes, or dom0 acts.
    Passing,
    /// An event: need not happen, needs no time.
    Event,
    /// Likewise, and a WRITE goes out by it.
    EventWrites,
    /// A user's wish or a fault: need not happen, and not for ever.
    Free,
}

/// States by number, in the order in which they were found, and the steps between them.
#[derive(Default)]
pub struct Graph {
    /// Where the edges of each state begin; states are expanded in the order of their numbers.
    starts: Vec<usize>,
    targets: Vec<u32>,
    kinds: Vec<Kind>,
}

impl Graph {
    /// The next state is expanded.
    pub fn open(&mut self) {
        self.starts.push(self.targets.len());
    }

    /// A step from the state opened last.
    pub fn add(&mut self, target: u32, kind: Kind) {
        self.targets.push(target);
        self.kinds.push(kind);
    }

    /// How many states.
    pub fn states(&self) -> usize {
        self.starts.len()
    }

    /// How many steps, but for those that lead to something wrong.
    pub fn edges(&self) -> usize {
        self.targets.len()
    }

    fn of(&self, state: usize) -> impl Iterator<Item = (usize, Kind)> {
        let end = self.starts.get(state + 1).copied().unwrap_or(self.targets.len());
        (self.starts[state]..end).map(|edge| (self.targets[edge] as usize, self.kinds[edge]))
    }

    /// The first state from which none of `goals` can be reached by what happens in the end anyway:
    /// no fault, no wish, no event.
    pub fn first_stuck(&self, goals: &[u32]) -> Option<u32> {
        let leads = |kind| matches!(kind, Kind::Still | Kind::Writes | Kind::Passing);
        let mut starts = vec![0usize; self.states() + 1];
        for state in 0..self.states() {
            for (target, _) in self.of(state).filter(|(_, kind)| leads(*kind)) {
                starts[target + 1] += 1;
            }
        }
        for state in 0..self.states() {
            starts[state + 1] += starts[state];
        }
        let mut sources = vec![0u32; starts[self.states()]];
        let mut free = starts.clone();
        for state in 0..self.states() {
            for (target, _) in self.of(state).filter(|(_, kind)| leads(*kind)) {
                sources[free[target]] = state as u32;
                free[target] += 1;
            }
        }
        let mut is_good = vec![false; self.states()];
        let mut due = goals.to_vec();
        while let Some(state) = due.pop() {
            let state = state as usize;
            if !core::mem::replace(&mut is_good[state], true) {
                due.extend(&sources[starts[state]..starts[state + 1]]);
            }
        }
        is_good.iter().position(|good| !good).map(|state| state as u32)
    }

    /// A WRITE from the first state to the second that belongs to a loop without time, wish or
    /// fault. Events count as possible: that there is a loop even so is worse than need be.
    pub fn write_loop(&self) -> Option<(u32, u32)> {
        let component = self.components();
        (0..self.states()).find_map(|state| {
            self.of(state)
                .find(|(target, kind)| {
                    matches!(kind, Kind::Writes | Kind::EventWrites)
                        && component[*target] == component[state]
                })
                .map(|(target, _)| (state as u32, target as u32))
        })
    }

    /// Strongly connected components of the steps without time (Tarjan, "Depth-first search and
    /// linear graph algorithms", 1972), without recursion.
    fn components(&self) -> Vec<u32> {
        const NONE: u32 = u32::MAX;
        let is_still = |kind| !matches!(kind, Kind::Passing | Kind::Free);
        let count = self.states();
        let mut order = vec![NONE; count];
        let mut low = vec![NONE; count];
        let mut component = vec![NONE; count];
        let mut next = 0;
        let mut path = Vec::new();
        let mut calls: Vec<(usize, usize)> = Vec::new();
        for root in 0..count {
            if order[root] != NONE {
                continue;
            }
            calls.push((root, self.starts[root]));
            while let Some((state, edge)) = calls.pop() {
                if order[state] == NONE {
                    (order[state], low[state]) = (next, next);
                    next += 1;
                    path.push(state);
                }
                let end = self.starts.get(state + 1).copied().unwrap_or(self.targets.len());
                let mut edge = edge;
                let mut descends = false;
                while edge < end {
                    let (target, kind) = (self.targets[edge] as usize, self.kinds[edge]);
                    if is_still(kind) && order[target] == NONE {
                        calls.push((state, edge));
                        calls.push((target, self.starts[target]));
                        descends = true;
                        break;
                    }
                    if is_still(kind) && component[target] == NONE {
                        low[state] = low[state].min(low[target]);
                    }
                    edge += 1;
                }
                if descends || low[state] != order[state] {
                    continue;
                }
                while let Some(member) = path.pop() {
                    component[member] = state as u32;
                    if member == state {
                        break;
                    }
                }
            }
        }
        component
    }

    /// The shortest way from one state to another by steps without time.
    pub fn still_way(&self, from: u32, to: u32) -> Vec<u32> {
        let mut before = vec![u32::MAX; self.states()];
        let mut due = std::collections::VecDeque::from([from]);
        before[from as usize] = from;
        while let Some(state) = due.pop_front().filter(|state| *state != to) {
            for (target, kind) in self.of(state as usize) {
                let is_still = !matches!(kind, Kind::Passing | Kind::Free);
                if is_still && before[target] == u32::MAX {
                    before[target] = state;
                    due.push_back(target as u32);
                }
            }
        }
        let mut way = vec![to];
        while let Some(last) = way.last().copied().filter(|last| *last != from) {
            way.push(before[last as usize]);
        }
        way.reverse();
        way
    }
}
