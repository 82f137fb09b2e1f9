//! A front whose link is up and that connects never: one of many on one back, while another one is
//! measured.

use channel::event::Event;
use channel::{Driver, Instant, LinkId};
use kernel::ExitStatus;
use kernel::links::Links;
use kernel::platform::XenPlatform;

use super::job::Job;
use super::marks;

/// Such a front.
pub(crate) struct Idle;

impl Job for Idle {
    fn handle_event(&mut self, _: LinkId, _: &Event<'_>) {}

    fn ask(&mut self, _: &mut Links) {}

    fn pump(&mut self, _: &mut XenPlatform) -> Instant {
        Instant::NEVER
    }

    fn status(&self, ordered: bool) -> Option<ExitStatus> {
        ordered.then(|| ExitStatus::success("was there"))
    }

    fn print(&self, _: &Driver) {
        marks::print_first_doorbell();
    }
}
