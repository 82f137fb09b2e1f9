//! What the world does to a daemon on purpose: all of it may happen with the real ones.
//!
//! Events are lost (20 s, memory quota), late (queues between daemon and ring) or doubled ("watches
//! may be triggered spuriously"); a request is refused for want of memory; a live update stops all.

use super::connection::Outgoing;
use super::wire::{Errno, HEADER_BYTES};
use super::{Daemon, Flavour, LiveUpdate};

/// How long C xenstored waits for open transactions before it gives a live update up (`-t 60`).
const LIVE_UPDATE_PATIENCE_NS: u64 = 60_000_000_000;

impl Daemon {
    /// Starts a live update, which stops service for `pause_ns` once no transaction is open.
    pub fn live_update(&mut self, pause_ns: u64, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        self.live_update = match self.flavour {
            Flavour::C => {
                LiveUpdate::Pending { pause_ns, give_up_ns: now_ns + LIVE_UPDATE_PATIENCE_NS }
            }
            Flavour::Ocaml => LiveUpdate::Paused { until_ns: now_ns + pause_ns },
        };
    }

    /// Whether no live update is going on.
    pub fn is_serving(&self) -> bool {
        self.live_update == LiveUpdate::Idle
    }

    /// Moves a live update on; until when nobody is served.
    pub(super) fn paused_until(&mut self) -> Option<u64> {
        if let LiveUpdate::Pending { pause_ns, give_up_ns } = self.live_update {
            if self.open_transactions() == 0 {
                self.live_update = LiveUpdate::Paused { until_ns: self.now_ns + pause_ns };
            } else if self.now_ns >= give_up_ns {
                self.live_update = LiveUpdate::Idle;
            }
        }
        match self.live_update {
            LiveUpdate::Paused { until_ns } if self.now_ns < until_ns => Some(until_ns),
            LiveUpdate::Paused { .. } => {
                self.live_update = LiveUpdate::Idle;
                None
            }
            _ => None,
        }
    }

    /// Loses the newest event that waits for a domain and of which nothing is written; whether
    /// there was one.
    pub fn drop_event(&mut self, domain: u16) -> bool {
        let Some((at, place)) = self.newest_event(domain) else { return false };
        let message = self.connections[at].queue.remove(place).expect("found");
        self.message_gone(at, message.outgoing);
        true
    }

    /// Keeps the newest event that waits for a domain back until a time; whether there was one.
    pub fn delay_event(&mut self, domain: u16, until_ns: u64) -> bool {
        let Some((at, place)) = self.newest_event(domain) else { return false };
        match &mut self.connections[at].queue[place].outgoing {
            Outgoing::Event { held_until_ns, .. } => *held_until_ns = until_ns,
            Outgoing::Reply { .. } => unreachable!("found among events"),
        }
        true
    }

    /// Sends the newest event that waits for a domain once more; whether there was one.
    pub fn repeat_event(&mut self, domain: u16) -> bool {
        let Some((at, place)) = self.newest_event(domain) else { return false };
        let mut message = self.connections[at].queue[place].clone();
        if let Outgoing::Event { cause, .. } = &mut message.outgoing {
            *cause = None;
        }
        self.connections[at].queue.push_back(message);
        true
    }

    /// Fires a watch of a domain for nothing, with a path below it that need not exist; whether it
    /// has a watch.
    pub fn spurious_event(&mut self, domain: u16) -> bool {
        let Some(at) = self.connection_at(domain) else { return false };
        let connection = &mut self.connections[at];
        let Some(watch) = connection.watches.first().cloned() else { return false };
        let path = connection.event_path(&watch, &watch.path).to_owned();
        let outgoing = Outgoing::Event { expires_ns: None, cause: None, held_until_ns: 0 };
        connection.push_event(outgoing, &path, &watch.token);
        true
    }

    /// Refuses the domain's next request that may be refused.
    pub fn fail_next(&mut self, domain: u16, error: Errno) -> bool {
        let Some(at) = self.connection_at(domain) else { return false };
        self.connections[at].fail_next = Some(error);
        true
    }

    fn newest_event(&self, domain: u16) -> Option<(usize, usize)> {
        let at = self.connection_at(domain)?;
        let place = self.connections[at].queue.iter().rposition(|message| {
            matches!(message.outgoing, Outgoing::Event { .. })
                && message.written == 0
                && message.bytes.len() >= HEADER_BYTES
        })?;
        Some((at, place))
    }
}
