//! The queue of xenstore events that were not taken yet. A caller that takes all events after each
//! step gets every event in order. For a slower caller the queue stays bounded: an event replaces a
//! waiting event of the same kind, so no kind of event is lost.

use core::mem::discriminant;

use xenbus::{Ended, Refusal};

/// A xenstore event that concerns all links. A caller that takes all events after each step gets
/// every event in order. A slower caller may miss pairs of `Silent` and `Answering`, and
/// repetitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreEvent {
    /// Xenstored has not answered a request for a long time. This does not mean that a peer died;
    /// the links wait.
    Silent,
    /// Xenstored answers again. Reported once after each [`StoreEvent::Silent`].
    Answering,
    /// The watch was refused, for example because of a quota. The links continue with timers only,
    /// and the watch is retried. Reported once.
    WatchRefused(Refusal),
    /// The watch on shutdown requests was refused. No request is received until the watch is
    /// retried, after 30 seconds.
    ShutdownWatchRefused(Refusal),
    /// The daemon broke the protocol or dropped this domain: no link can continue.
    Ended(Ended),
}

/// The number of `Silent` and `Answering` events that may wait. One step causes at most three: the
/// end of a silence, the start of another, and its end.
const SILENCES_MAX: usize = 3;

/// Each other kind of event waits at most once: [`StoreEvent::WatchRefused`],
/// [`StoreEvent::ShutdownWatchRefused`], [`StoreEvent::Ended`].
const OTHERS_MAX: usize = 3;

/// `push` enforces both bounds, so the queue cannot overflow.
const EVENTS_MAX: usize = SILENCES_MAX + OTHERS_MAX;

/// The waiting events, oldest first, without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoreEvents([Option<StoreEvent>; EVENTS_MAX]);

impl StoreEvents {
    pub(super) const EMPTY: Self = Self([None; EVENTS_MAX]);

    /// Adds an event. [`StoreEvent::Silent`] and [`StoreEvent::Answering`] must alternate.
    pub(super) fn push(&mut self, event: StoreEvent) {
        if is_silence(&event) {
            let waiting = self.0.iter().flatten().filter(|other| is_silence(other)).count();
            if waiting == SILENCES_MAX {
                // The last waiting event is the opposite. Without the two, the rest still
                // alternates and ends with the current state.
                self.remove_last(is_silence);
                return;
            }
        } else {
            self.remove_kind(&event);
        }
        let place = self.0.iter_mut().find(|place| place.is_none());
        *place.expect("each kind of event is bounded") = Some(event);
    }

    pub(super) fn pop(&mut self) -> Option<StoreEvent> {
        let event = self.0[0].take();
        self.0.rotate_left(1);
        event
    }

    /// Drops [`StoreEvent::Ended`], which was about a replaced ring.
    pub(super) fn forget_end(&mut self) {
        self.remove_last(|event| matches!(event, StoreEvent::Ended(_)));
    }

    fn remove_kind(&mut self, event: &StoreEvent) {
        self.remove_last(|other| discriminant(other) == discriminant(event));
    }

    fn remove_last(&mut self, is_meant: impl Fn(&StoreEvent) -> bool) {
        let found = self.0.iter().rposition(|place| place.as_ref().is_some_and(&is_meant));
        if let Some(behind) = found.and_then(|index| self.0.get_mut(index..)) {
            behind[0] = None;
            behind.rotate_left(1);
        }
    }
}

fn is_silence(event: &StoreEvent) -> bool {
    matches!(event, StoreEvent::Silent | StoreEvent::Answering)
}

#[cfg(test)]
mod tests {
    use super::{EVENTS_MAX, StoreEvents, is_silence};
    use crate::driver::StoreEvent;
    use std::vec::Vec;
    use xenbus::{Ended, Errno, Refusal};

    fn drained(mut events: StoreEvents) -> Vec<StoreEvent> {
        core::iter::from_fn(|| events.pop()).collect()
    }

    /// Pushes every sequence of up to `left` events that a driver can cause without taking any, and
    /// checks the queue after each.
    fn push_all(events: StoreEvents, pushed: &mut Vec<StoreEvent>, is_silent: bool, left: u32) {
        check(events, pushed, is_silent);
        if left == 0 {
            return;
        }
        let silence = if is_silent { StoreEvent::Answering } else { StoreEvent::Silent };
        for event in [
            silence,
            StoreEvent::WatchRefused(Refusal::Errno(Errno::Equota)),
            StoreEvent::ShutdownWatchRefused(Refusal::Errno(Errno::Equota)),
            StoreEvent::Ended(Ended::Flooded),
        ] {
            let mut events = events;
            events.push(event);
            pushed.push(event);
            push_all(events, pushed, is_silent ^ is_silence(&event), left - 1);
            pushed.pop();
        }
    }

    fn check(events: StoreEvents, pushed: &[StoreEvent], is_silent: bool) {
        let waiting = drained(events);
        assert!(waiting.len() <= EVENTS_MAX);
        for event in pushed.iter().filter(|event| !is_silence(event)) {
            let count = waiting.iter().filter(|other| *other == event).count();
            assert_eq!(count, 1, "{event:?} after {pushed:?}");
        }
        let silences: Vec<_> = waiting.iter().filter(|event| is_silence(event)).collect();
        assert!(silences.windows(2).all(|pair| pair[0] != pair[1]), "{silences:?} alternate");
        let last = silences.last().map(|event| **event == StoreEvent::Silent);
        assert_eq!(last.unwrap_or(false), is_silent, "the last one is true: {silences:?}");
        let made = pushed.iter().filter(|event| is_silence(event)).count();
        assert_eq!(silences.len() % 2, made % 2);
        assert!(silences.len() >= made.min(2), "{silences:?} of {pushed:?}");
    }

    #[test]
    fn no_kind_of_event_is_lost() {
        push_all(StoreEvents::EMPTY, &mut Vec::new(), false, 8);
    }

    #[test]
    fn all_events_of_one_step_are_kept_in_order() {
        let (silent, answering) = (StoreEvent::Silent, StoreEvent::Answering);
        let refused = StoreEvent::WatchRefused(Refusal::Errno(Errno::Equota));
        let shutdown_refused = StoreEvent::ShutdownWatchRefused(Refusal::Errno(Errno::Equota));
        let step = [
            answering,
            shutdown_refused,
            refused,
            silent,
            answering,
            StoreEvent::Ended(Ended::Flooded),
        ];
        let mut events = StoreEvents::EMPTY;
        for event in step {
            events.push(event);
        }
        assert_eq!(drained(events), step);
    }

    #[test]
    fn a_new_ring_forgets_the_end_of_the_last_one_and_nothing_else() {
        let mut events = StoreEvents::EMPTY;
        events.push(StoreEvent::Ended(Ended::Flooded));
        events.push(StoreEvent::Silent);
        events.forget_end();
        assert_eq!(drained(events), [StoreEvent::Silent]);
    }
}
