//! What the cases work with: one request and its answer, in a transaction or outside, and the
//! events that came meanwhile. It drives the client itself and not through `xenbus::blocking`,
//! which has no way to work outside a transaction while one is open, or to watch one path twice.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use xenbus::blocking::{Port as _, StoreError, Waited};
use xenbus::ring::Features;
use xenbus::stall::{STALL_BOUND_NS, Stalled};
use xenbus::{
    Counts, DomId, Incoming, Outcome, Permission, Refusal, Reply, Request, RequestId, TransactionId,
};

use kernel::store::StoreAccess;

/// The directory of all cases, and of the nodes that dom0 and the other domain make for them.
pub(crate) const BASE: &str = "data/check";
/// Where a case works: there and empty when it begins, removed when it has ended.
pub(crate) const WORK: &str = "data/check/w";

/// Outside of any transaction.
pub(crate) const NONE: TransactionId = TransactionId::NONE;

/// Events that are kept until a case asks for them: more than any case causes.
const EVENTS_MAX: usize = 32;

/// Which daemon serves this domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Daemon {
    /// C xenstored.
    C,
    /// oxenstored.
    Ocaml,
}

impl Daemon {
    /// Its name in the output.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Daemon::C => "c",
            Daemon::Ocaml => "ocaml",
        }
    }
}

/// An event that came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    /// What changed.
    pub(crate) path: String,
    /// Which watch saw it.
    pub(crate) token: String,
}

/// The other domain, as the first one sees it; what it does is in `second`.
#[derive(Clone, Debug)]
pub(crate) struct Second {
    /// Its number.
    pub(crate) domid: DomId,
    /// Orders given to it so far.
    pub(crate) orders: u32,
}

/// The ring, the client, and what is known of the surroundings.
pub(crate) struct Bench {
    pub(crate) access: StoreAccess,
    pub(crate) domid: DomId,
    pub(crate) daemon: Daemon,
    /// The other domain, where there is one.
    pub(crate) second: Option<Second>,
    /// Requests made to dom0 so far.
    pub(crate) asked: u32,
    events: Vec<Seen>,
}

impl Bench {
    /// Over a ring that works.
    pub(crate) fn new(access: StoreAccess, domid: u16) -> Bench {
        // The one thing that tells them apart without a request: only oxenstored offers to reset
        // the ring (docs/misc/xenstore-ring.txt, "Server feature bitmap").
        let resets = Features::of(&access.ring).reconnection();
        let daemon = if resets { Daemon::Ocaml } else { Daemon::C };
        let domid = DomId(domid);
        Bench { access, domid, daemon, second: None, asked: 0, events: Vec::new() }
    }

    /// The client's counts.
    pub(crate) fn counts(&self) -> &Counts {
        self.access.client.counts()
    }

    /// Makes a request and has `take` read the answer.
    pub(crate) fn ask<T>(
        &mut self,
        transaction: TransactionId,
        request: Request<'_>,
        take: impl FnOnce(Reply<'_>) -> T,
    ) -> Result<T, StoreError> {
        let id = self.submit(transaction, request)?;
        self.answer(id, STALL_BOUND_NS, |result| result.map(take))?.map_err(StoreError::Refused)
    }

    /// Gives a request to the client, which sends it with the next look at the ring.
    pub(crate) fn submit(
        &mut self,
        transaction: TransactionId,
        request: Request<'_>,
    ) -> Result<RequestId, StoreError> {
        self.access.client.submit(transaction, request).map_err(StoreError::Submit)
    }

    /// Waits for the answer to one request, at most so long.
    pub(crate) fn answer<T>(
        &mut self,
        wanted: RequestId,
        bound_ns: u64,
        take: impl FnOnce(Result<Reply<'_>, Refusal>) -> T,
    ) -> Result<T, StoreError> {
        let start = self.access.ring.now();
        let mut take = Some(take);
        let mut answer = None;
        loop {
            self.round(|id, result| {
                if id == wanted {
                    answer = take.take().map(|take| take(result));
                }
            });
            if let Some(answer) = answer {
                return Ok(answer);
            }
            if let Some(ended) = self.access.client.ended() {
                return Err(StoreError::Ended(ended));
            }
            let waited_ns = self.access.ring.now() - start;
            if waited_ns >= bound_ns {
                let in_flight = self.access.client.in_flight();
                return Err(StoreError::Stalled(Stalled { waited_ns, in_flight }));
            }
            self.sleep(start.saturating_add(bound_ns));
        }
    }

    /// Handles all that can be handled now: events are kept, replies given to `each`.
    pub(crate) fn round(&mut self, mut each: impl FnMut(RequestId, Result<Reply<'_>, Refusal>)) {
        let StoreAccess { ring, client } = &mut self.access;
        while let Some(incoming) = client.advance(ring) {
            match incoming {
                Incoming::Reply { id, result, .. } => each(id, result),
                Incoming::Event(event) => {
                    // A case that causes more of them asks for fewer.
                    if self.events.len() < EVENTS_MAX {
                        let (path, token) = (event.path.into(), event.token.into());
                        self.events.push(Seen { path, token });
                    }
                }
            }
        }
        if client.doorbell_due() {
            ring.notify();
        }
    }

    /// Waits for something to look at, at most until then.
    pub(crate) fn sleep(&mut self, deadline_ns: u64) {
        if self.access.ring.wait(deadline_ns) == Waited::Slept {
            self.access.client.woke();
        }
    }

    /// Sleeps without looking at the ring at all.
    pub(crate) fn pause(&mut self, span: Duration) {
        let until = self.now().saturating_add(span.as_nanos() as u64);
        while self.now() < until {
            kernel::events::wait(&[], until);
        }
    }

    /// The clock.
    pub(crate) fn now(&mut self) -> u64 {
        self.access.ring.now()
    }

    /// Makes a request whose answer is no more than that it is done.
    pub(crate) fn order(
        &mut self,
        transaction: TransactionId,
        request: Request<'_>,
    ) -> Result<(), StoreError> {
        self.ask(transaction, request, |_| ())
    }

    /// The value of a node, in the front of `room`; what does not fit is cut off.
    pub(crate) fn read<'r>(
        &mut self,
        transaction: TransactionId,
        path: &str,
        room: &'r mut [u8],
    ) -> Result<&'r [u8], StoreError> {
        let length = self.ask(transaction, Request::Read { path }, |reply| match reply {
            Reply::Value(value) => {
                let length = value.len().min(room.len());
                room[..length].copy_from_slice(&value[..length]);
                length
            }
            _ => 0,
        })?;
        Ok(&room[..length])
    }

    /// Writes a node.
    pub(crate) fn write(
        &mut self,
        transaction: TransactionId,
        path: &str,
        value: &[u8],
    ) -> Result<(), StoreError> {
        self.order(transaction, Request::Write { path, value })
    }

    /// Removes a node.
    pub(crate) fn remove(&mut self, path: &str) -> Result<(), StoreError> {
        self.order(NONE, Request::Remove { path })
    }

    /// Sets the permissions of a node of this domain: nobody else but whom `others` names.
    pub(crate) fn permit(&mut self, path: &str, others: &[Permission]) -> Result<(), StoreError> {
        let mut permissions = [Permission::owner(self.domid); 4];
        let count = others.len() + 1;
        permissions[1..count].copy_from_slice(others);
        self.order(NONE, Request::SetPermissions { path, permissions: &permissions[..count] })
    }

    /// Starts a transaction.
    pub(crate) fn begin(&mut self) -> Result<TransactionId, StoreError> {
        self.ask(NONE, Request::TransactionStart, |reply| match reply {
            Reply::Transaction(transaction) => transaction,
            _ => NONE,
        })
    }

    /// Ends one.
    pub(crate) fn end(
        &mut self,
        transaction: TransactionId,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        self.order(transaction, Request::TransactionEnd(outcome))
    }

    /// Watches a path.
    pub(crate) fn watch(&mut self, path: &str, token: &str) -> Result<(), StoreError> {
        self.order(NONE, Request::Watch { path, token })
    }

    /// Takes a watch back.
    pub(crate) fn unwatch(&mut self, path: &str, token: &str) -> Result<(), StoreError> {
        self.order(NONE, Request::Unwatch { path, token })
    }

    /// The next event, if one comes within `span`.
    pub(crate) fn event(&mut self, span: Duration) -> Option<Seen> {
        self.event_like(span, |_| true)
    }

    /// The next event of the watch with this token; others are kept.
    pub(crate) fn event_of(&mut self, token: &str, span: Duration) -> Option<Seen> {
        self.event_like(span, |seen| seen.token == token)
    }

    fn event_like(&mut self, span: Duration, wanted: impl Fn(&Seen) -> bool) -> Option<Seen> {
        let deadline_ns = self.now().saturating_add(span.as_nanos() as u64);
        loop {
            self.round(|_, _| ());
            if let Some(place) = self.events.iter().position(&wanted) {
                return Some(self.events.remove(place));
            }
            if self.now() >= deadline_ns || self.access.client.ended().is_some() {
                return None;
            }
            self.sleep(deadline_ns);
        }
    }

    /// Throws away the known events of the watch with this token.
    pub(crate) fn forget_events_of(&mut self, token: &str) {
        self.events.retain(|seen| seen.token != token);
    }

    /// Throws away the events that are known.
    pub(crate) fn forget_events(&mut self) {
        self.round(|_, _| ());
        self.events.clear();
    }
}
