//! Which files of a package use which, and the circles among them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::modules::{Package, Segments};

/// Where a path leads.
#[derive(Clone, Copy)]
enum Target {
    Module(usize),
    /// An item that this module defines.
    Item(usize),
}

impl Package {
    fn named(
        &self,
        module: usize,
        name: &str,
        seen: &mut BTreeSet<(usize, String)>,
    ) -> Option<Target> {
        if !seen.insert((module, name.to_owned())) {
            return None;
        }
        let it = &self.modules[module];
        if let Some(child) = it.children.get(name) {
            return Some(Target::Module(*child));
        }
        if it.items.contains(name) {
            return Some(Target::Item(module));
        }
        if let Some(path) = it.uses.get(name) {
            return self.resolve(module, path, seen);
        }
        it.globs.iter().find_map(|glob| match self.resolve(module, glob, seen)? {
            Target::Module(from) => self.named(from, name, seen),
            Target::Item(_) => None,
        })
    }

    fn resolve(
        &self,
        module: usize,
        path: &[String],
        seen: &mut BTreeSet<(usize, String)>,
    ) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let root = self.roots[module];
        let mut target = match first.as_str() {
            "crate" => Target::Module(root),
            "self" => Target::Module(module),
            "super" => Target::Module(self.modules[module].parent?),
            name => match (self.named(module, name, seen), &self.library) {
                (Some(found), _) => found,
                (None, Some((library, at))) if library == name && *at != root => {
                    Target::Module(*at)
                }
                (None, _) => return None,
            },
        };
        for name in rest {
            let Target::Module(at) = target else { return Some(target) };
            target = if name == "super" {
                Target::Module(self.modules[at].parent?)
            } else if let Some(found) = self.named(at, name, seen) {
                found
            } else if self.modules[at].uses.contains_key(name) {
                // Another crate's, re-exported.
                return None;
            } else {
                // A macro made it, or is it.
                Target::Item(self.macros.get(name).copied().filter(|_| at == root).unwrap_or(at))
            };
        }
        Some(target)
    }

    fn is_below(&self, mut module: usize, above: usize) -> bool {
        while let Some(parent) = self.modules[module].parent {
            if parent == above {
                return true;
            }
            module = parent;
        }
        false
    }

    /// Which file uses which other, by one of the paths that say so.
    ///
    /// A file uses the file that defines an item it names, by whatever re-exports. Naming a module
    /// alone uses nothing, nor does declaring a child, nor re-exporting an item of a child.
    pub(crate) fn uses(&self) -> BTreeMap<(usize, usize), String> {
        let mut uses = BTreeMap::new();
        for (id, module) in self.modules.iter().enumerate() {
            for mention in &module.mentions {
                let path: &Segments = &mention.path;
                let found = self.resolve(id, path, &mut BTreeSet::new());
                let Some(Target::Item(target)) = found else { continue };
                let to = self.modules[target].file;
                if to != module.file && !(mention.is_reexport && self.is_below(target, id)) {
                    uses.entry((module.file, to)).or_insert_with(|| path.join("::"));
                }
            }
        }
        uses
    }
}

/// Groups of nodes that all lead to each other.
pub(crate) fn knots<T: Ord + Clone>(edges: &BTreeSet<(T, T)>) -> Vec<BTreeSet<T>> {
    let nodes: BTreeSet<T> = edges.iter().flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    let reach: BTreeMap<T, BTreeSet<T>> =
        nodes.iter().map(|node| (node.clone(), reachable(edges, node))).collect();
    let mut knots = BTreeSet::new();
    for node in &nodes {
        if reach[node].contains(node) {
            let back = |other: &&T| reach[*other].contains(node);
            knots.insert(reach[node].iter().filter(back).cloned().collect());
        }
    }
    knots.into_iter().collect()
}

/// The nodes that the edges lead to from this one.
pub(crate) fn reachable<T: Ord + Clone>(edges: &BTreeSet<(T, T)>, from: &T) -> BTreeSet<T> {
    let mut found = BTreeSet::new();
    let mut open = vec![from.clone()];
    while let Some(node) = open.pop() {
        for (_, to) in edges.iter().filter(|(a, _)| *a == node) {
            if found.insert(to.clone()) {
                open.push(to.clone());
            }
        }
    }
    found
}

/// The shortest circle in a knot; its first node is also its last.
pub(crate) fn circle<T: Ord + Clone>(edges: &BTreeSet<(T, T)>, knot: &BTreeSet<T>) -> Vec<T> {
    let circles = knot.iter().filter_map(|start| {
        let mut before: BTreeMap<T, T> = BTreeMap::new();
        let mut open = VecDeque::from([start.clone()]);
        while let Some(node) = open.pop_front() {
            for (_, to) in edges.iter().filter(|(a, to)| *a == node && knot.contains(to)) {
                if before.contains_key(to) {
                    continue;
                }
                before.insert(to.clone(), node.clone());
                if to != start {
                    open.push_back(to.clone());
                    continue;
                }
                let mut path = vec![start.clone()];
                let mut at = before[start].clone();
                while at != *start {
                    path.push(at.clone());
                    at = before[&at].clone();
                }
                path.push(start.clone());
                path.reverse();
                return Some(path);
            }
        }
        None
    });
    circles.min_by_key(Vec::len).expect("a knot has a circle")
}
