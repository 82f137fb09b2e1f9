//! Which endpoints behave alike, for a checker that need not tell them apart: what no input can
//! bring to light again is put to rest.

use super::{Endpoint, Phase, Seq, WrittenRegister};
use crate::epoch::Epoch;
use crate::instant::Instant;

impl<const COUNT: usize, const BYTES: usize> Endpoint<COUNT, BYTES> {
    /// An endpoint that answers every input as this one does, now and later, but for
    /// [`Endpoint::stored`], which it asks nobody for. Two endpoints that differ only in what is
    /// past have the same one.
    ///
    /// `returns` tells of an epoch whether a register from it may still be read, now or later. One
    /// from which nothing will come need not be remembered by an endpoint that is not up.
    #[must_use]
    pub fn canonical(&self, returns: impl Fn(Epoch) -> bool) -> Self {
        let is_down = self.phase == Phase::Down;
        let mut canonical = self.clone();
        canonical.stored = Seq::NONE;
        canonical.peer = self.peer.filter(|peer| !is_down || returns(*peer));
        // What landed is looked at when the session begins: a hello in this epoch, to the peer that
        // is then read.
        let is_hello = |said: &WrittenRegister| is_down && said.from == self.my;
        let is_to_somebody = |said: &WrittenRegister| said.to.is_some_and(&returns);
        canonical.written = self.written.filter(|said| is_hello(said) && is_to_somebody(said));
        // So is what is under way. Of any other, only whether it is of this epoch counts, when its
        // answer comes.
        canonical.writing = self.writing.map(|said| match is_hello(&said) {
            true => WrittenRegister { to: said.to.filter(|to| returns(*to)), ..said },
            false => WrittenRegister {
                from: match said.from == self.my {
                    true => self.my,
                    false => Epoch::from_bits(!self.my.bits()),
                },
                to: None,
                ack: Seq::NONE,
                first: Seq::NONE,
                last: Seq::NONE,
            },
        });
        // No endpoint goes up but by a READ that finds the mailbox.
        canonical.mailbox_absent &= !is_down;
        // The next delivery brings it to the limit anyway.
        let limit = COUNT.div_ceil(2) - 1;
        if usize::from(self.unacked.0) >= limit {
            canonical.unacked = (limit as u8, 0);
        }
        canonical
    }

    /// Keeps what a link says in the page.
    pub(crate) fn keep_stored(&mut self, other: &Self) {
        self.stored = other.stored;
    }

    /// Whether a READ is under way.
    pub const fn is_reading(&self) -> bool {
        self.reading
    }

    /// Moves each timer that is set to `due` if it is due at `now`, else to `later`, and forgets how
    /// far the hello timer has backed off: for a checker in which any time may pass between two
    /// inputs.
    pub(crate) fn forget_moments(&mut self, now: Instant, due: Instant, later: Instant) {
        self.timers.make_canonical(now, due, later);
        self.hello_step = 0;
    }

    /// The same endpoint with its own messages counted from `own` and the peer's from `peers`, but
    /// for what the messages themselves say. No rule looks at a number but to compare it with
    /// another of the same session.
    #[must_use]
    pub fn counted_from(&self, own: Seq, peers: Seq) -> Self {
        let mut counted = self.clone();
        counted.sent.0 = self.sent.0.wrapping_sub(own.0);
        counted.acked.0 = self.acked.0.wrapping_sub(own.0);
        counted.delivered.0 = self.delivered.0.wrapping_sub(peers.0);
        counted
    }
}
