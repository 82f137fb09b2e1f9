//! The links of an image over real Xen, and its loop: [`Links::next_event`].
//!
//! The loop is the one of docs/protocol.md §1: step the driver, take what happened, let the image ask
//! for things and move data, sleep until something happens or a deadline. Suspending, the domain's
//! number and the orders of the toolstack are handled inside. Each link has a role of its own
//! (docs/decisions/0021-links-with-a-role-each.md).

mod announce;
mod unload;

use alloc::boxed::Box;
use core::fmt;

use channel::driver::{AddError, ShutdownRequest, StoreEvent};
use channel::endpoint::SendError;
use channel::event::Event as LinkEvent;
use channel::front::{ConnectError, NotConnected};
use channel::link::Link;
use channel::{
    ConnectionId, Driver, Duration, Instant, LinkId, LinkName, Platform, Role, Settings, Step,
};
use xenbus::error::Ended;

use crate::image::exit_status::ExitStatus;
use crate::image::options::Options;
use crate::image::platform::{Breakpoints, Observer, XenPlatform};
use crate::image::resume;
use crate::mem::heap;
use crate::trace;
use crate::xen::boot_error::BootError;
use crate::xen::grants::OwnGrants;
use crate::xen::store::StoreAccess;
use crate::xen::{clock, events};
use announce::announce;
use unload::{AfterUnload, Unload};

/// What an image's loop goes by.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Something happened on a link.
    Link(LinkId, LinkEvent<'a>),
    /// All that happened was taken: the image asks for what it wants next and moves data. While
    /// [`Links::is_leaving`], it ends its connections and begins none.
    Turn,
    /// The toolstack wants the domain's end, and no link has a connection any more: the image returns
    /// what [`Links::finish`] makes of its status.
    End,
    /// No link can ever go on: the image returns this as an error.
    Lost(Lost),
}

/// Why no link can ever go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost {
    /// xenstore cannot be used any more.
    Store(Ended),
    /// The domain was restored and is not as it must be.
    Resume(BootError),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Store(ended) => write!(f, "xenstore is lost: {ended}"),
            Lost::Resume(error) => error.fmt(f),
        }
    }
}

/// Why an image cannot have its links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// Xen does not give this domain what links need.
    Boot(BootError),
    /// The options name no link.
    NoLink,
    /// There is no memory for this one.
    NoMemory(LinkName),
    /// The driver refuses this one.
    Refused(LinkName, AddError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Boot(error) => error.fmt(f),
            OpenError::NoLink => f.write_str("no link: name one with link="),
            OpenError::NoMemory(name) => {
                write!(f, "link {} is one too many for this domain's memory", name.as_str())
            }
            OpenError::Refused(name, _) => write!(f, "link {} not added", name.as_str()),
        }
    }
}

/// What is due once all events have been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LoopPhase {
    /// To step the driver.
    Step,
    /// To obey the toolstack, then the image's turn.
    Turn,
    /// To see whether the links were given up, and to sleep.
    Sleep,
    /// The links were given up and begin anew.
    Reloaded,
    /// The links were given up, and the domain is to end.
    Ended,
}

/// The links of this domain.
pub struct Links {
    driver: Box<Driver>,
    xen: XenPlatform,
    unload: Unload,
    phase: LoopPhase,
    /// Something happened since the image had its turn.
    is_busy: bool,
    ordered: Option<ShutdownRequest>,
    /// Pages in quarantine, as printed last.
    quarantined: usize,
    /// Blocks of the heap in use before the first turn.
    heap_blocks: Option<usize>,
}

impl Links {
    /// No links yet. The first requests, which are about no link, are sent at once; xenstored has them
    /// while all else is prepared.
    ///
    /// # Errors
    /// [`OpenError::Boot`].
    pub fn open(
        store: StoreAccess,
        grants: OwnGrants,
        options: &Options,
    ) -> Result<Links, OpenError> {
        Links::open_with(XenPlatform::new(store.ring, grants, breakpoints(options)), options)
    }

    /// The same, with a function that is called at each moment that matters to a measurement.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_observed(
        store: StoreAccess,
        grants: OwnGrants,
        options: &Options,
        observer: Observer,
    ) -> Result<Links, OpenError> {
        let mut xen = XenPlatform::new(store.ring, grants, breakpoints(options));
        xen.observe(observer);
        Links::open_with(xen, options)
    }

    fn open_with(mut xen: XenPlatform, options: &Options) -> Result<Links, OpenError> {
        xen.limit_page_sets(usize::from(options.page_sets));
        let mut driver = Box::new(Driver::new());
        driver.step(xen.now(), &mut xen).expect("a new driver has no events");
        xen.finish_setup().map_err(OpenError::Boot)?;
        if let Err(errno) = events::advertise_shutdown() {
            crate::say!(Warn, "xl shutdown will not work: {errno}");
        }
        Ok(Links {
            driver,
            xen,
            unload: Unload::new(options.restart_every),
            phase: LoopPhase::Step,
            is_busy: false,
            ordered: None,
            quarantined: 0,
            heap_blocks: None,
        })
    }

    /// Adds all links that the options name, in this role and with the options' settings.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn add_all(&mut self, options: &Options, role: Role) -> Result<(), OpenError> {
        if options.links.is_empty() {
            return Err(OpenError::NoLink);
        }
        if self.driver.reserve(options.links.len()).is_err() {
            // More than there is memory for: name the first that does not fit.
            let fitting = heap::bytes_free() / size_of::<Link>();
            let last = options.links.len() - 1;
            return Err(OpenError::NoMemory(options.links[fitting.min(last)]));
        }
        let settings = Settings {
            beat: Duration::from_milliseconds(u64::from(options.beat_ms)),
            beats_missed_max: options.beat_limit,
            pages: options.pages,
        };
        options.links.iter().try_for_each(|name| self.add(*name, role, settings).map(drop))
    }

    /// Adds a link. Before the first event, so that what it takes is no leak.
    ///
    /// # Errors
    /// [`OpenError::Refused`]: the name is taken, or the settings are not valid.
    pub fn add(
        &mut self,
        name: LinkName,
        role: Role,
        settings: Settings,
    ) -> Result<LinkId, OpenError> {
        self.xen.add_link(name);
        self.driver
            .add_link(name, role, settings, &mut self.xen)
            .map_err(|error| OpenError::Refused(name, error))
    }

    /// The next thing that the image has to know. After [`Event::Turn`] this sleeps until something
    /// happens, or `until`, when the image wants its next turn at the latest: [`Instant::START`] where
    /// there is more to do at once.
    pub fn next_event(&mut self, until: Instant) -> Event<'_> {
        self.heap_blocks.get_or_insert_with(heap::blocks);
        while !self.driver.has_event() {
            // The driver is to know that all was taken.
            let _ = self.driver.poll_event();
            if let Some(event) = self.advance(until) {
                return event;
            }
        }
        self.is_busy = true;
        let Links { driver, xen, unload, .. } = self;
        let (link, event) = driver.poll_event().expect("a link has an event");
        unload.note(&event);
        announce(xen.link_name(link), &event);
        Event::Link(link, event)
    }

    /// Does what is due.
    fn advance(&mut self, until: Instant) -> Option<Event<'static>> {
        match self.phase {
            LoopPhase::Step => {
                self.driver.step(self.xen.now(), &mut self.xen).expect("all events were taken");
                self.phase = LoopPhase::Turn;
                None
            }
            LoopPhase::Turn => match self.obey_toolstack() {
                Ok(is_new_life) => {
                    self.phase = if is_new_life { LoopPhase::Step } else { LoopPhase::Sleep };
                    self.is_busy = false;
                    (!is_new_life).then_some(Event::Turn)
                }
                Err(lost) => Some(Event::Lost(lost)),
            },
            LoopPhase::Sleep => {
                if let Err(lost) = self.take_store_events() {
                    return Some(Event::Lost(lost));
                }
                match self.unload.poll(&self.xen) {
                    Some(after) => self.give_up_links(after),
                    None => {
                        self.sleep(until);
                        self.phase = LoopPhase::Step;
                    }
                }
                None
            }
            LoopPhase::Reloaded => {
                trace!("restarted t_ns={}", clock::now_ns());
                self.print_resources();
                self.phase = LoopPhase::Step;
                None
            }
            LoopPhase::Ended => Some(Event::End),
        }
    }

    /// Does what the toolstack has ordered. True if the domain was suspended and goes on.
    fn obey_toolstack(&mut self) -> Result<bool, Lost> {
        match self.driver.poll_shutdown_request() {
            None => Ok(false),
            Some(ShutdownRequest::Suspend) => self.suspend().map(|()| true).map_err(Lost::Resume),
            Some(order) => {
                self.unload.begin(AfterUnload::End(order));
                Ok(false)
            }
        }
    }

    /// Suspends the domain; on return it may be another one, and every link starts over.
    fn suspend(&mut self) -> Result<(), BootError> {
        trace!("suspending t_ns={}", clock::now_ns());
        let restored = resume::suspend()?;
        let is_restored = u32::from(restored.is_some());
        if let Some(restored) = restored {
            self.xen.reset_after_restore(restored);
            self.driver.resumed(self.xen.now(), &mut self.xen);
        }
        let domid = u32::from(self.xen.domid().0);
        trace!("resumed domid={domid} restored={is_restored} t_ns={}", clock::now_ns());
        Ok(())
    }

    /// Prints what happened to xenstore, and how many pages are in quarantine where that has changed.
    fn take_store_events(&mut self) -> Result<(), Lost> {
        if self.xen.quarantined() != self.quarantined {
            self.quarantined = self.xen.quarantined();
            trace!("quarantine pages={}", self.quarantined);
        }
        while let Some(event) = self.driver.poll_store_event() {
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
                StoreEvent::Ended(ended) => return Err(Lost::Store(ended)),
                _ => crate::say!(Warn, "xenstore: an unknown event"),
            }
        }
        Ok(())
    }

    /// No link is connected, or its peer has not answered in time: what it holds is given back, its
    /// session ended.
    fn give_up_links(&mut self, after: AfterUnload) {
        if after == AfterUnload::Reload || self.xen.has_connection() {
            for link in self.driver.ids() {
                self.driver.restart(self.xen.now(), link, &mut self.xen);
            }
        }
        self.phase = match after {
            AfterUnload::Reload => LoopPhase::Reloaded,
            AfterUnload::End(order) => {
                self.ordered = Some(order);
                LoopPhase::Ended
            }
        };
    }

    fn sleep(&mut self, until: Instant) {
        if self.is_busy || until == Instant::START {
            return;
        }
        let own = if self.is_leaving() { self.unload.deadline() } else { until };
        let until = self.driver.deadline().min(own);
        if self.xen.now() < until && self.xen.wait(until) {
            self.driver.woke();
        }
    }

    /// Whether all links are being given up, for the domain's end or a restart in place, or have been
    /// for the end.
    pub const fn is_leaving(&self) -> bool {
        self.unload.is_under_way() || self.ordered.is_some()
    }

    /// Front: asks for a connection. What comes of it is an event.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect(&mut self, link: LinkId) -> Result<ConnectionId, ConnectError> {
        self.driver.connect(self.xen.now(), link, &mut self.xen)
    }

    /// Asks for the end of a link's connection.
    ///
    /// # Errors
    /// See [`NotConnected`].
    pub fn disconnect(&mut self, link: LinkId) -> Result<(), NotConnected> {
        self.driver.disconnect(self.xen.now(), link, &mut self.xen)
    }

    /// Sends a message, delivered exactly once in this session.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(&mut self, link: LinkId, message: &[u8]) -> Result<(), SendError> {
        self.driver.send(link, message)
    }

    /// Restarts a link's endpoint in place, as after a broken ring.
    pub fn restart(&mut self, link: LinkId) {
        self.driver.restart(self.xen.now(), link, &mut self.xen);
    }

    /// The driver, to ask it for counts and states.
    pub const fn driver(&self) -> &Driver {
        &self.driver
    }

    /// This domain as the driver sees it: the ends of connections and their notifications.
    pub const fn platform(&mut self) -> &mut XenPlatform {
        &mut self.xen
    }

    /// Ends the image's work: prints what is still held and gives the status to return. With
    /// `stop_at=finished` the links are served until the toolstack ends the domain.
    pub fn finish(&mut self, status: ExitStatus) -> ExitStatus {
        self.print_resources();
        if self.ordered.is_none() && self.xen.stays_when_finished() {
            trace!("stopped step={} n=1", Step::Finished.word());
            loop {
                match self.next_event(Instant::NEVER) {
                    Event::End => break,
                    Event::Lost(lost) => return ExitStatus::error(lost),
                    Event::Link(..) | Event::Turn => {}
                }
            }
        }
        if self.ordered == Some(ShutdownRequest::Reboot) { status.and_reboot() } else { status }
    }

    /// Prints what is still held, pages in quarantine tried a last time, and how often the clock
    /// stepped back.
    fn print_resources(&mut self) {
        self.xen.connections().sweep();
        let grants = self.xen.granted();
        let held = self.xen.connections().counts();
        let heap_blocks = heap::blocks().saturating_sub(self.heap_blocks.unwrap_or(0));
        let (ports, quarantined, mappings) = (held.ports, held.quarantined, held.mappings);
        trace!(
            "leaks grants={grants} ports={ports} heap_blocks={heap_blocks} quarantined={quarantined} mappings={mappings}"
        );
        trace!("clock steps_back={}", clock::steps_back());
    }
}

fn breakpoints(options: &Options) -> Breakpoints {
    Breakpoints::new(options.stop_at, options.pause_at)
}
