//! Requests on nodes: WRITE, MKDIR, RM, SET_PERMS, READ, GET_PERMS, DIRECTORY and its parts.
//!
//! Each returns the events that it causes in [`Fire`]s; whoever called sends them, before the
//! reply, as C xenstored does.

use super::super::limits::PERMISSIONS_MAX_C;
use super::super::permissions::{DOMAIN_ZERO, Permissions};
use super::super::transaction::Scope;
use super::super::tree::{Node, child_path, split};
use super::super::wire::{Errno, PAYLOAD_BYTES_MAX};
use super::view::{Need, View, adjusted, is_too_large, record_bytes};

/// An event to be sent to whoever may see it.
#[derive(Clone, Debug)]
pub(crate) struct Fire {
    /// What changed.
    pub(crate) path: Box<str>,
    /// How the event spreads.
    pub(crate) scope: Scope,
    /// The node's permissions and its parent's, if the node is gone now.
    pub(crate) gone: Option<[Permissions; 2]>,
    /// Permissions before a change of them.
    pub(crate) old: Option<Permissions>,
}

impl Fire {
    /// The node is still there and its permissions are the same.
    pub(crate) fn changed(path: &str) -> Fire {
        Fire { path: path.into(), scope: Scope::Above, gone: None, old: None }
    }
}

impl View<'_> {
    /// WRITE.
    pub(crate) fn write(&mut self, path: &str, value: &[u8]) -> Result<Fire, Errno> {
        match self.get(path, Need::Write) {
            Err(Errno::Enoent) => self.create(path, value)?,
            Err(error) => return Err(error),
            Ok(()) => {
                let node = self.peek(path).expect("got it");
                let bytes = record_bytes(
                    node.permissions.entries().len(),
                    value.len(),
                    node.children_bytes(),
                );
                if is_too_large(self.who, bytes) {
                    self.fail();
                    return Err(Errno::Enospc);
                }
                let node = self.edit(path);
                node.value.clear();
                node.value.extend_from_slice(value);
            }
        }
        Ok(Fire::changed(path))
    }

    /// MKDIR: nothing happens if the node is there.
    pub(crate) fn make_directory(&mut self, path: &str) -> Result<Option<Fire>, Errno> {
        match self.get(path, Need::Write) {
            Err(Errno::Enoent) => {
                self.create(path, &[])?;
                Ok(Some(Fire::changed(path)))
            }
            Err(error) => Err(error),
            Ok(()) => Ok(None),
        }
    }

    /// Makes a node and the directories above it.
    fn create(&mut self, path: &str, value: &[u8]) -> Result<(), Errno> {
        // The missing ones, the node itself first, and the lowest ancestor that is there.
        let mut missing = vec![path];
        let mut above = split(path).0;
        while !self.touch(above)? {
            missing.push(above);
            above = split(above).0;
        }
        if let Some(overlay) = &mut self.overlay {
            overlay.created = true;
        }
        let ancestor = adjusted(self.domains, self.peek(above).expect("touched and there"));
        let mut permissions = ancestor.permissions.clone();
        if self.who != DOMAIN_ZERO {
            permissions.set_owner(self.who);
        }
        let entries = permissions.entries().len();
        let mut below: Option<&str> = None;
        for (count, new) in missing.iter().enumerate() {
            let charged =
                self.tree.charged(self.who) + if self.overlay.is_none() { count as i64 } else { 0 };
            let children = below.map_or(0, |below| split(below).1.len() + 1);
            let bytes = record_bytes(entries, if count == 0 { value.len() } else { 0 }, children);
            let over_quota = self.who != DOMAIN_ZERO && charged >= self.nodes_max;
            if over_quota || is_too_large(self.who, bytes) {
                if count > 0 || !over_quota {
                    self.fail();
                }
                return Err(Errno::Enospc);
            }
            below = Some(new);
        }
        let top = missing[missing.len() - 1];
        let bytes = record_bytes(
            ancestor.permissions.entries().len(),
            ancestor.value.len(),
            ancestor.children_bytes() + split(top).1.len() + 1,
        );
        if is_too_large(self.who, bytes) {
            self.fail();
            return Err(Errno::Enospc);
        }
        self.build(&missing, above, &permissions, value);
        Ok(())
    }

    fn build(&mut self, missing: &[&str], above: &str, permissions: &Permissions, value: &[u8]) {
        let order = self.tree.order();
        let owner = permissions.owner();
        let mut below: Option<&str> = None;
        for new in missing {
            let mut node = Node::new(permissions.clone(), 0);
            match below {
                None => node.value.extend_from_slice(value),
                Some(below) => node.list_child(split(below).1, order),
            }
            self.place(new, node);
            self.charge(owner, 1);
            below = Some(new);
        }
        let top = below.expect("at least the node itself");
        self.edit(above).list_child(split(top).1, order);
    }

    /// RM: with everything below, whoever owns it; of an absent node, fine if its parent is there.
    pub(crate) fn remove(&mut self, path: &str) -> Result<Vec<Fire>, Errno> {
        match self.get(path, Need::Write) {
            Err(Errno::Enoent) => {
                let parent_there = self.touch(split(path).0)?;
                return if parent_there { Ok(Vec::new()) } else { Err(Errno::Enoent) };
            }
            Err(error) => return Err(error),
            Ok(()) if path == "/" => return Err(Errno::Einval),
            Ok(()) => {}
        }
        self.remove_subtree(path)
    }

    /// Removes the subtree of a node that is there, children first.
    pub(crate) fn remove_subtree(&mut self, path: &str) -> Result<Vec<Fire>, Errno> {
        if !self.touch(split(path).0)? {
            return Err(Errno::Einval);
        }
        let mut fires = Vec::new();
        self.remove_below(path, path, &mut fires)?;
        let (parent, name) = split(path);
        self.edit(parent).unlist_child(name);
        Ok(fires)
    }

    fn remove_below(&mut self, path: &str, root: &str, fires: &mut Vec<Fire>) -> Result<(), Errno> {
        self.touch(path)?;
        let children = self.peek(path).map(|node| node.children.clone()).unwrap_or_default();
        for name in &children {
            self.remove_below(&child_path(path, name), root, fires)?;
            self.edit(path).unlist_child(name);
        }
        let node = self.peek(path).expect("listed, so there");
        let owner = node.permissions.owner();
        let gone = adjusted(self.domains, node).permissions;
        let parent = self.peek(split(path).0).expect("the parent of a node is there");
        let parent = adjusted(self.domains, parent).permissions;
        let scope = if path == root { Scope::Above } else { Scope::Exact };
        fires.push(Fire { path: path.into(), scope, gone: Some([gone, parent]), old: None });
        self.displace(path);
        self.charge(owner, -1);
        Ok(())
    }

    /// SET_PERMS, with the ignored entries marked already.
    pub(crate) fn set_permissions(&mut self, path: &str, new: Permissions) -> Result<Fire, Errno> {
        self.get(path, Need::Own)?;
        let node = self.peek(path).expect("got it");
        if self.who != DOMAIN_ZERO && new.owner() != node.permissions.owner() {
            return Err(Errno::Eperm);
        }
        let old = adjusted(self.domains, node).permissions;
        let bytes = record_bytes(new.entries().len(), node.value.len(), node.children_bytes());
        if is_too_large(self.who, bytes) {
            self.fail();
            return Err(Errno::Enospc);
        }
        let owner = new.owner();
        self.edit(path).permissions = new;
        self.charge(old.owner(), -1);
        self.charge(owner, 1);
        Ok(Fire { old: Some(old), ..Fire::changed(path) })
    }

    /// READ.
    pub(crate) fn read(&mut self, path: &str, into: &mut Vec<u8>) -> Result<(), Errno> {
        self.get(path, Need::Read)?;
        into.extend_from_slice(&self.peek(path).expect("got it").value);
        Ok(())
    }

    /// GET_PERMS: shows ignored entries too.
    pub(crate) fn get_permissions(&mut self, path: &str, into: &mut Vec<u8>) -> Result<(), Errno> {
        self.get(path, Need::Read)?;
        self.peek(path).expect("got it").permissions.emit(into, i64::from);
        Ok(())
    }

    /// DIRECTORY.
    pub(crate) fn directory(&mut self, path: &str, into: &mut Vec<u8>) -> Result<(), Errno> {
        self.get(path, Need::Read)?;
        list(self.peek(path).expect("got it"), into);
        Ok(())
    }

    /// DIRECTORY_PART: generation, then as many whole names from `offset` on as fit.
    pub(crate) fn directory_part(
        &mut self,
        path: &str,
        offset: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), Errno> {
        self.get(path, Need::Read)?;
        let node = self.peek(path).expect("got it");
        let mut names = Vec::new();
        list(node, &mut names);
        into.extend_from_slice(format!("{}\0", node.generation).as_bytes());
        let rest = names.get(offset..).unwrap_or(&[]);
        if rest.is_empty() {
            into.push(0);
            return Ok(());
        }
        let room = PAYLOAD_BYTES_MAX - into.len() - 1;
        let mut taken = 0;
        for name in rest.split_inclusive(|byte| *byte == 0) {
            if taken + name.len() > room {
                break;
            }
            taken += name.len();
        }
        into.extend_from_slice(&rest[..taken]);
        if taken == rest.len() {
            into.push(0);
        }
        Ok(())
    }
}

fn list(node: &Node, into: &mut Vec<u8>) {
    for name in &node.children {
        into.extend_from_slice(name.as_bytes());
        into.push(0);
    }
}

/// The permissions of a SET_PERMS payload behind its path, before anybody judges them.
pub(crate) fn parse_permissions(payload: &[u8], who: u16) -> Result<Permissions, Errno> {
    let count = payload.iter().filter(|byte| **byte == 0).count();
    if count == 0 {
        return Err(Errno::Einval);
    }
    if who != DOMAIN_ZERO && count > PERMISSIONS_MAX_C {
        return Err(Errno::Enospc);
    }
    Permissions::parse(payload)
}
