//! A front whose link is up and that connects never: one of many on one back, while another one is
//! measured.

use channel::event::Event;
use channel::{Instant, LinkId};

use super::marks;
use channel::Driver;
use kernel::ExitStatus;
use kernel::job::{Job, Progress};
use kernel::platform::XenPlatform;

/// Such a front.
pub(crate) struct Idle;

impl Job for Idle {
    fn handle_event(&mut self, _: LinkId, _: &Event<'_>, _: &mut XenPlatform) {}

    fn wish(&mut self, _: &mut Driver, _: &mut XenPlatform, _: bool) {}

    fn pump(&mut self, _: &mut XenPlatform) -> Progress {
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
