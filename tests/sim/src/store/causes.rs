//! Which requests are still outstanding in C xenstored because events that they caused are.
//!
//! A request counts against its sender's quota until its reply and every event that it caused in
//! anybody's queue have gone into a ring, or were given up. A reader that sleeps can so stall a
//! writer.

/// One request that has caused events.
#[derive(Clone, Copy, Debug)]
struct Cause {
    /// The connection that pays; none once it is gone.
    owner: Option<u16>,
    /// Events not yet gone.
    events: u32,
    /// Its reply is gone already.
    replied: bool,
}

/// All requests with events that wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Causes {
    slots: Vec<Option<Cause>>,
    /// The request that is being processed, if it has caused an event.
    open: Option<usize>,
}

impl Causes {
    /// Notes one more event of the request in process, which `owner` sent.
    pub(crate) fn add_event(&mut self, owner: u16) -> usize {
        let place = self.open.unwrap_or_else(|| self.allocate(owner));
        self.open = Some(place);
        let cause = self.slots[place].as_mut().expect("open, so taken");
        cause.events += 1;
        place
    }

    fn allocate(&mut self, owner: u16) -> usize {
        let cause = Some(Cause { owner: Some(owner), events: 0, replied: false });
        match self.slots.iter().position(Option::is_none) {
            Some(place) => {
                self.slots[place] = cause;
                place
            }
            None => {
                self.slots.push(cause);
                self.slots.len() - 1
            }
        }
    }

    /// The request in process is answered: its place, if it has caused events.
    pub(crate) fn take_open(&mut self) -> Option<usize> {
        self.open.take()
    }

    /// Its reply is gone; true if the request is no longer outstanding.
    pub(crate) fn reply_gone(&mut self, place: usize) -> bool {
        let cause = self.slots[place].as_mut().expect("a queued reply names it");
        cause.replied = true;
        let done = cause.events == 0;
        if done {
            self.slots[place] = None;
        }
        done
    }

    /// One of its events is gone; who has a request fewer outstanding now, if anybody.
    pub(crate) fn event_gone(&mut self, place: usize) -> Option<u16> {
        let cause = self.slots[place].as_mut().expect("a queued event names it");
        cause.events -= 1;
        if cause.events > 0 || !cause.replied {
            return None;
        }
        let owner = cause.owner;
        self.slots[place] = None;
        owner
    }

    /// A connection is gone: nobody pays for its requests any more.
    pub(crate) fn orphan(&mut self, owner: u16) {
        for cause in self.slots.iter_mut().flatten() {
            if cause.owner == Some(owner) {
                cause.owner = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_outstanding_until_its_last_event_is_gone() {
        let mut causes = Causes::default();
        let place = causes.add_event(7);
        assert_eq!(causes.add_event(7), place);
        assert_eq!(causes.take_open(), Some(place));
        assert!(!causes.reply_gone(place));
        assert_eq!(causes.event_gone(place), None);
        assert_eq!(causes.event_gone(place), Some(7));
    }

    #[test]
    fn a_reply_that_goes_last_ends_it_too() {
        let mut causes = Causes::default();
        let place = causes.add_event(7);
        causes.take_open();
        assert_eq!(causes.event_gone(place), None);
        assert!(causes.reply_gone(place));
    }
}
