//! Replies of the daemon in memory. Quotas and errors depend on [`super::Flavour`] where the real
//! daemons differ.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::daemon::{FakeDaemon, Flavour, GUEST, OK, Transaction, Watch};
use super::tree::{Trace, View};
use crate::error::Errno;
use xen_types::DomId;

use crate::permission::{Access, Permission};
use crate::wire::{Header, PAYLOAD_BYTES_MAX, op};

/// Quotas of C xenstored and oxenstored alike: bytes of a node, open transactions.
const NODE_BYTES_MAX: usize = 2048;
const TRANSACTIONS_MAX: usize = 10;

impl FakeDaemon {
    pub(super) fn answer(
        &mut self,
        header: Header,
        payload: &[u8],
        trace: &mut Trace,
    ) -> Result<Vec<u8>, &'static str> {
        let words: Vec<&[u8]> = payload.split(|byte| *byte == 0).collect();
        let word = |at: usize| {
            words.get(at).and_then(|word| core::str::from_utf8(word).ok()).unwrap_or("")
        };
        match header.op {
            op::WATCH => return self.watch(word(0), word(1)).map(|()| OK.to_vec()),
            op::UNWATCH => return self.unwatch(word(0), word(1)).map(|()| OK.to_vec()),
            op::RESET_WATCHES => {
                self.watches.clear();
                self.transactions.clear();
                return Ok(OK.to_vec());
            }
            op::TRANSACTION_START => return self.start_transaction(),
            op::TRANSACTION_END => {
                return self.end_transaction(header.transaction, word(0), trace);
            }
            op::GET_DOMAIN_PATH => return Ok(format!("/local/domain/{}\0", word(0)).into()),
            op::DIRECTORY_PART if self.flavour == Flavour::Ocaml => {
                return Err(Errno::Enosys.name());
            }
            op::IS_DOMAIN_INTRODUCED | op::CONTROL => return Err(Errno::Eacces.name()),
            _ => {}
        }
        let path = absolute(word(0));
        let value = payload.get(word(0).len() + 1..).unwrap_or(&[]);
        if header.op == op::WRITE && value.len() > NODE_BYTES_MAX {
            return Err(self.quota(Errno::Enospc));
        }
        if header.transaction == 0 {
            let mut view = self.view(trace, GUEST);
            return on_nodes(header.op, &mut view, &path, &words, value).map_err(Errno::name);
        }
        let Some(transaction) = self.transactions.get_mut(&header.transaction) else {
            return Err(Errno::Enoent.name());
        };
        let mut view = View {
            nodes: &mut transaction.nodes,
            trace: &mut transaction.trace,
            caller: GUEST,
            generation: &mut self.generation,
        };
        on_nodes(header.op, &mut view, &path, &words, value).map_err(Errno::name)
    }

    fn quota(&self, in_c: Errno) -> &'static str {
        match self.flavour {
            Flavour::C => in_c.name(),
            Flavour::Ocaml => Errno::Equota.name(),
        }
    }

    pub(super) fn view<'a>(&'a mut self, trace: &'a mut Trace, caller: DomId) -> View<'a> {
        View { nodes: &mut self.nodes, trace, caller, generation: &mut self.generation }
    }

    fn watch(&mut self, given: &str, token: &str) -> Result<(), &'static str> {
        if self.watches.iter().any(|watch| watch.given == given && watch.token == token) {
            return Err(Errno::Eexist.name());
        }
        let (path, given) = (absolute(given), given.to_owned());
        self.watches.push(Watch { path, given, token: token.to_owned() });
        Ok(())
    }

    fn unwatch(&mut self, given: &str, token: &str) -> Result<(), &'static str> {
        let before = self.watches.len();
        self.watches.retain(|watch| watch.given != given || watch.token != token);
        if self.watches.len() == before { Err(Errno::Enoent.name()) } else { Ok(()) }
    }

    fn start_transaction(&mut self) -> Result<Vec<u8>, &'static str> {
        if self.transactions.len() == TRANSACTIONS_MAX {
            return Err(self.quota(Errno::Enospc));
        }
        let number = self.next_transaction;
        self.next_transaction += 1;
        let transaction = Transaction { nodes: self.nodes.clone(), trace: Trace::default() };
        self.transactions.insert(number, transaction);
        Ok(format!("{number}\0").into())
    }

    fn end_transaction(
        &mut self,
        number: u32,
        outcome: &str,
        trace: &mut Trace,
    ) -> Result<Vec<u8>, &'static str> {
        let Some(transaction) = self.transactions.remove(&number) else {
            return Err(Errno::Enoent.name());
        };
        if outcome != "T" {
            return Ok(OK.to_vec());
        }
        let injected = self.conflicts > 0;
        self.conflicts = self.conflicts.saturating_sub(1);
        let disturbed = transaction.trace.touched.iter().any(|(path, generation)| {
            self.nodes.get(path).map(|node| node.generation) != *generation
        });
        if injected || disturbed {
            return Err(Errno::Eagain.name());
        }
        for path in transaction.trace.touched.keys() {
            match transaction.nodes.get(path) {
                Some(node) => self.nodes.insert(path.clone(), node.clone()),
                None => self.nodes.remove(path),
            };
        }
        *trace = transaction.trace;
        Ok(OK.to_vec())
    }
}

fn absolute(path: &str) -> String {
    if path.starts_with(['/', '@']) {
        return path.to_owned();
    }
    format!("/local/domain/1/{path}")
}

fn on_nodes(
    operation: u32,
    view: &mut View<'_>,
    path: &str,
    words: &[&[u8]],
    value: &[u8],
) -> Result<Vec<u8>, Errno> {
    match operation {
        op::READ => view.read(path),
        op::WRITE => view.write(path, value).map(|()| OK.to_vec()),
        op::MKDIR => view.make_directory(path).map(|()| OK.to_vec()),
        op::RM => view.remove(path).map(|()| OK.to_vec()),
        op::DIRECTORY => view.directory(path).map(|(names, _)| names),
        op::DIRECTORY_PART => {
            let offset = words.get(1).and_then(|word| core::str::from_utf8(word).ok());
            let offset = offset.and_then(|word| word.parse().ok()).ok_or(Errno::Einval)?;
            let (names, generation) = view.directory(path)?;
            Ok(part(&names, generation, offset))
        }
        op::GET_PERMS => Ok(permission_text(&view.permissions(path)?)),
        op::SET_PERMS => {
            let entries = words.get(1..).unwrap_or(&[]).iter().filter(|word| !word.is_empty());
            let parsed: Option<Vec<Permission>> =
                entries.map(|word| Permission::parse(word)).collect();
            view.set_permissions(path, parsed.ok_or(Errno::Einval)?).map(|()| OK.to_vec())
        }
        _ => Err(Errno::Enosys),
    }
}

/// One part of a list: whole names, as many as a packet holds; one more NUL after the last.
fn part(names: &[u8], generation: u64, offset: usize) -> Vec<u8> {
    let mut reply = generation.to_string().into_bytes();
    reply.push(0);
    let mut end = offset.min(names.len());
    for name in names.get(offset..).unwrap_or(&[]).split_inclusive(|byte| *byte == 0) {
        if reply.len() + (end - offset) + name.len() + 1 > PAYLOAD_BYTES_MAX {
            break;
        }
        end += name.len();
    }
    reply.extend_from_slice(names.get(offset..end).unwrap_or(&[]));
    if end == names.len() {
        reply.push(0);
    }
    reply
}

fn permission_text(permissions: &[Permission]) -> Vec<u8> {
    let letter = |access: Access| char::from(access.letter());
    permissions
        .iter()
        .flat_map(|entry| format!("{}{}\0", letter(entry.access), entry.domain).into_bytes())
        .collect()
}
