//! One pass of a daemon's main loop over its connections.
//!
//! C xenstored reads at most one request and writes at most one message per connection and pass;
//! oxenstored writes first. Every byte moved rings the guest's doorbell, useful or not.

use super::c::view::KnownDomain;
use super::connection::{Message, Outgoing, Oversize, ReadError};
use super::limits::{EVENTS_WAITING_MAX_OCAML, OUTSTANDING_MAX_C};
use super::ring::{ERROR_AT, ERROR_PROTOCOL, ERROR_RING_INDEX};
use super::wire::{Header, Kind};
use super::{Daemon, Flavour, LiveUpdate};

/// What a pass has left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// There is more to do now.
    pub busy: bool,
    /// If not: when there may be, without a doorbell.
    pub wake_ns: Option<u64>,
}

impl Daemon {
    /// Does one pass at time `now_ns`, moving at most `chunk_bytes_max` at once. The domains whose
    /// doorbell rang are in [`Daemon::notified`] afterwards.
    pub fn serve(&mut self, now_ns: u64, chunk_bytes_max: usize) -> Served {
        assert!(now_ns >= self.now_ns, "the daemon's clock does not go back");
        self.now_ns = now_ns;
        self.notified.clear();
        if let Some(until_ns) = self.paused_until() {
            return Served { busy: false, wake_ns: Some(until_ns) };
        }
        let mut served = Served { busy: false, wake_ns: self.live_update_deadline() };
        for at in 0..self.connections.len() {
            if self.connections[at].page.is_none() || !self.connections[at].has_work() {
                continue;
            }
            let moved = match self.flavour {
                Flavour::C => {
                    let read = self.read_one(at, chunk_bytes_max, &mut served);
                    self.write_one(at, chunk_bytes_max) | read
                }
                Flavour::Ocaml => {
                    let written = self.write_one(at, chunk_bytes_max);
                    self.read_one(at, chunk_bytes_max, &mut served) | written
                }
            };
            if moved {
                served.busy = true;
                self.notified.push(self.connections[at].domain);
            }
            for wake_ns in [self.expire_events(at), self.next_held(at)].into_iter().flatten() {
                served.wake_by(wake_ns);
            }
        }
        served
    }

    /// Domains whose doorbell rang in the last pass.
    pub fn notified(&self) -> &[u16] {
        &self.notified
    }

    fn live_update_deadline(&self) -> Option<u64> {
        match self.live_update {
            LiveUpdate::Idle => None,
            LiveUpdate::Pending { give_up_ns, .. } => Some(give_up_ns),
            LiveUpdate::Paused { until_ns } => Some(until_ns),
        }
    }

    fn next_held(&self, at: usize) -> Option<u64> {
        let held = |message: &Message| match message.outgoing {
            Outgoing::Event { held_until_ns, .. } if held_until_ns > self.now_ns => {
                Some(held_until_ns)
            }
            _ => None,
        };
        self.connections[at].queue.iter().filter_map(held).min()
    }

    /// Whether the daemon looks at the connection's requests at all.
    fn may_read(&mut self, at: usize, served: &mut Served) -> bool {
        let connection = &self.connections[at];
        if connection.ignored || !connection.has_input() {
            return false;
        }
        if let Some(reader) = connection.blocked_by {
            let full = self
                .connection(reader)
                .is_some_and(|reader| reader.events_waiting() > EVENTS_WAITING_MAX_OCAML);
            if full {
                return false;
            }
            self.connections[at].blocked_by = None;
        }
        let connection = &self.connections[at];
        if self.flavour == Flavour::Ocaml || !connection.is_unprivileged() {
            return !connection.stalled || self.live_update == LiveUpdate::Idle;
        }
        if connection.stalled && self.live_update != LiveUpdate::Idle {
            return false;
        }
        if connection.outstanding >= OUTSTANDING_MAX_C {
            self.counts.stalls_outstanding += 1;
            return false;
        }
        let ready_ns = self.limiter.ready_at(connection.domain, self.now_ns);
        if ready_ns > self.now_ns {
            self.counts.stalls_rate += 1;
            served.wake_by(ready_ns);
            return false;
        }
        true
    }

    /// Reads some of a request and answers it once it is complete; whether bytes moved.
    fn read_one(&mut self, at: usize, chunk_bytes_max: usize, served: &mut Served) -> bool {
        if let Some((header, payload)) = self.delayed_request(at) {
            self.process(at, header, &payload);
            return true;
        }
        if !self.may_read(at, served) {
            return false;
        }
        let oversize = match self.flavour {
            Flavour::C => Oversize::Kill,
            Flavour::Ocaml => Oversize::Clamp,
        };
        let read = match self.connections[at].read_request(chunk_bytes_max, oversize) {
            Ok(read) => read,
            Err(ReadError::BadIndices) => {
                self.kill(at, ERROR_RING_INDEX);
                return false;
            }
            Err(ReadError::TooLong) => {
                self.kill(at, ERROR_PROTOCOL);
                return false;
            }
        };
        if let Some((header, payload)) = read.request {
            self.consider(at, header, payload);
        }
        read.moved > 0
    }

    /// Processes a request, unless a live update makes it wait.
    fn consider(&mut self, at: usize, header: Header, payload: Vec<u8>) {
        let connection = &mut self.connections[at];
        connection.stalled = false;
        let starts = header.kind == Kind::TransactionStart as u32;
        let pending = matches!(self.live_update, LiveUpdate::Pending { .. });
        if starts && pending && connection.transactions.is_empty() && self.flavour == Flavour::C {
            self.counts.starts_delayed += 1;
            // Only one may wait; the next one stops the connection.
            connection.stalled = !connection.delayed.is_empty();
            connection.delayed.push_back((header, payload));
            return;
        }
        self.process(at, header, &payload);
        self.connections[at].recycle(payload);
    }

    fn delayed_request(&mut self, at: usize) -> Option<(Header, Vec<u8>)> {
        if self.live_update != LiveUpdate::Idle {
            return None;
        }
        self.connections[at].delayed.pop_front()
    }

    /// Writes some of the next message; whether bytes moved.
    fn write_one(&mut self, at: usize, chunk_bytes_max: usize) -> bool {
        let Some(next) = self.connections[at].next_message(self.now_ns) else { return false };
        let started = self.connections[at].queue[next].written > 0;
        let written = match self.connections[at].write_some(next, chunk_bytes_max) {
            Ok(written) => written,
            Err(_) => {
                self.kill(at, ERROR_RING_INDEX);
                return false;
            }
        };
        if started && written.moved > 0 {
            self.counts.messages_split += 1;
        }
        if let Some(message) = written.done {
            self.message_gone(at, message.outgoing);
            self.connections[at].recycle_message(message);
        }
        written.moved > 0
    }

    /// Books a message that has left a queue, one way or another.
    pub(super) fn message_gone(&mut self, at: usize, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Reply { cause } => {
                if cause.is_none_or(|place| self.causes.reply_gone(place)) {
                    self.connections[at].outstanding -= 1;
                }
            }
            Outgoing::Event { cause, .. } => self.release_cause(cause),
        }
    }

    /// One event of a request is gone.
    pub(super) fn release_cause(&mut self, cause: Option<usize>) {
        let payer = cause.and_then(|place| self.causes.event_gone(place));
        if let Some(at) = payer.and_then(|payer| self.connection_at(payer)) {
            self.connections[at].outstanding -= 1;
        }
    }

    /// Notes an event of the request that connection `causer` has in process.
    pub(super) fn cause_event(&mut self, causer: usize) -> usize {
        self.causes.add_event(self.connections[causer].domain)
    }

    /// Gives a connection up: nothing is read or written any more, until its domain is gone.
    fn kill(&mut self, at: usize, error: u32) {
        self.counts.connections_killed += 1;
        self.drop_queue(at);
        let connection = &mut self.connections[at];
        connection.ignored = true;
        connection.watches.clear();
        connection.transactions.clear();
        connection.delayed.clear();
        if let (Flavour::C, Some(page)) = (self.flavour, &connection.page) {
            page.store(ERROR_AT, error);
        }
    }

    /// Throws everything away that waits for a connection.
    pub(super) fn drop_queue(&mut self, at: usize) {
        while let Some(message) = self.connections[at].queue.pop_front() {
            self.message_gone(at, message.outgoing);
        }
    }

    /// A record of a domain that is introduced.
    pub(super) fn remember(&mut self, domain: u16) {
        if !self.domains.iter().any(|known| known.domain == domain) {
            self.domains.push(KnownDomain { domain, generation: self.generation });
        }
    }
}

impl Served {
    fn wake_by(&mut self, wake_ns: u64) {
        self.wake_ns = Some(self.wake_ns.map_or(wake_ns, |at| at.min(wake_ns)));
    }
}
