//! Beats, and when their absence means death (docs/protocol.md §5). A beat is missed only when a
//! READ that was issued *and* answered a full period after the last sign of life shows none: while
//! xenstored is silent, or this domain slept, nobody is dead. Neighbours: [`crate::endpoint`] says
//! when to read, [`crate::link`] asks what a READ without a new beat means.

use crate::event::DetectedBy;
use crate::instant::{Duration, Instant};
use crate::limits::PAGE_LATE_HALVES;

/// Counts one peer's beats and this side's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Liveness {
    period: Duration,
    misses_max: u32,
    own: u32,
    /// The peer's last beat in the register, in this session.
    in_register: Option<u32>,
    /// Its last beat in the page, in this connection.
    in_page: Option<u32>,
    page_moved: bool,
    /// When the last sign of life came.
    alive: Instant,
    /// From when on the next miss is measured: the last sign of life, or the last miss.
    measured: Instant,
    misses: u32,
    /// Own beats in the page since the last sign of life.
    ticks: u32,
}

/// What a READ that brought no new beat means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SilentRead {
    /// Nothing: the beat is not overdue.
    Alive,
    /// A beat was missed; the limit is not reached.
    Missed,
    /// The peer is dead, as detected by this.
    Dead(DetectedBy),
}

impl Liveness {
    /// Nothing heard, nothing said. `misses_max` is at least 1.
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
            ticks: 0,
        }
    }

    /// The own next beat: for a register that is written, or for the page. It may wrap: only its
    /// change counts.
    pub fn next_beat(&mut self) -> u32 {
        self.own = self.own.wrapping_add(1);
        self.own
    }

    /// The own last beat.
    pub const fn beat(&self) -> u32 {
        self.own
    }

    /// An own beat in the page: however long this domain slept before, it counts as one period.
    pub fn handle_tick(&mut self) {
        self.ticks = self.ticks.saturating_add(1);
    }

    /// A session began.
    pub fn handle_up(&mut self, now: Instant) {
        (self.in_register, self.in_page, self.page_moved) = (None, None, false);
        self.sign_of_life(now);
    }

    /// There is a page to look at from now on, or no longer.
    pub fn handle_page_change(&mut self, now: Instant) {
        (self.in_page, self.page_moved) = (None, false);
        // The peer may need a period to change its way of beating.
        self.sign_of_life(now);
    }

    /// A register of the session shows this beat.
    pub fn handle_register_beat(&mut self, now: Instant, beat: u32) {
        if self.in_register.replace(beat) != Some(beat) {
            self.sign_of_life(now);
        }
    }

    /// The page shows this beat. The first one only says where the peer's counter stands.
    pub fn handle_page_beat(&mut self, now: Instant, beat: u32) {
        if self.in_page.replace(beat).is_some_and(|before| before != beat) {
            self.page_moved = true;
            self.sign_of_life(now);
        }
    }

    /// A READ of the mailbox, issued at `issued`, was answered, whatever it showed; what it showed
    /// has been told before.
    pub fn handle_answer(&mut self, issued: Instant, now: Instant) -> SilentRead {
        // Each own beat looked into the page in vain, so each was a miss; the READ says that the
        // peer does not beat in its register either.
        if self.page_moved && self.ticks >= self.misses_max && issued >= self.overdue_at() {
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

    /// Whether the peer's beat in the page has been seen to move: then the register's may stop.
    pub const fn page_moved(&self) -> bool {
        self.page_moved
    }

    /// When a beat in the page that does not come is late.
    pub fn late_at(&self) -> Instant {
        self.alive.after(self.late_after())
    }

    /// When the page has been silent for as many periods as mean death, and for longer than a beat
    /// may be late.
    pub fn overdue_at(&self) -> Instant {
        self.alive.after(self.overdue_after())
    }

    /// How long after the last sign of life a beat in the page is late.
    pub(crate) fn late_after(&self) -> Duration {
        self.period.times(PAGE_LATE_HALVES).divided(2)
    }

    /// How long after the last sign of life the page has been silent for too long.
    pub(crate) fn overdue_after(&self) -> Duration {
        self.period.times(self.misses_max).max(self.late_after())
    }

    /// When the last sign of life came.
    pub const fn alive_at(&self) -> Instant {
        self.alive
    }

    /// Misses counted since.
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

    /// Renames beats: the peer's last ones are 0, the own last one is `own`.
    pub(crate) fn rename_beats(&mut self, own: u32, is_up: bool) {
        self.own = own;
        self.in_register = self.in_register.filter(|_| is_up).map(|_| 0);
        self.in_page = self.in_page.filter(|_| is_up).map(|_| 0);
    }

    /// The last sign of life came at `alive`, and the next miss is measured from `measured`.
    pub(crate) fn forget_moments(&mut self, alive: Instant, measured: Instant) {
        (self.alive, self.measured) = (alive, measured);
    }

    /// Nothing is missed.
    pub(crate) fn forget_misses(&mut self) {
        (self.misses, self.ticks) = (0, 0);
    }

    /// All misses but the last are counted, and a READ issued at `now` is the last.
    pub(crate) fn note_silence(&mut self, now: Instant) {
        self.misses = self.misses_max - 1;
        let measured = now.nanoseconds().saturating_sub(self.period.nanoseconds());
        self.measured = Instant::from_nanoseconds(measured);
    }

    /// Whether a READ issued then is a miss if it shows no beat.
    pub(crate) fn is_period_after(&self, issued: Instant) -> bool {
        issued >= self.measured.after(self.period)
    }

    fn sign_of_life(&mut self, now: Instant) {
        self.alive = now;
        self.measured = now;
        self.misses = 0;
        self.ticks = 0;
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
    fn as_many_misses_as_the_limit_mean_death_and_one_beat_forgives_all() {
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
    fn a_beat_late_by_a_hair_and_a_silent_xenstored_kill_nobody_at_the_least_limit() {
        let mut liveness = Liveness::new(BEAT, BEATS_MISSED_LEAST);
        liveness.handle_up(at(0));
        liveness.handle_register_beat(at(0), 1);
        // The peer's WRITE was due at 1000, and is in its ring as xenstored stops at 1002.
        assert_eq!(liveness.handle_answer(at(1000), at(1001)), SilentRead::Missed);
        // The next READ waits as long as xenstored does, and is done before that WRITE.
        assert_eq!(liveness.handle_answer(at(2001), at(60_000)), SilentRead::Missed);
        assert_eq!(liveness.handle_answer(at(60_001), at(60_002)), SilentRead::Alive);
        liveness.handle_register_beat(at(60_003), 2);
        assert_eq!(liveness.misses(), 0);
    }

    #[test]
    fn however_long_one_slept_oneself_one_answer_is_one_miss() {
        let mut liveness = started();
        assert_eq!(liveness.handle_answer(at(1_000_000), at(1_000_001)), SilentRead::Missed);
        assert_eq!(liveness.misses(), 1);
    }

    #[test]
    fn the_first_page_beat_is_no_sign_of_life_and_the_second_is() {
        let mut liveness = started();
        liveness.handle_page_change(at(10));
        liveness.handle_page_beat(at(500), 7);
        liveness.handle_page_beat(at(900), 7);
        assert!(!liveness.page_moved());
        assert_eq!(liveness.alive_at(), at(10));
        liveness.handle_page_beat(at(1000), 6);
        assert!(liveness.page_moved(), "any change is life, also a counter that wrapped");
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
            liveness.handle_tick();
        }
        assert_eq!(liveness.handle_answer(at(3500), at(3500)), SilentRead::Missed, "late, no more");
        assert_eq!(liveness.overdue_at(), at(5000));
        assert_eq!(liveness.handle_answer(at(4999), at(5001)), SilentRead::Missed);
        assert_eq!(liveness.handle_answer(at(5000), at(5002)), SilentRead::Dead(DetectedBy::Page));
    }

    #[test]
    fn who_slept_through_the_silence_counts_one_miss_and_no_more() {
        let mut liveness = beating_in_page();
        liveness.handle_tick();
        assert_eq!(liveness.handle_answer(at(60_000), at(60_001)), SilentRead::Missed);
        assert_eq!(liveness.misses(), 1);
    }

    #[test]
    fn a_dead_peer_that_beat_in_the_page_is_testified_by_the_page() {
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
