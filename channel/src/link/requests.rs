//! The xenstore requests of a link, and the handling of their replies (docs/protocol.md §2 to §4).

use xen_types::DomId;
use xenbus::{Cause, Client, Permission, Refusal, Reply, Request, RequestId, TransactionId};

use super::Link;
use crate::endpoint::{Introduction, ReadFailure, StoreRequest, WriteOutcome};
use crate::epoch::EpochSource;
use crate::event::Notice;
use crate::instant::Instant;
use crate::limits::{REGISTER_BYTES_MAX, RETRY_DIVISOR};
use crate::text::parse_decimal;

/// A xenstore request of one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreOp {
    /// READ this side's introduction.
    ReadIntroduction,
    /// MKDIR this side's mailbox: creates it if it is absent, and never changes its value.
    MakeMailbox,
    /// SET_PERMS of this side's mailbox: only the peer may read and write it.
    SetPerms,
    /// READ this side's mailbox.
    Read,
    /// WRITE the register into the peer's mailbox.
    Write,
    /// RM a stray node below or beside the mailbox.
    RemoveStray,
}

impl<const COUNT: usize, const BYTES: usize> Link<COUNT, BYTES> {
    /// Returns the next request that may be submitted now.
    pub fn next_op(&self, now: Instant) -> Option<StoreOp> {
        if self.store.introduction_due && !self.store.reading_introduction {
            return Some(StoreOp::ReadIntroduction);
        }
        match self.endpoint.poll_request() {
            Some(StoreRequest::RecreateMailbox) if !self.store.making => Some(StoreOp::MakeMailbox),
            Some(StoreRequest::SetPerms) if !self.store.setting_perms => Some(StoreOp::SetPerms),
            Some(StoreRequest::Read) => Some(StoreOp::Read),
            Some(StoreRequest::Write) => Some(StoreOp::Write),
            Some(StoreRequest::RecreateMailbox | StoreRequest::SetPerms) | None => {
                self.store.may_clean(now, self.settings.beat).then_some(StoreOp::RemoveStray)
            }
        }
    }

    /// Submits a request. Returns `None`, without any change, if the client has no room.
    pub(crate) fn submit(
        &mut self,
        op: StoreOp,
        now: Instant,
        own: DomId,
        client: &mut Client,
    ) -> Option<RequestId> {
        let id = match op {
            StoreOp::ReadIntroduction => {
                self.submit_own(client, &self.name.introduction(), NodeRequest::Read)
            }
            StoreOp::MakeMailbox => {
                self.submit_own(client, &self.name.mailbox(), NodeRequest::MakeDirectory)
            }
            StoreOp::Read => self.submit_own(client, &self.name.mailbox(), NodeRequest::Read),
            StoreOp::SetPerms => self.submit_set_perms(own, client),
            StoreOp::Write => self.submit_write(client),
            StoreOp::RemoveStray => {
                let request = Request::Remove { path: self.store.stray() };
                let id = client.submit(TransactionId::NONE, request).ok();
                if id.is_none() && client.in_flight() < xenbus::IN_FLIGHT_MAX {
                    // The client rejects the name as a path, so no such node can exist.
                    self.store.stray_length = 0;
                }
                id
            }
        }?;
        self.handle_submitted(op, now);
        Some(id)
    }

    /// The request that [`Self::next_op`] returned was submitted.
    pub fn handle_submitted(&mut self, op: StoreOp, now: Instant) {
        match op {
            StoreOp::ReadIntroduction => {
                (self.store.introduction_due, self.store.reading_introduction) = (false, true)
            }
            StoreOp::MakeMailbox => self.store.making = true,
            StoreOp::SetPerms => self.store.setting_perms = true,
            StoreOp::Read => self.read_issued = now,
            StoreOp::Write => _ = self.liveness.next_beat(),
            StoreOp::RemoveStray => self.store.note_cleaning(now, self.settings.beat),
        }
        let request = match op {
            StoreOp::MakeMailbox => Some(StoreRequest::RecreateMailbox),
            StoreOp::SetPerms => Some(StoreRequest::SetPerms),
            StoreOp::Read => Some(StoreRequest::Read),
            StoreOp::Write => Some(StoreRequest::Write),
            StoreOp::ReadIntroduction | StoreOp::RemoveStray => None,
        };
        if let Some(request) = request {
            self.endpoint.handle_submitted(now, request);
        }
    }

    fn submit_own(
        &self,
        client: &mut Client,
        path: &crate::names::Path,
        request: NodeRequest,
    ) -> Option<RequestId> {
        let path = path.as_str();
        let request = match request {
            NodeRequest::Read => Request::Read { path },
            NodeRequest::MakeDirectory => Request::MakeDirectory { path },
        };
        client.submit(TransactionId::NONE, request).ok()
    }

    fn submit_set_perms(&self, own: DomId, client: &mut Client) -> Option<RequestId> {
        let peer = self.endpoint.introduction()?.peer;
        let permissions = [Permission::owner(own), Permission::both(peer)];
        let path = self.name.mailbox();
        let request = Request::SetPermissions { path: path.as_str(), permissions: &permissions };
        client.submit(TransactionId::NONE, request).ok()
    }

    fn submit_write(&self, client: &mut Client) -> Option<RequestId> {
        let peer = self.endpoint.introduction()?.peer;
        let mut value = [0; REGISTER_BYTES_MAX];
        let length = self.write_value(&mut value);
        let path = self.name.mailbox_of(peer);
        let request = Request::Write { path: path.as_str(), value: value.get(..length)? };
        client.submit(TransactionId::NONE, request).ok()
    }

    /// Copies the value that the next [`StoreOp::Write`] writes into `out`, and returns its length.
    pub fn write_value(&self, out: &mut [u8; REGISTER_BYTES_MAX]) -> usize {
        self.endpoint.emit(self.liveness.beat().wrapping_add(1), out)
    }

    /// A request was answered.
    pub(crate) fn handle_answer(
        &mut self,
        op: StoreOp,
        result: Result<Reply<'_>, Refusal>,
        now: Instant,
        epochs: &mut impl EpochSource,
    ) {
        match op {
            StoreOp::ReadIntroduction => self.handle_introduction_answer(result, now, epochs),
            StoreOp::MakeMailbox | StoreOp::SetPerms => {
                self.handle_mailbox_prepared(op);
                self.note_own_refusal(&result);
            }
            StoreOp::Read => self.handle_read_answer(result, now, epochs),
            StoreOp::Write => self.handle_write_answer(result, now, epochs),
            // Removal of a node that the peer owns may fail. The node then counts against the
            // peer's quota only.
            StoreOp::RemoveStray => {
                self.store.cleaning = false;
                self.notice(Notice::StrayNodes);
            }
        }
    }

    fn handle_introduction_answer(
        &mut self,
        result: Result<Reply<'_>, Refusal>,
        now: Instant,
        epochs: &mut impl EpochSource,
    ) {
        self.store.reading_introduction = false;
        if let Err(refusal) = &result
            && !matches!(refusal.cause(), Cause::Absent | Cause::Permission)
        {
            // The daemon failed, so whether an introduction exists is still unknown.
            self.store.introduction_at = Some(now.after(self.settings.beat.divided(RETRY_DIVISOR)));
            return;
        }
        let found = match result {
            Ok(Reply::Value(value)) => {
                let found = parse_introduction(value);
                // dom0 creates the mailbox first, which creates the introduction above it with an
                // empty value.
                if found.is_none() && !value.is_empty() {
                    self.notice(Notice::GarbageIntroduction);
                }
                found
            }
            Ok(_) | Err(_) => None,
        };
        self.handle_introduction(now, found, epochs);
    }

    fn handle_read_answer(
        &mut self,
        result: Result<Reply<'_>, Refusal>,
        now: Instant,
        epochs: &mut impl EpochSource,
    ) {
        match result {
            Ok(Reply::Value(value)) => self.handle_read(now, value, epochs),
            Ok(_) => self.handle_unread(now, ReadFailure::Later),
            Err(refusal) => {
                // xenstored reports EACCES for an absent node below an unreadable parent.
                let failure = match refusal.cause() {
                    Cause::Absent | Cause::Permission => ReadFailure::Absent,
                    _ => ReadFailure::Later,
                };
                self.handle_unread(now, failure);
            }
        }
    }

    fn handle_write_answer(
        &mut self,
        result: Result<Reply<'_>, Refusal>,
        now: Instant,
        epochs: &mut impl EpochSource,
    ) {
        let outcome = match result {
            Ok(_) => WriteOutcome::Done,
            Err(refusal) => match refusal.cause() {
                Cause::Absent | Cause::Permission | Cause::Privilege => WriteOutcome::Refused,
                Cause::Quota => {
                    self.notice(Notice::Quota);
                    WriteOutcome::Later
                }
                _ => WriteOutcome::Later,
            },
        };
        self.handle_written(now, outcome, epochs);
    }

    /// Reports a refused request on one of this domain's own nodes.
    fn note_own_refusal(&mut self, result: &Result<Reply<'_>, Refusal>) {
        match result {
            Ok(_) => {}
            Err(refusal) => match refusal.cause() {
                Cause::Quota => self.notice(Notice::Quota),
                // The mailbox does not exist yet: the next READ detects this, and the link
                // recreates it.
                Cause::Absent => {}
                _ => self.notice(Notice::StoreRefused),
            },
        }
    }
}

/// The request on one of this domain's nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NodeRequest {
    /// READ its value.
    Read,
    /// MKDIR the node.
    MakeDirectory,
}

/// Parses exactly `<peer-domid> <number>`.
fn parse_introduction(value: &[u8]) -> Option<Introduction> {
    let mut words = value.split(|&byte| byte == b' ');
    let peer = parse_decimal(words.next()?)?;
    let number = parse_decimal(words.next()?)?;
    let peer = u16::try_from(peer).ok().filter(|peer| *peer < DomId::FIRST_RESERVED.0)?;
    words.next().is_none().then_some(Introduction { peer: DomId(peer), number })
}

#[cfg(test)]
mod tests {
    use super::parse_introduction;
    use crate::endpoint::Introduction;
    use xen_types::DomId;

    #[test]
    fn an_introduction_is_exactly_a_domid_and_a_number() {
        let read = Introduction { peer: DomId(7), number: 1_700_000_000 };
        assert_eq!(parse_introduction(b"7 1700000000"), Some(read));
        for bad in [&b""[..], b"7", b"7 ", b"7 1 2", b"07 1", b"7 1\n", b"32752 1", b"x 1"] {
            assert_eq!(parse_introduction(bad), None, "{}", bad.escape_ascii());
        }
    }
}
