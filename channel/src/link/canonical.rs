//! Canonical forms of a link for the model checker, and a shortcut to the peer's complete silence.

use super::Link;
use super::agenda::Agenda;
use super::events::Events;
use crate::epoch::Epoch;
use crate::instant::{Duration, Instant};
use crate::liveness::Lateness;

/// This side's beat in the canonical form of a link. The peer's last beat is 0, so a checker can
/// use the numbers in between for beats in transit.
pub const CANONICAL_BEAT: u32 = 1000;

impl<const COUNT: usize, const BYTES: usize> Link<COUNT, BYTES> {
    /// Returns a link that behaves at `then` as this one does at `now`, if any time may pass
    /// between two inputs. Links that differ only in irrelevant history have the same canonical
    /// form. All events must have been taken.
    ///
    /// - A timer that is set expires at `then` if it is due, else one nanosecond later, because it
    ///   may expire after any time. This includes the page beat.
    /// - While an input is processed, the length of the peer's silence is rounded to the thresholds
    ///   that matter: zero, one period, a late page beat, an overdue page beat. Afterwards only the
    ///   lateness is kept.
    /// - Misses are not counted. [`Link::note_silence`] makes the next READ the decisive one.
    /// - Beats only have to differ. The peer's last beats become 0, this side's last beat becomes
    ///   [`CANONICAL_BEAT`]. The caller renames beats in transit.
    /// - Endpoint state that no input can reveal is dropped: see
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
        link.store.introduction_at = self.store.introduction_at.map(move_moment);
        // A READ that shows no beat is a miss if it was issued a period after the last sign of life.
        let is_checked = self.endpoint.is_reading() || self.agenda.check_liveness;
        let is_period = is_checked && self.liveness.is_period_after(self.read_issued);
        link.read_issued = then;
        let measured = if is_period { before(then, self.settings.beat) } else { then };
        link.liveness.forget_moments(before(then, self.silence(now)), measured);
        link.liveness.rename_beats(CANONICAL_BEAT, self.endpoint.is_up());
        if !is_checked {
            link.liveness.forget_misses();
        }
        let is_beat_published = self.published.beat == self.liveness.beat();
        link.published.beat = CANONICAL_BEAT - u32::from(!is_beat_published);
        if self.events.is_empty() {
            link.events = Events::EMPTY;
        }
        (link.noticed, link.quarantined, link.needs_sweep) = (0, 0, false);
        link
    }

    /// Counts all misses up to the limit except the last one. The READ issued or outstanding at
    /// `now` is the last miss if neither it nor the page shows a new beat. For a checker, which
    /// does not count misses.
    pub fn note_silence(&mut self, now: Instant) {
        self.read_issued = now;
        self.liveness.note_silence(now);
    }

    /// The length of the peer's silence, rounded down to the thresholds that matter.
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

/// The time `span` before `moment`.
fn before(moment: Instant, span: Duration) -> Instant {
    Instant::from_nanoseconds(moment.nanoseconds().saturating_sub(span.nanoseconds()))
}
