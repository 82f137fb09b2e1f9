//! The nodes of the daemon in memory: values, permissions and the trace of a transaction.
//! Small and slow on purpose: every operation is a few lines over a map from path to node.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::Errno;
use xen_types::DomId;

use crate::permission::{Access, Permission};

pub(super) type Nodes = BTreeMap<String, Node>;

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Vec<u8>,
    pub(super) permissions: Vec<Permission>,
    /// Changes with every change of the node or of its list of children.
    pub(super) generation: u64,
}

/// The nodes that an operation accessed, with their generations, and the nodes that it changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    pub(super) touched: BTreeMap<String, Option<u64>>,
    pub(super) changed: Vec<String>,
}

/// The nodes as one caller sees them, plain or in a transaction.
pub(super) struct View<'a> {
    pub(super) nodes: &'a mut Nodes,
    pub(super) trace: &'a mut Trace,
    pub(super) caller: DomId,
    pub(super) generation: &'a mut u64,
}

impl Node {
    fn allows(&self, domain: DomId, wanted: Access) -> bool {
        let Some((owner, others)) = self.permissions.split_first() else { return false };
        if domain == DomId(0) || domain == owner.domain {
            return true;
        }
        let entry = others.iter().find(|entry| entry.domain == domain).unwrap_or(owner);
        entry.access == wanted || entry.access == Access::Both
    }
}

pub(super) fn parent_of(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

/// Whether `path` is `below` or lies below it.
pub(super) fn is_below(path: &str, below: &str) -> bool {
    below == "/"
        || path.strip_prefix(below).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl View<'_> {
    pub(super) fn read(&mut self, path: &str) -> Result<Vec<u8>, Errno> {
        Ok(self.find(path, Access::Read)?.value.clone())
    }

    pub(super) fn write(&mut self, path: &str, value: &[u8]) -> Result<(), Errno> {
        match self.find(path, Access::Write) {
            Ok(_) => {}
            Err(Errno::Enoent) => self.create(path)?,
            Err(errno) => return Err(errno),
        }
        self.change(path, |node| node.value = value.to_owned());
        Ok(())
    }

    pub(super) fn make_directory(&mut self, path: &str) -> Result<(), Errno> {
        match self.find(path, Access::Write) {
            Err(Errno::Enoent) => self.create(path),
            other => other.map(|_| ()),
        }
    }

    pub(super) fn remove(&mut self, path: &str) -> Result<(), Errno> {
        match self.find(path, Access::Write).map(|_| ()) {
            Ok(()) => {}
            Err(Errno::Enoent) if self.nodes.contains_key(parent_of(path)) => return Ok(()),
            Err(errno) => return Err(errno),
        }
        let doomed: Vec<String> =
            self.nodes.keys().filter(|node| is_below(node, path)).cloned().collect();
        for node in doomed {
            self.touch(&node);
            self.nodes.remove(&node);
        }
        self.trace.changed.push(path.to_owned());
        self.renew(parent_of(path));
        Ok(())
    }

    /// The children's names, each with a NUL, and the node's generation.
    pub(super) fn directory(&mut self, path: &str) -> Result<(Vec<u8>, u64), Errno> {
        let generation = self.find(path, Access::Read)?.generation;
        let mut names = Vec::new();
        for node in self.nodes.keys().filter(|node| *node != "/" && parent_of(node) == path) {
            let name = node.rsplit_once('/').map_or("", |(_, name)| name);
            names.extend_from_slice(name.as_bytes());
            names.push(0);
        }
        Ok((names, generation))
    }

    pub(super) fn permissions(&mut self, path: &str) -> Result<Vec<Permission>, Errno> {
        Ok(self.find(path, Access::Read)?.permissions.clone())
    }

    pub(super) fn set_permissions(
        &mut self,
        path: &str,
        permissions: Vec<Permission>,
    ) -> Result<(), Errno> {
        let owner = self.find(path, Access::Write)?.permissions.first().map(|entry| entry.domain);
        let is_owner = owner == Some(self.caller);
        let keeps_owner = permissions.first().map(|entry| entry.domain) == owner;
        if self.caller != DomId(0) && !(is_owner && keeps_owner) {
            return Err(Errno::Eperm);
        }
        self.change(path, |node| node.permissions = permissions);
        Ok(())
    }

    fn find(&mut self, path: &str, wanted: Access) -> Result<&Node, Errno> {
        self.touch(path);
        match self.nodes.get(path) {
            None => Err(Errno::Enoent),
            Some(node) if node.allows(self.caller, wanted) => Ok(node),
            Some(_) => Err(Errno::Eacces),
        }
    }

    /// Creates a node and the parents that it lacks.
    fn create(&mut self, path: &str) -> Result<(), Errno> {
        let parent = parent_of(path).to_owned();
        match self.find(&parent, Access::Write) {
            Ok(_) => {}
            Err(Errno::Enoent) => self.create(&parent)?,
            Err(errno) => return Err(errno),
        }
        let inherited = self.nodes.get(&parent).map(|node| node.permissions.clone());
        let mut permissions = inherited.unwrap_or_default();
        if let Some(owner) = permissions.first_mut().filter(|_| self.caller != DomId(0)) {
            owner.domain = self.caller;
        }
        let generation = self.renew(&parent);
        let node = Node { value: Vec::new(), permissions, generation };
        self.nodes.insert(path.to_owned(), node);
        self.trace.changed.push(path.to_owned());
        Ok(())
    }

    fn change(&mut self, path: &str, how: impl FnOnce(&mut Node)) {
        self.renew(path);
        if let Some(node) = self.nodes.get_mut(path) {
            how(node);
        }
        self.trace.changed.push(path.to_owned());
    }

    fn renew(&mut self, path: &str) -> u64 {
        self.touch(path);
        *self.generation += 1;
        if let Some(node) = self.nodes.get_mut(path) {
            node.generation = *self.generation;
        }
        *self.generation
    }

    fn touch(&mut self, path: &str) {
        let generation = self.nodes.get(path).map(|node| node.generation);
        self.trace.touched.entry(path.to_owned()).or_insert(generation);
    }
}
