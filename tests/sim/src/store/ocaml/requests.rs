//! How oxenstored takes a request apart, and its requests that are not about nodes.
//!
//! A change is acknowledged first and its events follow; only the events of a transaction's end go
//! before its acknowledgement. Error words differ from those of C xenstored.

use super::super::connection::Watch;
use super::super::limits::{TRANSACTION_REQUESTS_MAX_OCAML, TRANSACTIONS_MAX, WATCHES_MAX_OCAML};
use super::super::permissions::{DOMAIN_SELF, Permissions};
use super::super::transaction::{Log, Recorded, Snapshot, State, Transaction};
use super::super::wire::{Errno, Header, Kind};
use super::super::{Daemon, decimal};
use super::fire::Trees;
use super::operations::{Work, check_form, validate};

impl Daemon {
    /// Answers one request of connection `at`.
    pub(in super::super) fn process_ocaml(&mut self, at: usize, header: Header, payload: &[u8]) {
        let mut reply = core::mem::take(&mut self.reply);
        reply.clear();
        let kind = Kind::parse(header.kind);
        let mut header = header;
        if matches!(kind, Some(Kind::Watch | Kind::Unwatch)) {
            header.transaction = 0;
        }
        let result = self.answer_ocaml(at, header, payload, &mut reply);
        let due = core::mem::take(&mut self.due);
        if kind == Some(Kind::TransactionEnd) {
            self.queue_due(at, due);
            self.reply_to(at, header, result.map(|()| &reply[..]));
        } else {
            self.reply_to(at, header, result.map(|()| &reply[..]));
            self.queue_due(at, due);
        }
        if let Some((path, token)) = self.first_fire.take() {
            self.queue_event_ocaml(at, at, &path, &token);
        }
        self.reply = reply;
    }

    fn answer_ocaml(
        &mut self,
        at: usize,
        header: Header,
        payload: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<(), Errno> {
        let number = match header.transaction {
            0 => None,
            // Looked up outside the handler that knows the right word for it.
            id => Some(self.transaction_of(at, id).ok().flatten().ok_or(Errno::Eio)?),
        };
        if self.is_over_quota(at, number) {
            return Err(Errno::Equota);
        }
        if let Some(error) = self.connections[at].fail_next.take() {
            return Err(error);
        }
        let privileged = !self.connections[at].is_unprivileged();
        match Kind::parse(header.kind) {
            Some(Kind::Watch) => self.watch_ocaml(at, payload, reply),
            Some(Kind::Unwatch) => self.unwatch_ocaml(at, payload, reply),
            Some(Kind::TransactionStart) if number.is_some() => Err(Errno::Ebusy),
            Some(Kind::TransactionStart) => self.start_ocaml(at, reply),
            Some(Kind::TransactionEnd) => self.end_ocaml(at, number, payload, reply),
            Some(Kind::ResetWatches) => {
                self.connections[at].watches.clear();
                self.connections[at].transactions.clear();
                acknowledge(reply)
            }
            // The debug requests answer a domU with a bare acknowledgement.
            Some(Kind::Control) => acknowledge(reply),
            Some(Kind::Introduce | Kind::Release | Kind::Resume | Kind::SetTarget) => {
                Err(if privileged { Errno::Einval } else { Errno::Eacces })
            }
            Some(Kind::IsDomainIntroduced) if !privileged => Err(Errno::Eacces),
            Some(Kind::IsDomainIntroduced) => {
                let first = payload.split(|byte| *byte == 0).next().unwrap_or_default();
                let domain: i64 = text(first)?.parse().map_err(|_| Errno::Einval)?;
                let known = self.connections.iter().any(|c| i64::from(c.domain) == domain)
                    || domain == i64::from(DOMAIN_SELF);
                reply.extend_from_slice(if known { b"T\0" } else { b"F\0" });
                Ok(())
            }
            _ => self.operate_ocaml(at, header, number, payload, reply),
        }
    }

    fn is_over_quota(&self, at: usize, number: Option<usize>) -> bool {
        let Some(number) = number else { return false };
        let connection = &self.connections[at];
        match &connection.transactions[number].state {
            State::Snapshot(snapshot) => {
                connection.is_unprivileged()
                    && snapshot.recorded.len() >= TRANSACTION_REQUESTS_MAX_OCAML
            }
            State::Overlay(_) => unreachable!("oxenstored takes snapshots"),
        }
    }

    /// A request on nodes, inside transaction number `number` of the connection or outside.
    fn operate_ocaml(
        &mut self,
        at: usize,
        header: Header,
        number: Option<usize>,
        payload: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<(), Errno> {
        let connection = &mut self.connections[at];
        let who = connection.domain;
        if let Some(number) = number {
            let State::Snapshot(snapshot) = &mut connection.transactions[number].state else {
                unreachable!("oxenstored takes snapshots")
            };
            let snapshot = &mut **snapshot;
            let (tree, log) = (&mut snapshot.tree, &mut snapshot.log);
            let mut work = Work { tree, log, who, nodes_max: self.quotas.nodes };
            let result = operate(&mut work, header, payload, &connection.home, reply);
            let answer = result.map(|()| reply.clone());
            snapshot.recorded.push(Recorded { header, payload: payload.to_vec(), answer });
            return result;
        }
        let mut log = core::mem::take(&mut self.log);
        log.changes.clear();
        log.renewed.clear();
        log.read_at = None;
        log.written_at = None;
        let nodes_max = self.quotas.nodes;
        let mut work = Work { tree: &mut self.tree, log: &mut log, who, nodes_max };
        let result = operate(&mut work, header, payload, &connection.home, reply);
        self.note_renewed(&log);
        let mut due = core::mem::take(&mut self.due);
        for changed in &log.changes {
            let trees = Trees { old: &self.tree, new: &self.tree };
            due.extend(self.due_events(changed, &trees));
        }
        self.due = due;
        self.log = log;
        result
    }

    fn watch_ocaml(&mut self, at: usize, payload: &[u8], reply: &mut Vec<u8>) -> Result<(), Errno> {
        let (given, token) = two_arguments(payload)?;
        let connection = &self.connections[at];
        if given.is_empty() {
            return Err(Errno::Einval);
        }
        let path = connection.absolute(given);
        check_form(&path)?;
        if connection.is_unprivileged() && connection.watches.len() > WATCHES_MAX_OCAML {
            return Err(Errno::Equota);
        }
        if connection.watches.iter().any(|watch| *watch.path == *path && *watch.token == *token) {
            return Err(Errno::Eexist);
        }
        let relative = !given.starts_with(['/', '@']);
        let watch = Watch { path: path.into(), token: token.into(), relative };
        self.connections[at].watches.push(watch);
        acknowledge(reply)?;
        self.first_fire = Some((given.into(), token.into()));
        Ok(())
    }

    fn unwatch_ocaml(
        &mut self,
        at: usize,
        payload: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<(), Errno> {
        let (given, token) = two_arguments(payload)?;
        if given.is_empty() {
            return Err(Errno::Einval);
        }
        let connection = &mut self.connections[at];
        let path = connection.absolute(given);
        let same = |watch: &Watch| *watch.path == *path && *watch.token == *token;
        let place = connection.watches.iter().position(same).ok_or(Errno::Enoent)?;
        connection.watches.remove(place);
        acknowledge(reply)
    }

    fn start_ocaml(&mut self, at: usize, reply: &mut Vec<u8>) -> Result<(), Errno> {
        let since = self.renewed_ever();
        let connection = &mut self.connections[at];
        if connection.is_unprivileged() && connection.transactions.len() > TRANSACTIONS_MAX {
            return Err(Errno::Equota);
        }
        let id = connection.unused_transaction();
        let snapshot = Snapshot {
            old: self.tree.clone(),
            since,
            tree: self.tree.clone(),
            log: Log::default(),
            recorded: Vec::new(),
        };
        let state = State::Snapshot(Box::new(snapshot));
        connection.transactions.push(Transaction { id, state });
        reply.extend_from_slice(format!("{id}\0").as_bytes());
        Ok(())
    }

    fn end_ocaml(
        &mut self,
        at: usize,
        number: Option<usize>,
        payload: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<(), Errno> {
        let argument = payload.split(|byte| *byte == 0).next().unwrap_or(&[]);
        let commit = match argument {
            b"T" => true,
            b"F" => false,
            _ => return Err(Errno::Einval),
        };
        let number = number.ok_or(Errno::Enoent)?;
        let transaction = self.connections[at].transactions.remove(number);
        let State::Snapshot(snapshot) = transaction.state else {
            unreachable!("oxenstored takes snapshots")
        };
        // One that has only read never conflicts.
        if commit && !snapshot.log.changes.is_empty() {
            self.commit_ocaml(at, *snapshot)?;
        }
        acknowledge(reply)
    }
}

/// A request on nodes.
pub(in super::super) fn operate(
    work: &mut Work<'_>,
    header: Header,
    payload: &[u8],
    home: &str,
    reply: &mut Vec<u8>,
) -> Result<(), Errno> {
    let only_path = || {
        let text = text(payload)?;
        match text.split_once('\0') {
            Some((path, "")) => validate(path, home),
            _ => Err(Errno::Einval),
        }
    };
    let path_and_rest = || {
        let end = payload.iter().position(|byte| *byte == 0).ok_or(Errno::Einval)?;
        Ok((validate(text(&payload[..end])?, home)?, &payload[end + 1..]))
    };
    match Kind::parse(header.kind) {
        Some(Kind::Read) => work.read(&only_path()?, reply),
        Some(Kind::Directory) => work.directory(&only_path()?, reply),
        Some(Kind::GetPermissions) => work.get_permissions(&only_path()?, reply),
        Some(Kind::GetDomainPath) => {
            let (argument, end) = payload.split_at(payload.len().saturating_sub(1));
            if end != [0] || argument.contains(&0) {
                return Err(Errno::Einval);
            }
            // The first digits anywhere (utils.ml, c_int_of_string).
            let start = argument.iter().position(u8::is_ascii_digit).unwrap_or(argument.len());
            let domain = decimal(&argument[start..]);
            reply.extend_from_slice(format!("/local/domain/{domain}\0").as_bytes());
            Ok(())
        }
        Some(Kind::Write) => {
            let (path, value) = path_and_rest()?;
            work.write(&path, value)?;
            acknowledge(reply)
        }
        Some(Kind::MakeDirectory) => {
            work.make_directory(&only_path()?)?;
            acknowledge(reply)
        }
        Some(Kind::Remove) => {
            work.remove(&only_path()?)?;
            acknowledge(reply)
        }
        Some(Kind::SetPermissions) => {
            let (path, rest) = path_and_rest()?;
            if rest.contains(&b' ') {
                // No blanks before numbers, which C xenstored takes.
                return Err(Errno::Einval);
            }
            work.set_permissions(&path, Permissions::parse(rest)?)?;
            acknowledge(reply)
        }
        _ => Err(Errno::Enosys),
    }
}

fn acknowledge(reply: &mut Vec<u8>) -> Result<(), Errno> {
    reply.extend_from_slice(b"OK\0");
    Ok(())
}

fn text(bytes: &[u8]) -> Result<&str, Errno> {
    core::str::from_utf8(bytes).map_err(|_| Errno::Einval)
}

/// Exactly two nul-ended arguments and nothing behind them.
fn two_arguments(payload: &[u8]) -> Result<(&str, &str), Errno> {
    let mut parts = text(payload)?.split('\0');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(one), Some(other), Some(""), None) => Ok((one, other)),
        _ => Err(Errno::Einval),
    }
}
