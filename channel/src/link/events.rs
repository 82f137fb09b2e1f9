//! The queue of a link's events. It is bounded: each step of the driver adds at most a fixed number
//! of events, and registers that could add more are not processed until there is room.

use crate::event::Event;

/// The capacity of the queue.
const EVENTS_MAX: usize = 16;

/// The room required before an input is processed that can be deferred. A register ends a session
/// at most once (two events), and each of its messages adds one event; the other inputs of a step
/// add at most four.
pub(super) const ROOM_FOR_READING: usize = 8;

/// The room required before another message of a register is processed.
pub(super) const ROOM_FOR_MESSAGE: usize = 6;

const _: () = assert!(ROOM_FOR_MESSAGE < ROOM_FOR_READING && ROOM_FOR_READING <= EVENTS_MAX);

/// A ring of events.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Events {
    places: [Option<Event<'static>>; EVENTS_MAX],
    first: u8,
    count: u8,
}

impl Events {
    pub(super) const EMPTY: Self =
        Self { places: [const { None }; EVENTS_MAX], first: 0, count: 0 };

    /// The number of events that still fit.
    pub(super) const fn room(&self) -> usize {
        EVENTS_MAX - self.count as usize
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn push(&mut self, event: Event<'static>) {
        assert!(self.room() > 0, "inputs are deferred while the queue is nearly full");
        let place = (usize::from(self.first) + usize::from(self.count)) % EVENTS_MAX;
        self.places[place] = Some(event);
        self.count += 1;
    }

    pub(super) fn pop(&mut self) -> Option<Event<'static>> {
        let event = self.places[usize::from(self.first)].take()?;
        self.first = ((usize::from(self.first) + 1) % EVENTS_MAX) as u8;
        self.count -= 1;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::{EVENTS_MAX, Events};
    use crate::event::Event;
    use crate::ids::ConnectionId;

    #[test]
    fn events_are_returned_in_order() {
        let mut events = Events::EMPTY;
        for round in 0..3 * EVENTS_MAX as u32 {
            events.push(Event::Connected { number: ConnectionId(round) });
            events.push(Event::Closing { number: ConnectionId(round) });
            assert_eq!(events.pop(), Some(Event::Connected { number: ConnectionId(round) }));
            assert_eq!(events.pop(), Some(Event::Closing { number: ConnectionId(round) }));
        }
        assert!(events.is_empty());
        assert_eq!(events.pop(), None);
        assert_eq!(events.room(), EVENTS_MAX);
    }
}
