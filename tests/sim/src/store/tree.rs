//! The nodes themselves: one map from absolute path to node, shared by both kinds of daemon.
//!
//! A flat ordered map suits both: C xenstored really keeps its nodes so (its child lists live in
//! the parents' records), and the walk order that matters is that of the child lists.

use std::collections::BTreeMap;

use super::permissions::{DOMAIN_ZERO, Permissions};

/// In what order DIRECTORY lists the children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildOrder {
    /// As they were created (C xenstored).
    Creation,
    /// By name (oxenstored).
    Name,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Who may do what.
    pub permissions: Permissions,
    /// Its value.
    pub value: Vec<u8>,
    /// Names of its children, in the tree's order.
    pub children: Vec<Box<str>>,
    /// The daemon's counter when it last changed.
    pub generation: u64,
}

impl Node {
    /// An empty node.
    pub fn new(permissions: Permissions, generation: u64) -> Self {
        Node { permissions, value: Vec::new(), children: Vec::new(), generation }
    }

    /// Bytes of the child list in a C record: each name and its nul.
    pub fn children_bytes(&self) -> usize {
        self.children.iter().map(|name| name.len() + 1).sum()
    }

    /// Lists a child that is not listed yet.
    pub fn list_child(&mut self, name: &str, order: ChildOrder) {
        let at = match order {
            ChildOrder::Creation => self.children.len(),
            ChildOrder::Name => self.children.partition_point(|other| **other < *name),
        };
        self.children.insert(at, name.into());
    }

    /// Takes a child off the list.
    pub fn unlist_child(&mut self, name: &str) {
        self.children.retain(|other| **other != *name);
    }
}

/// All nodes.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: BTreeMap<Box<str>, Node>,
    order: ChildOrder,
    /// How many nodes each domain is charged for. Few domains: a list is the fastest map.
    charges: Vec<(u16, i64)>,
}

impl Tree {
    /// A root that belongs to domain 0.
    pub fn new(order: ChildOrder) -> Self {
        let root = Node::new(Permissions::private(DOMAIN_ZERO), 0);
        Tree { nodes: BTreeMap::from([("/".into(), root)]), order, charges: Vec::new() }
    }

    /// The node of a path.
    pub fn node(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// The node of a path.
    pub fn node_mut(&mut self, path: &str) -> Option<&mut Node> {
        self.nodes.get_mut(path)
    }

    /// Whether the node is there.
    pub fn contains(&self, path: &str) -> bool {
        self.nodes.contains_key(path)
    }

    /// The order of child lists.
    pub fn order(&self) -> ChildOrder {
        self.order
    }

    /// Puts a node in place of whatever is at `path`; lists nothing.
    pub fn put(&mut self, path: &str, node: Node) {
        self.nodes.insert(path.into(), node);
    }

    /// Takes the node at `path` away; unlists nothing.
    pub fn take(&mut self, path: &str) -> Option<Node> {
        self.nodes.remove(path)
    }

    /// Adds a node under a parent that exists, and lists it there.
    pub fn add(&mut self, path: &str, node: Node) {
        let order = self.order;
        let (parent, name) = split(path);
        let parent = self.nodes.get_mut(parent).expect("the caller made the parent first");
        parent.list_child(name, order);
        self.nodes.insert(path.into(), node);
    }

    /// Every path at and below `path`, parents before children, in the order of the child lists.
    pub fn subtree(&self, path: &str) -> Vec<Box<str>> {
        let mut paths: Vec<Box<str>> = Vec::new();
        self.collect(path, &mut paths);
        paths
    }

    fn collect(&self, path: &str, into: &mut Vec<Box<str>>) {
        let Some(node) = self.nodes.get(path) else { return };
        into.push(path.into());
        for name in &node.children {
            self.collect(&child_path(path, name), into);
        }
    }

    /// How many nodes `owner` is charged for.
    pub fn charged(&self, owner: u16) -> i64 {
        let entry = self.charges.iter().find(|(domain, _)| *domain == owner);
        entry.map_or(0, |(_, count)| *count)
    }

    /// Charges `owner` for `more` nodes, or for fewer if that is negative.
    pub fn charge(&mut self, owner: u16, more: i64) {
        match self.charges.iter_mut().find(|(domain, _)| *domain == owner) {
            Some((_, count)) => *count += more,
            None => self.charges.push((owner, more)),
        }
    }

    /// Forgets what `owner` is charged for.
    pub fn forgive(&mut self, owner: u16) {
        self.charges.retain(|(domain, _)| *domain != owner);
    }

    /// Every owner and what it is charged for.
    pub fn charges(&self) -> &[(u16, i64)] {
        &self.charges
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: the root is always there.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Every path and node, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (&**path, node))
    }
}

/// Parent path and last component of an absolute path that is not the root.
pub fn split(path: &str) -> (&str, &str) {
    let at = path.rfind('/').expect("an absolute path");
    (if at == 0 { "/" } else { &path[..at] }, &path[at + 1..])
}

/// The path of a child.
pub fn child_path(parent: &str, name: &str) -> String {
    if parent == "/" { format!("/{name}") } else { format!("{parent}/{name}") }
}

/// Whether `path` is `above` or lies below it.
pub fn is_at_or_below(path: &str, above: &str) -> bool {
    if above == "/" {
        return true;
    }
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn child_lists_keep_the_order_of_their_daemon() {
        for (order, wanted) in [(ChildOrder::Creation, "zam"), (ChildOrder::Name, "amz")] {
            let mut tree = Tree::new(order);
            for name in ["/z", "/a", "/m"] {
                tree.add(name, Node::new(Permissions::private(0), 0));
            }
            let listed: String =
                tree.node("/").expect("root").children.iter().map(|name| &**name).collect();
            assert_eq!(listed, wanted);
        }
    }

    #[test]
    fn a_name_that_only_begins_alike_is_not_below() {
        assert!(is_at_or_below("/a/b", "/a"));
        assert!(is_at_or_below("/a", "/a"));
        assert!(!is_at_or_below("/ab", "/a"));
        assert!(is_at_or_below("/ab", "/"));
    }
}
