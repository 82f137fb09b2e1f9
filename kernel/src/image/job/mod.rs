//! What the two images do once they are up: the frontend's cycles, the backend's service, and the
//! loop around both.
//!
//! The loop is the one of docs/protocol.md §1: step the driver, look at what happened, move data,
//! sleep until something happens or the driver's deadline. The protocol itself is `channel/`'s.

mod back;
mod front;
mod image;
mod pattern;
pub mod stages;
mod unload;

use channel::driver::{ShutdownRequest, StoreEvent};
use channel::event::Event;
use channel::{Driver, Epoch, Instant, LinkId, Platform, Step};

pub use back::Service;
pub use front::Cycles;
pub use image::{backend, frontend, image};

use crate::image::exit_status::ExitStatus;
use crate::image::platform::XenPlatform;
use crate::image::resume;
use crate::mem::heap;
use crate::trace;
use crate::xen::boot_error::BootError;
use crate::xen::clock;
use crate::xen::events;
use unload::{AfterUnload, Unload};

/// Bytes moved at once: the unit of work between two looks at the fence. More than a page's ring.
const UNIT_BYTES: usize = 2048;

/// Units that one link may move before the others and the driver have their turn.
const UNITS_PER_TURN: usize = 16;

/// What an image does with its links.
pub trait Job {
    /// Takes note of what happened. Nothing is done to the link from here.
    fn handle_event(&mut self, link: LinkId, event: &Event<'_>, xen: &mut XenPlatform);

    /// Asks the driver for what the job wants next: connect, disconnect. While `leaving`, that is
    /// the end of every connection, and no new one.
    fn wish(&mut self, driver: &mut Driver, xen: &mut XenPlatform, leaving: bool);

    /// Moves data on every connected link, as much as goes in one turn.
    fn pump(&mut self, xen: &mut XenPlatform) -> Progress;

    /// When the job itself wants to look again at the latest, unless it is leaving.
    fn deadline(&self) -> Instant;

    /// The verdict, once there is nothing left to do, or when the toolstack wants an end.
    fn verdict(&self, ordered: bool) -> Option<ExitStatus>;

    /// Prints what was counted and what is still held: the last lines before the verdict.
    fn print_counts(&self, driver: &Driver);
}

/// Whether a turn of moving data left more to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Every link waits for its peer; who must be told has been.
    Idle,
    /// There is more to do at once.
    More,
}

/// Runs the job until it has a verdict or the toolstack asks for the domain's end. After each
/// `restart_every` connections (0: never) all endpoints are restarted in place.
pub fn run<J: Job>(
    job: &mut J,
    driver: &mut Driver,
    xen: &mut XenPlatform,
    restart_every: u32,
) -> ExitStatus {
    let heap_blocks = heap::blocks();
    let mut verdict = None;
    let mut unload = Unload::new(restart_every);
    let mut quarantined = 0;
    loop {
        driver.step(xen.now(), xen);
        take_events(job, driver, xen, &mut unload);
        match driver.poll_shutdown_request() {
            None => {}
            Some(ShutdownRequest::Suspend) => {
                if let Err(refusal) = suspend(driver, xen) {
                    return ExitStatus::error(refusal);
                }
                continue;
            }
            Some(order) => unload.begin(AfterUnload::End(order)),
        }
        job.wish(driver, xen, unload.is_under_way());
        let more_happened = take_events(job, driver, xen, &mut unload);
        if xen.quarantined() != quarantined {
            quarantined = xen.quarantined();
            trace!("quarantine pages={quarantined}");
        }
        if let Some(lost) = take_store_events(driver) {
            return lost;
        }
        let unloaded = unload.poll(xen);
        if unloaded == Some(AfterUnload::Reload) || (unloaded.is_some() && xen.has_connection()) {
            // What a peer that does not answer has left over is given back, its session ended.
            unload::restart_all(driver, xen);
            take_events(job, driver, xen, &mut unload);
        }
        let order = match unloaded {
            Some(AfterUnload::End(order)) => Some(order),
            Some(AfterUnload::Reload) => {
                trace!("restarted t_ns={}", clock::now_ns());
                print_holdings(xen, heap_blocks);
                continue;
            }
            None => None,
        };
        if verdict.is_none()
            && let Some(reached) = job.verdict(order.is_some())
        {
            job.print_counts(driver);
            print_holdings(xen, heap_blocks);
            verdict = Some(reached);
            if order.is_none() && xen.stays_when_finished() {
                trace!("stopped step={} n=1", Step::Finished.word());
            }
        }
        let may_stay = order.is_none() && xen.stays_when_finished();
        if let Some(verdict) = verdict.take_if(|_| !may_stay) {
            return if order == Some(ShutdownRequest::Reboot) {
                verdict.and_reboot()
            } else {
                verdict
            };
        }
        let until = match job.pump(xen) {
            Progress::Idle if !more_happened => {
                let own = if unload.is_under_way() { unload.deadline() } else { job.deadline() };
                driver.deadline().min(own)
            }
            Progress::Idle | Progress::More => Instant::START,
        };
        if xen.now() < until && xen.wait(until) {
            driver.woke();
        }
    }
}

/// Makes ready what the first requests to xenstored did without, while it has them.
fn finish_setup(xen: &mut XenPlatform) -> Result<(), BootError> {
    xen.finish_setup()?;
    if let Err(errno) = events::advertise_shutdown() {
        crate::say!(Warn, "xl shutdown will not work: {errno}");
    }
    Ok(())
}

/// Suspends the domain; on return it may be another one, and every link starts over.
fn suspend(driver: &mut Driver, xen: &mut XenPlatform) -> Result<(), BootError> {
    trace!("suspending t_ns={}", clock::now_ns());
    let life = resume::suspend()?;
    let restored = u32::from(life.is_some());
    if let Some(life) = life {
        xen.begin_life(life);
        driver.resumed(xen.now(), xen);
    }
    trace!(
        "resumed domid={} restored={restored} t_ns={}",
        u32::from(xen.domid().0),
        clock::now_ns()
    );
    Ok(())
}

/// Prints what is still held, pages in quarantine tried a last time, and how often the clock
/// stepped back.
fn print_holdings(xen: &mut XenPlatform, heap_blocks: usize) {
    xen.connections().sweep();
    let grants = xen.granted();
    let held = xen.connections().counts();
    trace!(
        "leaks grants={grants} ports={} heap_blocks={} quarantined={} mappings={}",
        held.ports,
        heap::blocks().saturating_sub(heap_blocks),
        held.quarantined,
        held.mappings
    );
    trace!("clock steps_back={}", clock::steps_back());
}

/// Says what happened to xenstore. A verdict if no link can ever go on.
fn take_store_events(driver: &mut Driver) -> Option<ExitStatus> {
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
            StoreEvent::ShutdownWatchRefused(refusal) => {
                crate::say!(Warn, "xl shutdown will not work yet: {refusal}");
            }
            StoreEvent::Ended(ended) => {
                return Some(ExitStatus::error(format_args!("xenstore is lost: {ended}")));
            }
            _ => crate::say!(Warn, "xenstore: an unknown event"),
        }
    }
    None
}

/// Takes all events. True if there were any.
fn take_events<J: Job>(
    job: &mut J,
    driver: &mut Driver,
    xen: &mut XenPlatform,
    unload: &mut Unload,
) -> bool {
    let mut any = false;
    while let Some((link, event)) = driver.poll_event() {
        any = true;
        unload.note(&event);
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
            let peer = u32::from(peer.0);
            trace!("introduced link={link} peer={peer} number={number} t_ns={now}");
        }
        Event::Up { epoch, peer_epoch } => {
            let first_digits = |epoch: Epoch| (epoch.bits() >> 96) as u64;
            let (own, theirs) = (first_digits(epoch), first_digits(peer_epoch));
            // The same each time, however often the link was up before.
            let blocks = heap::blocks();
            trace!(
                "up link={link} t_ns={now} epoch={own:08x} peer_epoch={theirs:08x} heap_blocks={blocks}"
            );
        }
        Event::Down { reason, detected_by, unknown } => {
            let (reason, witness, unknown) =
                (reason.word(), detected_by.word(), u32::from(unknown));
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
        // The job handles these two.
        Event::Message(_) | Event::Unknown(_) => {}
        _ => crate::say!(Debug, "link {link}: an unknown event"),
    }
}
