//! A front whose link is up and that connects never: one of many on one back, while another one is
//! measured.

use channel::event::Event;
use channel::{Instant, LinkId};

use super::{MarkedFront, marks};
use crate::ExitStatus;
use crate::job::{Job, Progress};
use crate::platform::XenPlatform;
use channel::Driver;

/// Such a front.
pub(super) struct Idle;

impl Job for Idle {
    type Side = MarkedFront;

    fn handle_event(&mut self, _: LinkId, _: &Event<'_>, _: &mut XenPlatform<MarkedFront>) {}

    fn wish(&mut self, _: &mut Driver, _: &mut XenPlatform<MarkedFront>, _: bool) {}

    fn pump(&mut self, _: &mut XenPlatform<MarkedFront>) -> Progress {
        Progress::Idle
    }

    fn deadline(&self) -> Instant {
        Instant::NEVER
    }

    fn print_counts(&self, _: &Driver) {
        marks::print_first_doorbell();
    }

    fn verdict(&self, ordered: bool) -> Option<ExitStatus> {
        ordered.then(|| ExitStatus::success("was there"))
    }
}
