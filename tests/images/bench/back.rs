//! The back's course: it obeys the front's orders, and counts what each stage costs this side. Of
//! several links the first is the measured one; the others are there, and cost what they cost. When
//! the measured front gives way to another one, what it has cost is told and counting begins anew.

use alloc::vec;
use alloc::vec::Vec;

use channel::event::{End, Event};
use channel::{Instant, LinkId};
use grant::Readiness;

use super::job::Job;
use super::order::{Kind, Order};
use super::wire::Broken;
use super::{lab, marks};
use channel::Driver;
use kernel::links::Links;
use kernel::platform::XenPlatform;
use kernel::stages::{Stage, Stages};
use kernel::{ExitStatus, Options, trace};

/// Bytes taken out of the ring at once; more than any ring holds would gain nothing.
const UNIT_BYTES: usize = 16 * 1024;

/// The link that is measured.
const MEASURED: LinkId = LinkId::from_index(0);

/// The back of a measurement.
pub(crate) struct Back {
    /// The measured front is gone, and what it has cost was not told yet.
    left: bool,
    cycles: u32,
    done: u32,
    connected: bool,
    /// What an order still wants echoed; that of a cycle is served between two looks at everything
    /// else, as the shipped backend serves.
    owed: u64,
    /// A stage that ends once nothing is under way to xenstore any more.
    ending: Option<Stage>,
    unit: Vec<u8>,
    stages: Stages,
    failure: Option<&'static str>,
}

impl Back {
    /// Serves one link.
    pub(crate) fn new(options: &Options, driver: &Driver) -> Back {
        Back {
            left: false,
            cycles: options.cycles,
            done: 0,
            connected: false,
            owed: 0,
            ending: None,
            unit: vec![0; UNIT_BYTES],
            stages: Stages::new(driver),
            failure: None,
        }
    }

    fn serve(&mut self, xen: &mut XenPlatform) -> Result<Readiness, Broken> {
        if self.owed == 0 {
            match lab::next_order(xen, MEASURED)? {
                None => {}
                Some(order @ Order { kind: Kind::Echo, .. }) if self.cycles > 0 => {
                    self.owed = order.payload();
                }
                Some(order) => lab::obey(xen, MEASURED, order, &mut self.unit)?,
            }
        }
        if self.owed > 0 {
            let served = lab::echo_what_is_there(xen, MEASURED, self.owed, &mut self.unit)?;
            self.owed -= served;
            if self.owed == 0 {
                self.ending = Some(Stage::Data);
                // Counted before what the front does next is looked at.
                return Ok(Readiness::Ready);
            }
        }
        lab::ask_for_more(xen, MEASURED)
    }

    /// What the measured front has cost.
    fn tell(&self, driver: &Driver) {
        trace!("served cycles={}", self.done);
        self.stages.print(driver);
    }
}

impl Job for Back {
    fn handle_event(&mut self, link: LinkId, event: &Event<'_>) {
        if link != MEASURED {
            return;
        }
        match *event {
            Event::Up { .. } => self.ending = Some(Stage::Up),
            Event::Connected { .. } => {
                self.connected = true;
                self.ending = Some(Stage::Connect);
            }
            Event::Disconnected { end, .. } => {
                self.connected = false;
                if end == End::InOrder {
                    self.ending = Some(Stage::Disconnect);
                    self.done += 1;
                }
            }
            Event::Down { .. } => {
                self.connected = false;
                self.left = true;
            }
            _ => {}
        }
    }

    fn ask(&mut self, links: &mut Links) {
        let is_leaving = links.is_leaving();
        let driver = links.driver();
        if self.left && !is_leaving {
            self.tell(driver);
            (self.stages, self.ending, self.done) = (Stages::new(driver), None, 0);
            self.stages.begin(driver);
            self.left = false;
        }
        let counts = driver.counts();
        let quiet = counts.requests_total() == counts.replies;
        if let Some(stage) = self.ending.take_if(|_| quiet) {
            self.stages.end(stage, driver);
            // The cycle in the middle, as the front's.
            if stage == Stage::Disconnect && self.done == self.cycles / 2 + 1 {
                marks::freeze();
            }
        }
    }

    fn pump(&mut self, xen: &mut XenPlatform) -> Instant {
        if !self.connected {
            return Instant::NEVER;
        }
        match self.serve(xen) {
            Ok(Readiness::MaySleep) => Instant::NEVER,
            Ok(Readiness::Ready) => Instant::START,
            // The front may have gone in the middle: then its session ends, and that is no failure.
            Err(Broken::Connection) => {
                self.connected = false;
                Instant::NEVER
            }
            Err(Broken::Peer) => {
                self.failure = Some("the front did not do its part");
                Instant::START
            }
        }
    }

    fn print(&self, driver: &Driver) {
        self.tell(driver);
        marks::print();
    }

    fn status(&self, ordered: bool) -> Option<ExitStatus> {
        if let Some(reason) = self.failure {
            return Some(ExitStatus::failure(reason));
        }
        ordered.then(|| ExitStatus::success("served"))
    }
}
