//! What the two images do once they are up: the frontend's cycles, the backend's service, and the
//! loop around both.
//!
//! The loop is the one of docs/protocol.md §1: step the driver, look at what happened, move data,
//! sleep until something happens or the driver's deadline. The protocol itself is `channel/`'s.

mod back;
mod front;
mod image;
mod pattern;
pub(crate) mod stages;

use alloc::vec::Vec;

use channel::driver::{Order, StoreEvent};
use channel::event::Event;
use channel::link::Link;
use channel::{Driver, Instant, LinkId, Platform, Step};

pub use back::Service;
pub use front::Cycles;
pub(crate) use image::image;
pub use image::{backend, frontend};

use crate::Verdict;
use crate::platform::{Side, XenPlatform};
use crate::{clock, heap, trace};

/// The driver of an image.
pub type ImageDriver = Driver<Vec<Link>>;

/// Bytes moved at once: the unit of work between two looks at the fence. More than a page's ring.
const UNIT_BYTES: usize = 2048;

/// Units that one link may move before the others and the driver have their turn.
const UNITS_PER_TURN: usize = 16;

/// What an image does with its links.
pub trait Job {
    /// Which side of its links it is.
    type Side: Side;

    /// Takes note of what happened. Nothing is done to the link from here.
    fn handle_event(&mut self, link: LinkId, event: &Event<'_>, xen: &mut XenPlatform<Self::Side>);

    /// Asks the driver for what the job wants next: connect, disconnect.
    fn wish(&mut self, driver: &mut ImageDriver, xen: &mut XenPlatform<Self::Side>);

    /// Moves data on every connected link, as much as goes in one turn.
    fn pump(&mut self, xen: &mut XenPlatform<Self::Side>) -> Pumped;

    /// When the job itself wants to look again at the latest.
    fn deadline(&self) -> Instant;

    /// The verdict, once there is nothing left to do, or when the toolstack wants an end.
    fn verdict(&self, ordered: bool) -> Option<Verdict>;

    /// Prints what was counted and what is still held: the last lines before the verdict.
    fn print_counts(&self, driver: &ImageDriver);
}

/// Whether a turn of moving data left more to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pumped {
    /// Every link waits for its peer; who must be told has been.
    Dry,
    /// There is more to do at once.
    More,
}

/// Runs the job until it has a verdict or the toolstack asks for the domain's end.
pub fn run<J: Job>(
    job: &mut J,
    driver: &mut ImageDriver,
    xen: &mut XenPlatform<J::Side>,
) -> Verdict {
    let heap_blocks = heap::blocks();
    let mut verdict = None;
    loop {
        driver.step(xen);
        take_events(job, driver, xen);
        job.wish(driver, xen);
        let more_happened = take_events(job, driver, xen);
        if let Some(lost) = take_store_events(driver) {
            return lost;
        }
        let ordered = driver.poll_order().is_some_and(ends_the_run);
        if verdict.is_none()
            && let Some(reached) = job.verdict(ordered)
        {
            job.print_counts(driver);
            print_holdings(xen, heap_blocks);
            verdict = Some(reached);
            if !ordered && xen.stays_when_finished() {
                trace!("stopped step={} n=1", Step::Finished.word());
            }
        }
        let may_stay = !ordered && xen.stays_when_finished();
        if let Some(verdict) = verdict.take_if(|_| !may_stay) {
            return verdict;
        }
        let until = match job.pump(xen) {
            Pumped::Dry if !more_happened => driver.deadline().min(job.deadline()),
            Pumped::Dry | Pumped::More => Instant::START,
        };
        if xen.now() < until && xen.wait(until) {
            driver.woke();
        }
    }
}

/// Whether an order of the toolstack ends the run.
fn ends_the_run(order: Order) -> bool {
    match order {
        Order::PowerOff | Order::Reboot => true,
        Order::Suspend => {
            crate::say!(Warn, "the toolstack wants to suspend this domain, which it cannot do yet");
            false
        }
    }
}

/// Prints what is still held, and how often the clock stepped back.
fn print_holdings(xen: &XenPlatform<impl Side>, heap_blocks: usize) {
    let held = xen.holdings();
    trace!(
        "leaks grants={} ports={} heap_blocks={} quarantined={} mappings={}",
        held.grants,
        held.ports,
        heap::blocks().saturating_sub(heap_blocks),
        held.quarantined,
        held.mappings
    );
    trace!("clock steps_back={}", clock::steps_back());
}

/// Says what happened to xenstore. A verdict if no link can ever go on.
fn take_store_events(driver: &mut ImageDriver) -> Option<Verdict> {
    while let Some(event) = driver.poll_store_event() {
        match event {
            StoreEvent::Silent => {
                crate::say!(Warn, "xenstored does not answer; everything waits for it")
            }
            StoreEvent::Answering => crate::say!(Info, "xenstored answers again"),
            StoreEvent::WatchRefused(refusal) => {
                crate::say!(
                    Warn,
                    "xenstored refuses the watch ({refusal}): the links run by timers alone"
                );
            }
            StoreEvent::Ended(ended) => {
                return Some(Verdict::error(format_args!("xenstore is lost: {ended}")));
            }
        }
    }
    None
}

/// Takes all events. True if there were any.
fn take_events<J: Job>(
    job: &mut J,
    driver: &mut ImageDriver,
    xen: &mut XenPlatform<J::Side>,
) -> bool {
    let mut any = false;
    while let Some((link, event)) = driver.poll_event() {
        any = true;
        announce(xen.link_name(link), &event);
        job.handle_event(link, &event, xen);
    }
    any
}

/// Prints what happened on a link, for people and for programs.
fn announce(link: &str, event: &Event<'_>) {
    let now = clock::now_ns();
    match *event {
        Event::Waiting => crate::say!(Info, "link {link}: waiting to be introduced"),
        Event::Introduced { peer, number } => {
            trace!("introduced link={link} peer={} number={number} t_ns={now}", peer.0);
        }
        Event::Up { epoch, peer_epoch } => {
            let (own, theirs) = (epoch.bits() >> 96, peer_epoch.bits() >> 96);
            trace!("up link={link} t_ns={now} epoch={own:08x} peer_epoch={theirs:08x}");
        }
        Event::Down { reason, witness, unknown } => {
            let (reason, witness) = (reason.word(), witness.word());
            trace!(
                "down link={link} reason={reason} witness={witness} t_ns={now} unknown={unknown}"
            );
        }
        Event::Refused { number, reason } => {
            trace!("refused link={link} k={} reason={}", number.0, reason.word());
        }
        Event::Notice(notice) => crate::say!(Warn, "link {link}: {}", notice.word()),
        Event::Connected { number } => {
            crate::say!(Debug, "link {link}: connected, number {}", number.0)
        }
        Event::Closing { number } => crate::say!(Debug, "link {link}: peer closes {}", number.0),
        Event::Disconnected { number, .. } => {
            crate::say!(Debug, "link {link}: disconnected, number {}", number.0);
        }
        Event::Message(_) | Event::Unknown(_) => {}
    }
}
