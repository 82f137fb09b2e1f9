//! Liveness of the peer, judged by its beats (docs/protocol.md §5). A beat counts as missed only
//! when a READ that was issued *and* answered a full period after the last sign of life shows no
//! new beat. A stalled xenstored or a pause of this domain therefore never makes the peer look
//! dead. [`crate::endpoint`] schedules the READs; [`crate::link`] reports each answer to
//! [`Liveness::handle_answer`].

use crate::event::DetectedBy;
use crate::instant::{Duration, Instant};
use crate::limits::PAGE_LATE_HALVES;

/// The beat counters of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Liveness {
    period: Duration,
    misses_max: u32,
    own: u32,
    /// The peer's last beat in the register in this session.
    in_register: Option<u32>,
    /// The peer's last beat in the page in this connection.
    in_page: Option<u32>,
    page_moved: bool,
    /// When the last sign of life came.
    alive: Instant,
    /// The start of the period of the next miss: the last sign of life, or the last miss.
    measured: Instant,
    misses: u32,
    /// This side's page beats since the last sign of life.
    own_page_beats: u32,
}

/// The result of a READ for the peer's liveness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SilentRead {
    /// No beat was missed.
    Alive,
    /// A beat was missed; the limit is not reached yet.
    Missed,
    /// The peer is dead, as detected by the given source.
    Dead(DetectedBy),
}

/// How late the peer's page beat is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lateness {
    /// Not late, or there is no live page.
    None,
    /// Late enough to poll the mailbox.
    Late,
    /// Late by the limit of missed beats: the mailbox is read once more.
    Overdue,
}

impl Liveness {
    /// Creates counters without any beat.
    ///
    /// # Panics
    /// If `misses_max` is 0.
    pub const fn new(period: Duration, misses_max: u32) -> Self {
        assert!(misses_max >= 1);
        Self {
            period,
            misses_max,
            own: 0,
            in_register: None,
            in_page: None,
            page_moved: false,
            alive: Instant::START,
            measured: Instant::START,
            misses: 0,
            own_page_beats: 0,
        }
    }

    /// Advances this side's beat, for a register or the page, and returns it. It may wrap: only a
    /// change matters.
    pub fn next_beat(&mut self) -> u32 {
        self.own = self.own.wrapping_add(1);
        self.own
    }

    /// This side's last beat.
    pub const fn beat(&self) -> u32 {
        self.own
    }

    /// This side sent a page beat. It counts as one period, regardless of how long this domain
    /// slept before.
    pub fn handle_own_page_beat(&mut self) {
        self.own_page_beats = self.own_page_beats.saturating_add(1);
    }

    /// A session began.
    pub fn handle_up(&mut self, now: Instant) {
        (self.in_register, self.in_page, self.page_moved) = (None, None, false);
        self.sign_of_life(now);
    }

    /// The connection's page became live, or is no longer live.
    pub fn handle_page_change(&mut self, now: Instant) {
        (self.in_page, self.page_moved) = (None, false);
        // The peer may need a period to switch between register and page.
        self.sign_of_life(now);
    }

    /// The peer's register contains this beat.
    pub fn handle_register_beat(&mut self, now: Instant, beat: u32) {
        if self.in_register.replace(beat) != Some(beat) {
            self.sign_of_life(now);
        }
    }

    /// The page contains this beat. The first value is only the baseline.
    pub fn handle_page_beat(&mut self, now: Instant, beat: u32) {
        if self.in_page.replace(beat).is_some_and(|before| before != beat) {
            self.page_moved = true;
            self.sign_of_life(now);
        }
    }

    /// A READ of the mailbox, issued at `issued`, was answered at `now`. The beat it returned, if
    /// any, must have been reported before.
    pub fn handle_answer(&mut self, issued: Instant, now: Instant) -> SilentRead {
        // Each own page beat found no new beat of the peer, so each was a miss. This READ shows
        // that the register has no new beat either.
        if self.page_moved && self.own_page_beats >= self.misses_max && issued >= self.overdue_at()
        {
            return SilentRead::Dead(DetectedBy::Page);
        }
        if !self.is_period_after(issued) {
            return SilentRead::Alive;
        }
        self.misses = self.misses.saturating_add(1);
        self.measured = now;
        if self.misses < self.misses_max {
            return SilentRead::Missed;
        }
        SilentRead::Dead(if self.page_moved { DetectedBy::Page } else { DetectedBy::Register })
    }

    /// Whether the peer's page beat has changed. Beats in the register may then stop.
    pub const fn page_moved(&self) -> bool {
        self.page_moved
    }

    /// When the peer's next page beat is late.
    pub fn late_at(&self) -> Instant {
        self.alive.after(self.late_after())
    }

    /// When the peer's next page beat is overdue: after the limit of missed periods, and not before
    /// it is late.
    pub fn overdue_at(&self) -> Instant {
        self.alive.after(self.overdue_after())
    }

    /// The time after the last sign of life at which a page beat is late.
    pub(crate) fn late_after(&self) -> Duration {
        self.period.times(PAGE_LATE_HALVES).divided(2)
    }

    /// The time after the last sign of life at which a page beat is overdue.
    pub(crate) fn overdue_after(&self) -> Duration {
        self.period.times(self.misses_max).max(self.late_after())
    }

    /// When the last sign of life came.
    pub const fn alive_at(&self) -> Instant {
        self.alive
    }

    /// The misses counted since the last sign of life.
    pub const fn misses(&self) -> u32 {
        self.misses
    }

    /// The peer's last beat in the register in this session, for a checker.
    pub const fn beat_in_register(&self) -> Option<u32> {
        self.in_register
    }

    /// The peer's last beat in the page in this connection, for a checker.
    pub const fn beat_in_page(&self) -> Option<u32> {
        self.in_page
    }

    /// Renames beats for a checker: the peer's last beats become 0, this side's last beat becomes
    /// `own`.
    pub(crate) fn rename_beats(&mut self, own: u32, is_up: bool) {
        self.own = own;
        self.in_register = self.in_register.filter(|_| is_up).map(|_| 0);
        self.in_page = self.in_page.filter(|_| is_up).map(|_| 0);
    }

    /// For a checker: sets the time of the last sign of life, and the start of the period of the
    /// next miss.
    pub(crate) fn forget_moments(&mut self, alive: Instant, measured: Instant) {
        (self.alive, self.measured) = (alive, measured);
    }

    /// For a checker: resets the misses.
    pub(crate) fn forget_misses(&mut self) {
        (self.misses, self.own_page_beats) = (0, 0);
    }

    /// For a checker: counts all misses except the last, and makes a READ issued at `now` the last
    /// one.
    pub(crate) fn note_silence(&mut self, now: Instant) {
        self.misses = self.misses_max - 1;
        let measured = now.nanoseconds().saturating_sub(self.period.nanoseconds());
        self.measured = Instant::from_nanoseconds(measured);
    }

    /// Whether a READ issued at `issued` is a miss if it shows no new beat.
    pub(crate) fn is_period_after(&self, issued: Instant) -> bool {
        issued >= self.measured.after(self.period)
    }

    fn sign_of_life(&mut self, now: Instant) {
        self.alive = now;
        self.measured = now;
        self.misses = 0;
        self.own_page_beats = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Liveness, SilentRead};
    use crate::event::DetectedBy;
    use crate::instant::{Duration, Instant};
    use crate::limits::BEATS_MISSED_LEAST;

    const BEAT: Duration = Duration::from_milliseconds(1000);

    fn at(milliseconds: u64) -> Instant {
        Instant::START.after(Duration::from_milliseconds(milliseconds))
    }

    fn started() -> Liveness {
        let mut liveness = Liveness::new(BEAT, 4);
        liveness.handle_up(at(0));
        liveness.handle_register_beat(at(0), 1);
        liveness
    }

    #[test]
    fn only_a_read_issued_a_full_period_after_the_last_beat_counts_as_a_miss() {
        let mut liveness = started();
        assert_eq!(liveness.handle_answer(at(999), at(5000)), SilentRead::Alive);
        assert_eq!(liveness.handle_answer(at(5000), at(5001)), SilentRead::Missed);
        assert_eq!(
            liveness.handle_answer(at(5002), at(5003)),
            SilentRead::Alive,
            "the same silence"
        );
    }

    #[test]
    fn the_limit_of_misses_means_death_and_a_beat_resets_the_count() {
        let mut liveness = started();
        for round in 1..4 {
            let now = at(round * 1001);
            assert_eq!(liveness.handle_answer(now, now), SilentRead::Missed);
        }
        liveness.handle_register_beat(at(3500), 2);
        for round in 1..4 {
            let now = at(3500 + round * 1000);
            assert_eq!(liveness.handle_answer(now, now), SilentRead::Missed);
        }
        assert_eq!(
            liveness.handle_answer(at(7500), at(7500)),
            SilentRead::Dead(DetectedBy::Register)
        );
    }

    #[test]
    fn a_slightly_late_beat_and_a_stalled_xenstored_do_not_reach_the_lowest_limit() {
        let mut liveness = Liveness::new(BEAT, BEATS_MISSED_LEAST);
        liveness.handle_up(at(0));
        liveness.handle_register_beat(at(0), 1);
        // The peer's WRITE was due at 1000 and is still in its ring when xenstored stops at 1002.
        assert_eq!(liveness.handle_answer(at(1000), at(1001)), SilentRead::Missed);
        // The next READ waits for xenstored, which processes it before that WRITE.
        assert_eq!(liveness.handle_answer(at(2001), at(60_000)), SilentRead::Missed);
        assert_eq!(liveness.handle_answer(at(60_001), at(60_002)), SilentRead::Alive);
        liveness.handle_register_beat(at(60_003), 2);
        assert_eq!(liveness.misses(), 0);
    }

    #[test]
    fn one_answer_is_one_miss_regardless_of_the_pause() {
        let mut liveness = started();
        assert_eq!(liveness.handle_answer(at(1_000_000), at(1_000_001)), SilentRead::Missed);
        assert_eq!(liveness.misses(), 1);
    }

    #[test]
    fn only_a_changed_page_beat_is_a_sign_of_life() {
        let mut liveness = started();
        liveness.handle_page_change(at(10));
        liveness.handle_page_beat(at(500), 7);
        liveness.handle_page_beat(at(900), 7);
        assert!(!liveness.page_moved());
        assert_eq!(liveness.alive_at(), at(10));
        liveness.handle_page_beat(at(1000), 6);
        assert!(liveness.page_moved(), "any change is a sign of life, including a wrapped counter");
        assert_eq!(liveness.late_at(), at(3500));
    }

    fn beating_in_page() -> Liveness {
        let mut liveness = started();
        liveness.handle_page_change(at(0));
        liveness.handle_page_beat(at(0), 1);
        liveness.handle_page_beat(at(1000), 2);
        liveness
    }

    #[test]
    fn one_read_after_the_limit_of_silent_own_beats_means_death() {
        let mut liveness = beating_in_page();
        for _ in 0..4 {
            liveness.handle_own_page_beat();
        }
        assert_eq!(
            liveness.handle_answer(at(3500), at(3500)),
            SilentRead::Missed,
            "late, not overdue"
        );
        assert_eq!(liveness.overdue_at(), at(5000));
        assert_eq!(liveness.handle_answer(at(4999), at(5001)), SilentRead::Missed);
        assert_eq!(liveness.handle_answer(at(5000), at(5002)), SilentRead::Dead(DetectedBy::Page));
    }

    #[test]
    fn a_pause_of_this_side_counts_as_one_miss() {
        let mut liveness = beating_in_page();
        liveness.handle_own_page_beat();
        assert_eq!(liveness.handle_answer(at(60_000), at(60_001)), SilentRead::Missed);
        assert_eq!(liveness.misses(), 1);
    }

    #[test]
    fn the_death_of_a_peer_that_beat_in_the_page_is_detected_by_the_page() {
        let mut liveness = started();
        liveness.handle_page_change(at(0));
        liveness.handle_page_beat(at(0), 1);
        liveness.handle_page_beat(at(1000), 2);
        for round in 1..4 {
            let now = at(1000 + round * 1000);
            assert_eq!(liveness.handle_answer(now, now), SilentRead::Missed);
        }
        assert_eq!(liveness.handle_answer(at(5000), at(5000)), SilentRead::Dead(DetectedBy::Page));
    }
}
