//! What each of this image's domains does with its links, and the loop around it.

use channel::event::Event as LinkEvent;
use channel::{Driver, Instant, LinkId};
use kernel::ExitStatus;
use kernel::links::{Event, Links};
use kernel::platform::XenPlatform;

/// What is done with the links.
pub(crate) trait Job {
    /// Takes note of what happened on a link.
    fn handle_event(&mut self, link: LinkId, event: &LinkEvent<'_>);

    /// Asks for what is wanted next: a connection, or its end.
    fn ask(&mut self, links: &mut Links);

    /// Moves data. When the next turn is wanted.
    fn pump(&mut self, xen: &mut XenPlatform) -> Instant;

    /// The status to end with, once there is nothing left to do or the toolstack wants the end.
    fn status(&self, ordered: bool) -> Option<ExitStatus>;

    /// Prints what was measured.
    fn print(&self, driver: &Driver);
}

/// Runs a job to its end.
pub(crate) fn run(mut job: impl Job, links: &mut Links) -> ExitStatus {
    let mut until = Instant::START;
    loop {
        let is_ended = match links.next_event(until) {
            Event::Link(link, event) => {
                job.handle_event(link, &event);
                continue;
            }
            Event::Turn => false,
            Event::End => true,
            Event::Lost(lost) => return ExitStatus::error(lost),
        };
        job.ask(links);
        if let Some(status) = job.status(is_ended) {
            job.print(links.driver());
            return links.finish(status);
        }
        until = job.pump(links.platform());
    }
}
