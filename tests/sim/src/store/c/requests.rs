//! How C xenstored takes a request apart, and its requests that are not about nodes.
//!
//! ShutdownRequest matters to a client: events that a request causes are queued before its reply, except the
//! first event of a new watch, which follows the reply.

use super::super::connection::Watch;
use super::super::limits::{PATH_BYTES_MAX_C, TRANSACTIONS_MAX, WATCHES_MAX_C};
use super::super::permissions::{DOMAIN_SELF, Permissions};
use super::super::transaction::{Overlay, State, Transaction};
use super::super::wire::{Errno, Header, Kind};
use super::super::{Daemon, decimal};
use super::commit::queue_fire;
use super::operations::{Fire, parse_permissions};
use super::view::{View, is_valid_path};

impl Daemon {
    /// Answers one request of connection `at`.
    pub(in super::super) fn process_c(&mut self, at: usize, header: Header, payload: &[u8]) {
        let mut reply = core::mem::take(&mut self.reply);
        reply.clear();
        let result = self.answer_c(at, header, payload, &mut reply);
        self.reply_to(at, header, result.as_ref().map(|_| &reply[..]).map_err(|error| *error));
        if let Ok(Some(watch)) = result {
            // "We fire once up front": behind the reply, and on nobody's account.
            let path = self.connections[at].watches[watch].path.clone();
            self.queue_event_c(at, watch, &path, None);
        }
        self.reply = reply;
    }

    /// The reply's payload in `reply`; the number of a new watch.
    fn answer_c(
        &mut self,
        at: usize,
        header: Header,
        payload: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<Option<usize>, Errno> {
        let kind = Kind::parse(header.kind).ok_or(Errno::Enosys)?;
        let unprivileged = self.connections[at].is_unprivileged();
        match kind {
            Kind::WatchEvent | Kind::Error => return Err(Errno::Enosys),
            Kind::Control
            | Kind::Introduce
            | Kind::Release
            | Kind::IsDomainIntroduced
            | Kind::Resume
            | Kind::SetTarget
                if unprivileged =>
            {
                return Err(Errno::Eacces);
            }
            Kind::Watch => return self.watch_c(at, payload, reply).map(Some),
            Kind::Unwatch => return self.unwatch_c(at, payload, reply).map(|()| None),
            _ => {}
        }
        let transaction = self.transaction_of(at, header.transaction)?;
        if let Some(error) = self.connections[at].fail_next.take() {
            return Err(error);
        }
        match kind {
            Kind::TransactionStart if transaction.is_some() => Err(Errno::Ebusy),
            Kind::TransactionStart => self.start_c(at, reply),
            Kind::TransactionEnd => self.end_c(at, transaction, payload, reply),
            Kind::ResetWatches => {
                self.connections[at].watches.clear();
                self.connections[at].transactions.clear();
                reply.extend_from_slice(b"OK\0");
                Ok(())
            }
            Kind::GetDomainPath => {
                let domain = atoi(one_argument_bytes(payload)?);
                reply.extend_from_slice(format!("/local/domain/{domain}\0").as_bytes());
                Ok(())
            }
            Kind::IsDomainIntroduced => {
                let domain = atoi(one_argument_bytes(payload)?);
                let known = self.connections.iter().any(|c| u32::from(c.domain) == domain)
                    || domain == u32::from(DOMAIN_SELF);
                reply.extend_from_slice(if known { b"T\0" } else { b"F\0" });
                Ok(())
            }
            Kind::Control | Kind::Introduce | Kind::Release | Kind::Resume | Kind::SetTarget => {
                Err(Errno::Enosys)
            }
            _ => self.operate_c(at, kind, transaction, payload, reply),
        }?;
        Ok(None)
    }

    /// A request on nodes, inside transaction number `transaction` of the connection or outside.
    fn operate_c(
        &mut self,
        at: usize,
        kind: Kind,
        transaction: Option<usize>,
        payload: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<(), Errno> {
        let new_permissions = match kind {
            Kind::SetPermissions => Some(self.judge_permissions(at, payload)?),
            _ => None,
        };
        let mut overlay = transaction.map(|number| self.take_overlay(at, number));
        let contended = self.open_transactions() > 0;
        let connection = &self.connections[at];
        let mut view = View {
            tree: &mut self.tree,
            overlay: overlay.as_mut(),
            generation: &mut self.generation,
            domains: &self.domains,
            who: connection.domain,
            nodes_max: self.quotas.nodes,
            debits: 0,
        };
        let absolute = |path: &str| connection.absolute(path);
        let result = operate(&mut view, kind, payload, new_permissions, reply, absolute);
        let debits = view.debits;
        if debits > 0 && connection.is_unprivileged() && contended {
            let domain = connection.domain;
            for _ in 0..debits {
                self.limiter.debit(domain, self.now_ns);
            }
        }
        let fires = result.as_ref().map_or(&[][..], |fires| fires.as_slice());
        match (&mut overlay, transaction) {
            (Some(overlay), Some(_)) => {
                for fire in fires {
                    queue_fire(overlay, &fire.path, fire.scope);
                }
            }
            _ => {
                let causer = self.connections[at].is_unprivileged().then_some(at);
                for fire in fires {
                    self.fire_c(fire, causer);
                }
            }
        }
        if let (Some(overlay), Some(number)) = (overlay, transaction) {
            self.connections[at].transactions[number].state = State::Overlay(overlay);
        }
        result.map(|_| ())
    }

    fn take_overlay(&mut self, at: usize, number: usize) -> Overlay {
        let state = &mut self.connections[at].transactions[number].state;
        match core::mem::replace(state, State::Overlay(Overlay::default())) {
            State::Overlay(overlay) => overlay,
            State::Snapshot(_) => unreachable!("C xenstored takes no snapshots"),
        }
    }

    /// The permissions of a SET_PERMS: entries for domains that do not exist are marked ignored.
    fn judge_permissions(&mut self, at: usize, payload: &[u8]) -> Result<Permissions, Errno> {
        let path = payload.iter().position(|byte| *byte == 0).ok_or(Errno::Einval)?;
        let who = self.connections[at].domain;
        let mut permissions = parse_permissions(&payload[path + 1..], who)?;
        let mut owner_exists = true;
        for index in 0..permissions.entries().len() {
            let domain = permissions.entries()[index].domain;
            let exists = u16::try_from(domain).is_ok_and(|domain| self.know_domain(domain));
            match index {
                0 => owner_exists = exists,
                _ => permissions.exceptions_mut()[index - 1].ignored = !exists,
            }
        }
        if owner_exists { Ok(permissions) } else { Err(Errno::Enoent) }
    }

    fn watch_c(&mut self, at: usize, payload: &[u8], reply: &mut Vec<u8>) -> Result<usize, Errno> {
        let connection = &self.connections[at];
        let (given, token) = two_arguments(payload)?;
        let path = connection.absolute(given);
        let valid = if path.starts_with('@') {
            path.len() <= PATH_BYTES_MAX_C
        } else {
            is_valid_path(&path)
        };
        if !valid {
            return Err(Errno::Einval);
        }
        if connection.watches.iter().any(|watch| *watch.path == *path && *watch.token == *token) {
            return Err(Errno::Eexist);
        }
        if connection.is_unprivileged() && connection.watches.len() > WATCHES_MAX_C {
            return Err(Errno::E2big);
        }
        let relative = !given.starts_with(['/', '@']);
        let watch = Watch { path: path.into(), token: token.into(), relative };
        self.connections[at].watches.push(watch);
        reply.extend_from_slice(b"OK\0");
        Ok(self.connections[at].watches.len() - 1)
    }

    fn unwatch_c(&mut self, at: usize, payload: &[u8], reply: &mut Vec<u8>) -> Result<(), Errno> {
        let (given, token) = two_arguments(payload)?;
        let connection = &mut self.connections[at];
        let path = connection.absolute(given);
        let same = |watch: &Watch| *watch.path == *path && *watch.token == *token;
        let place = connection.watches.iter().position(same).ok_or(Errno::Enoent)?;
        connection.watches.remove(place);
        reply.extend_from_slice(b"OK\0");
        Ok(())
    }

    fn start_c(&mut self, at: usize, reply: &mut Vec<u8>) -> Result<(), Errno> {
        let connection = &mut self.connections[at];
        if connection.is_unprivileged() && connection.transactions.len() > TRANSACTIONS_MAX {
            return Err(Errno::Enospc);
        }
        self.generation += 1;
        let id = connection.unused_transaction();
        let state = State::Overlay(Overlay::default());
        connection.transactions.push(Transaction { id, state });
        reply.extend_from_slice(format!("{id}\0").as_bytes());
        Ok(())
    }

    fn end_c(
        &mut self,
        at: usize,
        transaction: Option<usize>,
        payload: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<(), Errno> {
        let commit = match one_argument(payload)? {
            "T" => true,
            "F" => false,
            _ => return Err(Errno::Einval),
        };
        let number = transaction.ok_or(Errno::Enoent)?;
        let overlay = self.take_overlay(at, number);
        self.connections[at].transactions.remove(number);
        if commit {
            self.commit_c(at, overlay)?;
        }
        reply.extend_from_slice(b"OK\0");
        Ok(())
    }
}

fn operate(
    view: &mut View<'_>,
    kind: Kind,
    payload: &[u8],
    new_permissions: Option<Permissions>,
    reply: &mut Vec<u8>,
    absolute: impl Fn(&str) -> String,
) -> Result<Vec<Fire>, Errno> {
    let path_only = || one_argument(payload).map(&absolute);
    let acknowledged = match kind {
        Kind::Read => return view.read(&path_only()?, reply).map(|()| Vec::new()),
        Kind::Directory => return view.directory(&path_only()?, reply).map(|()| Vec::new()),
        Kind::GetPermissions => {
            return view.get_permissions(&path_only()?, reply).map(|()| Vec::new());
        }
        Kind::DirectoryPart => {
            let (path, offset) = two_arguments(payload)?;
            let offset = atoi(offset.as_bytes()) as usize;
            return view.directory_part(&absolute(path), offset, reply).map(|()| Vec::new());
        }
        Kind::Write => {
            let (path, value) = first_argument(payload)?;
            vec![view.write(&absolute(path), value)?]
        }
        Kind::MakeDirectory => view.make_directory(&path_only()?)?.into_iter().collect(),
        Kind::Remove => view.remove(&path_only()?)?,
        Kind::SetPermissions => {
            let (path, _) = first_argument(payload)?;
            if path.starts_with('@') {
                let known = ["@introduceDomain", "@releaseDomain"].contains(&path);
                // A domU may not; that dom0 may is not modelled.
                return Err(if known && view.who != 0 { Errno::Eacces } else { Errno::Einval });
            }
            let permissions = new_permissions.expect("parsed before");
            vec![view.set_permissions(&absolute(path), permissions)?]
        }
        other => unreachable!("{other:?} is not about nodes"),
    };
    reply.extend_from_slice(b"OK\0");
    Ok(acknowledged)
}

/// The only argument: it ends with the payload's only nul.
pub(in super::super) fn one_argument(payload: &[u8]) -> Result<&str, Errno> {
    core::str::from_utf8(one_argument_bytes(payload)?).map_err(|_| Errno::Einval)
}

fn one_argument_bytes(payload: &[u8]) -> Result<&[u8], Errno> {
    let body = payload.strip_suffix(&[0]).ok_or(Errno::Einval)?;
    if body.contains(&0) { Err(Errno::Einval) } else { Ok(body) }
}

/// atoi, as an unsigned number: what is below 0 becomes very large.
fn atoi(text: &[u8]) -> u32 {
    let text = text.trim_ascii_start();
    match text.strip_prefix(b"-") {
        Some(digits) => (decimal(digits) as u32).wrapping_neg(),
        None => decimal(text.strip_prefix(b"+").unwrap_or(text)) as u32,
    }
}

/// The first argument, and everything behind its nul.
pub(in super::super) fn first_argument(payload: &[u8]) -> Result<(&str, &[u8]), Errno> {
    let end = payload.iter().position(|byte| *byte == 0).ok_or(Errno::Einval)?;
    let path = core::str::from_utf8(&payload[..end]).map_err(|_| Errno::Einval)?;
    Ok((path, &payload[end + 1..]))
}

/// Exactly two nul-ended arguments; bytes behind the second nul do not matter.
fn two_arguments(payload: &[u8]) -> Result<(&str, &str), Errno> {
    let mut parts = payload.split_inclusive(|byte| *byte == 0);
    let mut argument = || {
        let part = parts.next().and_then(|part| part.strip_suffix(&[0])).ok_or(Errno::Einval)?;
        core::str::from_utf8(part).map_err(|_| Errno::Einval)
    };
    let both = (argument()?, argument()?);
    if argument().is_ok() { Err(Errno::Einval) } else { Ok(both) }
}
