//! For a model checker: which links behave alike, and how a peer's silence becomes complete.

use super::Link;
use super::actions::Agenda;
use super::events::Events;
use super::page::Lateness;
use crate::epoch::Epoch;
use crate::instant::{Duration, Instant};

/// The own beat of a link in its canonical form. The peer's last one is 0, so a checker has all
/// numbers between for beats on their way.
pub const CANONICAL_BEAT: u32 = 1000;

impl<const COUNT: usize, const BYTES: usize> Link<COUNT, BYTES> {
    /// A link that behaves at `then` as this one does at `now`, in a world in which any time may
    /// pass between two inputs. Two links that differ only in what is past have the same one. Its
    /// events must have been taken.
    ///
    /// - A timer that is set is due at `then`, or else a nanosecond later: it may go off after any
    ///   time. That includes the page's beat.
    /// - While an input is being dealt with, how long the peer has been silent is kept in steps that
    ///   make a difference: less than a period, a period, a late page beat, as many periods as mean
    ///   death. After that only lateness is kept.
    /// - Misses are not counted. [`Link::note_silence`] makes the next READ the last one.
    /// - Beats only have to differ. The peer's last ones are 0, the own last one is
    ///   [`CANONICAL_BEAT`]. The caller renames those that are on their way.
    /// - Of the endpoint, what no input brings to light again is forgotten: see
    ///   [`Endpoint::canonical`](crate::endpoint::Endpoint::canonical) for that and for `returns`.
    #[must_use]
    pub fn canonical(&self, now: Instant, then: Instant, returns: impl Fn(Epoch) -> bool) -> Self {
        let mut link = self.clone();
        let later = then.after(Duration::from_nanoseconds(1));
        link.endpoint = self.endpoint.canonical(returns);
        link.endpoint.keep_stored(&self.endpoint);
        link.endpoint.forget_moments(now, then, later);
        let move_moment = |at: Instant| if at <= now { then } else { later };
        link.page_beat_at = self.page_beat_at.map(move_moment);
        link.store.look_at = self.store.look_at.map(move_moment);
        // A READ that shows no beat is a miss if it was issued a period after the last sign of life.
        let is_judged = self.endpoint.is_reading() || self.agenda.judge;
        let is_period = is_judged && self.liveness.is_period_after(self.read_issued);
        link.read_issued = then;
        let measured = if is_period { before(then, self.settings.beat) } else { then };
        link.liveness.forget_moments(before(then, self.silence(now)), measured);
        link.liveness.rename_beats(CANONICAL_BEAT, self.endpoint.is_up());
        if !is_judged {
            link.liveness.forget_misses();
        }
        let is_beat_published = self.published.beat == self.liveness.beat();
        link.published.beat = CANONICAL_BEAT - u32::from(!is_beat_published);
        if self.events.is_empty() {
            link.events = Events::EMPTY;
        }
        (link.noticed, link.quarantined, link.is_unswept) = (0, 0, false);
        link
    }

    /// As many beats as mean death are missed, but for the last: the READ that is issued or under way
    /// at `now` is that one, if it shows no beat and the page shows none either. For a checker, which
    /// does not count misses.
    pub fn note_silence(&mut self, now: Instant) {
        self.read_issued = now;
        self.liveness.note_silence(now);
    }

    /// How long the peer has been silent, in the steps that make a difference.
    fn silence(&self, now: Instant) -> Duration {
        let beat = self.settings.beat;
        let (late, overdue) = (self.liveness.late_after(), self.liveness.overdue_after());
        if self.agenda == Agenda::default() {
            return match self.lateness {
                Lateness::None => Duration::ZERO,
                Lateness::Late => late,
                Lateness::Overdue => overdue,
            };
        }
        let silent = now.since(self.liveness.alive_at());
        [overdue, late, beat].into_iter().find(|span| silent >= *span).unwrap_or(Duration::ZERO)
    }
}

/// The moment `span` earlier.
fn before(moment: Instant, span: Duration) -> Instant {
    Instant::from_nanoseconds(moment.nanoseconds().saturating_sub(span.nanoseconds()))
}
