//! Canonical forms of an endpoint for the model checker: state that no input can reveal is dropped.

use super::{Endpoint, Phase, Seq, WrittenRegister};
use crate::epoch::Epoch;
use crate::instant::Instant;

impl<const COUNT: usize, const BYTES: usize> Endpoint<COUNT, BYTES> {
    /// Returns an endpoint that reacts to every future input as this one does, except for
    /// [`Endpoint::stored`]. Endpoints that differ only in irrelevant history have the same
    /// canonical form.
    ///
    /// `returns` reports whether a register from an epoch may still be read. An endpoint that is
    /// down can forget an epoch from which no register will be read.
    #[must_use]
    pub fn canonical(&self, returns: impl Fn(Epoch) -> bool) -> Self {
        let is_down = self.phase == Phase::Down;
        let mut canonical = self.clone();
        canonical.stored = Seq::NONE;
        canonical.peer = self.peer.filter(|peer| !is_down || returns(*peer));
        // The written register matters only when the session begins: if it is a hello in this
        // epoch, addressed to the peer that is then read.
        let is_hello = |register: &WrittenRegister| is_down && register.from == self.my;
        let is_to_live_peer = |register: &WrittenRegister| register.to.is_some_and(&returns);
        canonical.written =
            self.written.filter(|register| is_hello(register) && is_to_live_peer(register));
        // The same holds for an outstanding WRITE. For any other, only whether it is of this epoch
        // matters when its answer arrives.
        canonical.writing = self.writing.map(|register| match is_hello(&register) {
            true => WrittenRegister { to: register.to.filter(|to| returns(*to)), ..register },
            false => WrittenRegister {
                from: match register.from == self.my {
                    true => self.my,
                    false => Epoch::from_bits(!self.my.bits()),
                },
                to: None,
                ack: Seq::NONE,
                first: Seq::NONE,
                last: Seq::NONE,
            },
        });
        // An endpoint goes up only by a READ that finds the mailbox.
        canonical.mailbox_absent &= !is_down;
        // The next delivery reaches the limit anyway.
        let limit = COUNT.div_ceil(2) - 1;
        if usize::from(self.unacked.0) >= limit {
            canonical.unacked = (limit as u8, 0);
        }
        canonical
    }

    /// Keeps the value that a link publishes in the page.
    pub(crate) fn keep_stored(&mut self, other: &Self) {
        self.stored = other.stored;
    }

    /// Whether a READ is outstanding.
    pub const fn is_reading(&self) -> bool {
        self.reading
    }

    /// Moves each timer that is set to `due` if it is due at `now`, else to `later`, and resets the
    /// hello back-off. For a checker in which any time may pass between two inputs.
    pub(crate) fn forget_moments(&mut self, now: Instant, due: Instant, later: Instant) {
        self.timers.make_canonical(now, due, later);
        self.hello_step = 0;
    }

    /// Returns the same endpoint with its own sequence numbers relative to `own` and the peer's
    /// relative to `peers`. The rules only compare numbers within a session. Message contents are
    /// not changed.
    #[must_use]
    pub fn counted_from(&self, own: Seq, peers: Seq) -> Self {
        let mut counted = self.clone();
        counted.sent.0 = self.sent.0.wrapping_sub(own.0);
        counted.acked.0 = self.acked.0.wrapping_sub(own.0);
        counted.delivered.0 = self.delivered.0.wrapping_sub(peers.0);
        counted
    }
}
