//! Requests on nodes in oxenstored, on the live tree or on a transaction's.
//!
//! Unlike C xenstored it tells anybody that a node is absent; a new node belongs to its *parent's*
//! owner, who is charged for it; and a value may fill the whole size quota.

use super::super::limits::{NODE_BYTES_MAX, PATH_BYTES_MAX_OCAML};
use super::super::permissions::{Access, DOMAIN_ZERO, Permissions};
use super::super::transaction::{Change, Changed, Log};
use super::super::tree::{Node, Tree, split};
use super::super::wire::Errno;

/// A tree, what is noted about it, and who works on it.
pub(crate) struct Work<'a> {
    /// The tree.
    pub(crate) tree: &'a mut Tree,
    /// The notes.
    pub(crate) log: &'a mut Log,
    /// Who asks.
    pub(crate) who: u16,
    /// Nodes that a domain may have.
    pub(crate) nodes_max: i64,
}

/// Whether `who` may do `wanted` under these permissions.
pub(crate) fn allows(permissions: &Permissions, who: u16, wanted: Access) -> bool {
    who == DOMAIN_ZERO
        || permissions.owner() == who
        || permissions.access_of(who, |_| true).grants(wanted)
}

impl Work<'_> {
    fn check(&self, path: &str, wanted: Access) -> Result<(), Errno> {
        let node = self.tree.node(path).ok_or(Errno::Enoent)?;
        if allows(&node.permissions, self.who, wanted) { Ok(()) } else { Err(Errno::Eacces) }
    }

    fn deepest(&self, path: &str) -> &Node {
        let mut at = path;
        loop {
            if let Some(node) = self.tree.node(at) {
                return node;
            }
            at = split(at).0;
        }
    }

    fn check_quota(&self, path: &str) -> Result<(), Errno> {
        let owner = self.deepest(path).permissions.owner();
        let full = owner != DOMAIN_ZERO && self.tree.charged(owner) >= self.nodes_max;
        if full && self.who != DOMAIN_ZERO { Err(Errno::Equota) } else { Ok(()) }
    }

    fn create(&mut self, path: &str, value: &[u8]) -> Result<(), Errno> {
        let parent = split(path).0;
        self.check(parent, Access::Write)?;
        let permissions = self.tree.node(parent).expect("checked").permissions.clone();
        let owner = permissions.owner();
        let mut node = Node::new(permissions, 0);
        node.value.extend_from_slice(value);
        self.tree.add(path, node);
        self.tree.charge(owner, 1);
        self.log.renewed.push(path.into());
        Ok(())
    }

    fn make_implicitly(&mut self, path: &str) -> Result<(), Errno> {
        let parent = parent_of(path);
        if self.tree.contains(parent) {
            return Ok(());
        }
        self.make_implicitly(parent)?;
        self.check_quota(parent)?;
        self.create(parent, &[])?;
        note(&mut self.log.written_at, parent_of(parent));
        Ok(())
    }

    /// WRITE.
    pub(crate) fn write(&mut self, path: &str, value: &[u8]) -> Result<(), Errno> {
        self.make_implicitly(path)?;
        let existed = self.tree.contains(path);
        if value.len() > NODE_BYTES_MAX {
            return Err(Errno::E2big);
        }
        if existed {
            self.check(path, Access::Write)?;
            let node = self.tree.node_mut(path).expect("it is there");
            let same = node.value == value;
            node.value.clear();
            node.value.extend_from_slice(value);
            // The same value leaves the same node, but in a new parent.
            let renewed = if same { parent_of(path) } else { path };
            self.log.renewed.push(renewed.into());
            note(&mut self.log.written_at, path);
        } else {
            self.check_quota(path)?;
            self.create(path, value)?;
            note(&mut self.log.written_at, parent_of(path));
        }
        self.changed(Change::Written, path, Vec::new());
        Ok(())
    }

    /// MKDIR: nothing happens if the node is there.
    pub(crate) fn make_directory(&mut self, path: &str) -> Result<(), Errno> {
        if path == "/" {
            // Nobody is asked (store.ml, path_mkdir).
            self.changed(Change::Written, path, Vec::new());
            return Ok(());
        }
        self.make_implicitly(path)?;
        if self.tree.contains(path) {
            return self.check(path, Access::Write);
        }
        self.check_quota(path)?;
        self.create(path, &[])?;
        note(&mut self.log.written_at, parent_of(path));
        self.changed(Change::Written, path, Vec::new());
        Ok(())
    }

    /// RM: fine if the node is absent and its parent is there.
    pub(crate) fn remove(&mut self, path: &str) -> Result<(), Errno> {
        if !self.tree.contains(path) {
            return if self.tree.contains(parent_of(path)) { Ok(()) } else { Err(Errno::Enoent) };
        }
        self.check(path, Access::Write)?;
        if path == "/" {
            // It would empty the store; only domain 0 may, and nobody does.
            return Err(Errno::Einval);
        }
        let before = self.take_subtree(path);
        let parent = parent_of(path);
        self.log.renewed.push(parent.into());
        note(&mut self.log.written_at, parent);
        self.changed(Change::Removed, path, before);
        Ok(())
    }

    /// Takes a subtree out of the tree; what its permissions were.
    pub(crate) fn take_subtree(&mut self, path: &str) -> Vec<(Box<str>, Permissions)> {
        let (parent, name) = split(path);
        let mut before = Vec::new();
        for gone in self.tree.subtree(path) {
            let node = self.tree.take(&gone).expect("it was listed");
            self.tree.charge(node.permissions.owner(), -1);
            before.push((gone, node.permissions));
        }
        if let Some(parent) = self.tree.node_mut(parent) {
            parent.unlist_child(name);
        }
        before
    }

    /// SET_PERMS.
    pub(crate) fn set_permissions(&mut self, path: &str, new: Permissions) -> Result<(), Errno> {
        let node = self.tree.node(path).ok_or(Errno::Enoent)?;
        let old = node.permissions.clone();
        let owns = self.who == DOMAIN_ZERO || old.owner() == self.who;
        let gives_away = old.owner() != new.owner() && self.who != DOMAIN_ZERO;
        if !owns || gives_away {
            return Err(Errno::Eacces);
        }
        self.tree.charge(old.owner(), -1);
        self.tree.charge(new.owner(), 1);
        self.tree.node_mut(path).expect("it is there").permissions = new;
        self.log.renewed.push(path.into());
        note(&mut self.log.written_at, path);
        self.changed(Change::Permissions, path, vec![(path.into(), old)]);
        Ok(())
    }

    /// READ.
    pub(crate) fn read(&mut self, path: &str, into: &mut Vec<u8>) -> Result<(), Errno> {
        self.check(path, Access::Read)?;
        into.extend_from_slice(&self.tree.node(path).expect("checked").value);
        note(&mut self.log.read_at, path);
        Ok(())
    }

    /// GET_PERMS.
    pub(crate) fn get_permissions(&mut self, path: &str, into: &mut Vec<u8>) -> Result<(), Errno> {
        self.check(path, Access::Read)?;
        // Numbers of 63 bits, shown without a sign.
        let shown = |number: i32| i64::from(number) & i64::MAX;
        self.tree.node(path).expect("checked").permissions.emit(into, shown);
        note(&mut self.log.read_at, path);
        Ok(())
    }

    /// DIRECTORY.
    pub(crate) fn directory(&mut self, path: &str, into: &mut Vec<u8>) -> Result<(), Errno> {
        self.check(path, Access::Read)?;
        for name in &self.tree.node(path).expect("checked").children {
            into.extend_from_slice(name.as_bytes());
            into.push(0);
        }
        note(&mut self.log.read_at, path);
        Ok(())
    }

    fn changed(&mut self, change: Change, path: &str, before: Vec<(Box<str>, Permissions)>) {
        self.log.changes.push(Changed { change, path: path.into(), before });
    }
}

/// The parent's path; the root's is the root.
pub(crate) fn parent_of(path: &str) -> &str {
    if path == "/" { "/" } else { split(path).0 }
}

/// Lowers a lowest common ancestor so that it covers `path` too.
fn note(lowest: &mut Option<Box<str>>, path: &str) {
    let common = match lowest {
        None => path.to_owned(),
        Some(lowest) => common_ancestor(lowest, path).to_owned(),
    };
    *lowest = Some(common.into());
}

fn common_ancestor<'a>(one: &'a str, other: &str) -> &'a str {
    let mut at = one;
    while !super::super::tree::is_at_or_below(other, at) {
        at = parent_of(at);
    }
    at
}

/// path_validate and Store.Path.of_string: the absolute path, if it is one.
pub(crate) fn validate(given: &str, home: &str) -> Result<String, Errno> {
    if given.is_empty() {
        return Err(Errno::Einval);
    }
    let path =
        if given.starts_with(['/', '@']) { given.to_owned() } else { format!("{home}/{given}") };
    let own = path.strip_prefix("/local/domain/").and_then(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0 && rest[digits..].starts_with('/')).then(|| &rest[digits + 1..])
    });
    if own.unwrap_or(&path).len() > PATH_BYTES_MAX_OCAML {
        return Err(Errno::Einval);
    }
    check_form(&path)?;
    // A special path is a child of the root.
    Ok(if path.starts_with('@') { format!("/{path}") } else { path })
}

/// Store.Path.of_string alone: known characters and no empty component.
pub(crate) fn check_form(path: &str) -> Result<(), Errno> {
    if path.starts_with('@') || path == "/" {
        return Ok(());
    }
    let valid = |name: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_@".contains(&byte);
        !name.is_empty() && name.bytes().all(known)
    };
    match path.strip_prefix('/') {
        Some(rest) if rest.split('/').all(valid) => Ok(()),
        _ => Err(Errno::Einval),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_ancestor_covers_both() {
        assert_eq!(common_ancestor("/a/b/c", "/a/b/d"), "/a/b");
        assert_eq!(common_ancestor("/a/b", "/a/b/d"), "/a/b");
        assert_eq!(common_ancestor("/a", "/ab"), "/");
    }

    #[test]
    fn paths_with_empty_components_are_refused() {
        assert_eq!(validate("a//b", "/local/domain/1"), Err(Errno::Einval));
        assert_eq!(validate("a/", "/local/domain/1"), Err(Errno::Einval));
        assert_eq!(validate("", "/local/domain/1"), Err(Errno::Einval));
        assert_eq!(validate("a", "/local/domain/1").as_deref(), Ok("/local/domain/1/a"));
    }
}
