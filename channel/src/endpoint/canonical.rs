//! Which endpoints behave alike, for a checker that need not tell them apart: what no input can
//! bring to light again is put to rest.

use super::{Endpoint, Phase, Said, Seq};

impl<const COUNT: usize, const BYTES: usize> Endpoint<COUNT, BYTES> {
    /// An endpoint that answers every input as this one does, now and later, but for
    /// [`Endpoint::stored`], which it asks nobody for. Two endpoints that differ only in what is
    /// past have the same one.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let is_down = self.phase == Phase::Down;
        let mut canonical = self.clone();
        canonical.stored = Seq::NONE;
        // What landed is looked at when the session begins: a hello in this epoch.
        canonical.written = self.written.filter(|said| is_down && said.from == self.my);
        // So is what is under way. Of any other, only the epoch counts, when its answer comes.
        canonical.writing = self.writing.map(|said| match is_down && said.from == self.my {
            true => said,
            false => Said {
                from: said.from,
                to: None,
                ack: Seq::NONE,
                first: Seq::NONE,
                last: Seq::NONE,
            },
        });
        // The next delivery brings it to the limit anyway.
        let limit = COUNT.div_ceil(2) - 1;
        if usize::from(self.owed.0) >= limit {
            canonical.owed = (limit as u8, 0);
        }
        canonical
    }
}
