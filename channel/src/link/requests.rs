//! A link's requests to xenstore, and what their answers mean (docs/protocol.md §2 to §4).

use xen_types::DomId;
use xenbus::{Cause, Client, Permission, Refusal, Reply, Request, RequestId, TransactionId};

use super::Link;
use crate::endpoint::{Introduction, ReadFailure, StoreRequest, WriteOutcome};
use crate::epoch::EpochSource;
use crate::event::Notice;
use crate::instant::Instant;
use crate::limits::{REGISTER_BYTES_MAX, RETRY_DIVISOR};
use crate::text::parse_decimal;

/// A request of one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreOp {
    /// READ the own introduction.
    Look,
    /// MKDIR the own mailbox: makes it if it is absent, and never touches its value.
    Make,
    /// SET_PERMS of the own mailbox: the peer may read and write, nobody else.
    SetPerms,
    /// READ the own mailbox.
    Read,
    /// WRITE the register into the peer's mailbox.
    Write,
    /// RM a node that has no business below the mailbox.
    Clean,
}

impl<const COUNT: usize, const BYTES: usize> Link<COUNT, BYTES> {
    /// The next request of this link, if there is one that may go now.
    pub fn next_op(&self, now: Instant) -> Option<StoreOp> {
        if self.store.look_due && !self.store.looking {
            return Some(StoreOp::Look);
        }
        match self.endpoint.poll_request() {
            Some(StoreRequest::RecreateMailbox) if !self.store.making => Some(StoreOp::Make),
            Some(StoreRequest::SetPerms) if !self.store.permitting => Some(StoreOp::SetPerms),
            Some(StoreRequest::Read) => Some(StoreOp::Read),
            Some(StoreRequest::Write) => Some(StoreOp::Write),
            Some(StoreRequest::RecreateMailbox | StoreRequest::SetPerms) | None => {
                self.store.may_clean(now, self.settings.beat).then_some(StoreOp::Clean)
            }
        }
    }

    /// Submits an op. `None` if the client takes no more now; then nothing has changed.
    pub(crate) fn submit(
        &mut self,
        op: StoreOp,
        now: Instant,
        own: DomId,
        client: &mut Client,
    ) -> Option<RequestId> {
        let id = match op {
            StoreOp::Look => self.submit_own(client, &self.name.introduction(), Asked::Value),
            StoreOp::Make => self.submit_own(client, &self.name.mailbox(), Asked::Node),
            StoreOp::Read => self.submit_own(client, &self.name.mailbox(), Asked::Value),
            StoreOp::SetPerms => self.submit_permit(own, client),
            StoreOp::Write => self.submit_write(client),
            StoreOp::Clean => {
                let request = Request::Remove { path: self.store.stray() };
                let id = client.submit(TransactionId::NONE, request).ok();
                if id.is_none() && client.in_flight() < xenbus::IN_FLIGHT_MAX {
                    // A name that the client does not take as a path: no daemon has such a node.
                    self.store.stray_length = 0;
                }
                id
            }
        }?;
        self.handle_submitted(op, now);
        Some(id)
    }

    /// The request that [`Self::next_op`] named is under way.
    pub fn handle_submitted(&mut self, op: StoreOp, now: Instant) {
        match op {
            StoreOp::Look => (self.store.look_due, self.store.looking) = (false, true),
            StoreOp::Make => self.store.making = true,
            StoreOp::SetPerms => self.store.permitting = true,
            StoreOp::Read => self.read_issued = now,
            StoreOp::Write => _ = self.liveness.next_beat(),
            StoreOp::Clean => self.store.note_cleaning(now, self.settings.beat),
        }
        let request = match op {
            StoreOp::Make => Some(StoreRequest::RecreateMailbox),
            StoreOp::SetPerms => Some(StoreRequest::SetPerms),
            StoreOp::Read => Some(StoreRequest::Read),
            StoreOp::Write => Some(StoreRequest::Write),
            StoreOp::Look | StoreOp::Clean => None,
        };
        if let Some(request) = request {
            self.endpoint.handle_submitted(now, request);
        }
    }

    fn submit_own(
        &self,
        client: &mut Client,
        path: &crate::names::Path,
        asked: Asked,
    ) -> Option<RequestId> {
        let path = path.as_str();
        let request = match asked {
            Asked::Value => Request::Read { path },
            Asked::Node => Request::MakeDirectory { path },
        };
        client.submit(TransactionId::NONE, request).ok()
    }

    fn submit_permit(&self, own: DomId, client: &mut Client) -> Option<RequestId> {
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

    /// An op was answered.
    pub(crate) fn handle_answer(
        &mut self,
        op: StoreOp,
        result: Result<Reply<'_>, Refusal>,
        now: Instant,
        epochs: &mut impl EpochSource,
    ) {
        match op {
            StoreOp::Look => self.handle_look(result, now, epochs),
            StoreOp::Make | StoreOp::SetPerms => {
                self.handle_mailbox_prepared(op);
                self.note_own_refusal(&result);
            }
            StoreOp::Read => self.handle_read_answer(result, now, epochs),
            StoreOp::Write => self.handle_write_answer(result, now, epochs),
            // A node that the peer owns may withstand: then it stays, at the cost of the peer's
            // quota and nobody else's.
            StoreOp::Clean => {
                self.store.cleaning = false;
                self.notice(Notice::StrayNodes);
            }
        }
    }

    fn handle_look(
        &mut self,
        result: Result<Reply<'_>, Refusal>,
        now: Instant,
        epochs: &mut impl EpochSource,
    ) {
        self.store.looking = false;
        if let Err(refusal) = &result
            && !matches!(refusal.cause(), Cause::Absent | Cause::Permission)
        {
            // The daemon could not. Whether there is an introduction is as unknown as before.
            self.store.look_at = Some(now.after(self.settings.beat.divided(RETRY_DIVISOR)));
            return;
        }
        let found = match result {
            Ok(Reply::Value(value)) => {
                let found = parse_introduction(value);
                // dom0 makes the mailbox first, and the introduction above it comes into being
                // empty.
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
                // An absent node below a parent that is not readable is refused, not absent.
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

    /// The daemon should let a domain do as it likes with its own nodes.
    fn note_own_refusal(&mut self, result: &Result<Reply<'_>, Refusal>) {
        match result {
            Ok(_) => {}
            Err(refusal) => match refusal.cause() {
                Cause::Quota => self.notice(Notice::Quota),
                // The mailbox is not there yet: reading it will find that out, and mend it.
                Cause::Absent => {}
                _ => self.notice(Notice::StoreRefused),
            },
        }
    }
}

/// What is asked of an own node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// Its value.
    Value,
    /// To be there.
    Node,
}

/// Reads `<peer-domid> <number>`, to the letter.
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
    fn an_introduction_is_a_domid_and_a_number_to_the_letter() {
        let read = Introduction { peer: DomId(7), number: 1_700_000_000 };
        assert_eq!(parse_introduction(b"7 1700000000"), Some(read));
        for bad in [&b""[..], b"7", b"7 ", b"7 1 2", b"07 1", b"7 1\n", b"32752 1", b"x 1"] {
            assert_eq!(parse_introduction(bad), None, "{}", bad.escape_ascii());
        }
    }
}
