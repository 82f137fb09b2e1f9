//! The backend's service: whatever comes is checked, transformed and sent back, on every link.

use alloc::vec;
use alloc::vec::Vec;

use channel::event::{End, Event};
use channel::{Epoch, Instant, LinkId, Step};
use grant::{BackConnection, Readiness, SharedPages, TransferError, WakeWhen};

use super::pattern::Pattern;
use super::stages::{Stage, Stages};
use super::{Driver, Job, Progress, UNIT_BYTES, UNITS_PER_TURN};
use crate::image::exit_status::ExitStatus;
use crate::image::platform::XenPlatform;
use crate::trace;

/// One link's service.
#[derive(Clone, Copy)]
struct Course {
    epochs: (Epoch, Epoch),
    serving: bool,
    /// The front was asked to end the connection.
    closing: bool,
    /// The front broke the ring: the endpoint starts over, which unmaps its pages.
    broken: bool,
    number: u32,
    pattern: Pattern,
    served: u64,
    wrong: bool,
}

impl Course {
    const NEW: Self = Self {
        epochs: (Epoch::from_bits(0), Epoch::from_bits(0)),
        serving: false,
        closing: false,
        broken: false,
        number: 0,
        pattern: Pattern::NONE,
        served: 0,
        wrong: false,
    };

    /// Serves one unit: no more than the answer has room for. Gives the bytes served.
    fn serve_unit<P: SharedPages>(
        &mut self,
        end: &mut BackConnection<P>,
        unit: &mut [u8; UNIT_BYTES],
    ) -> Result<usize, TransferError> {
        let room = end.room()?.min(UNIT_BYTES);
        let read = end.read(&mut unit[..room])?;
        let bytes = &mut unit[..read];
        self.wrong |= !self.pattern.is_request(self.served, bytes);
        self.pattern.transform(self.served, bytes);
        let written = end.write(bytes)?;
        // Only we take room away, and it was there before.
        assert!(written == read, "the answer fits into the room found");
        self.served += read as u64;
        Ok(read)
    }
}

/// What the backend does on its links.
pub struct Service {
    bytes: u64,
    wrong: bool,
    courses: Vec<Course>,
    stages: Stages,
    unit: [u8; UNIT_BYTES],
}

impl Service {
    /// Serves `links` links. `bytes` is what a connection is expected to carry; only the
    /// step named `streaming` depends on it.
    pub fn new(bytes: u64, links: usize, driver: &Driver) -> Self {
        Self {
            bytes,
            wrong: false,
            courses: vec![Course::NEW; links],
            stages: Stages::new(driver),
            unit: [0; UNIT_BYTES],
        }
    }

    fn note_end(&mut self, link: LinkId, end: End, xen: &XenPlatform) {
        let course = &mut self.courses[link.index()];
        if !course.serving {
            return;
        }
        course.serving = false;
        self.wrong |= course.wrong;
        if course.closing {
            // What it costs to be asked for the end is no part of the usual course.
            self.stages.will_begin();
        } else if end == End::InOrder {
            trace!(
                "served link={} k={} bytes={} ok={}",
                xen.link_name(link),
                course.number,
                course.served,
                u32::from(!course.wrong)
            );
            self.stages.will_end(Stage::Disconnect);
        }
    }
}

impl Job for Service {
    fn handle_event(&mut self, link: LinkId, event: &Event<'_>, xen: &mut XenPlatform) {
        let course = &mut self.courses[link.index()];
        match *event {
            Event::Up { epoch, peer_epoch } => {
                course.epochs = (peer_epoch, epoch);
                self.stages.will_end(Stage::Up);
            }
            Event::Connected { number } => {
                (course.serving, course.closing) = (true, false);
                course.number = number.0;
                course.pattern =
                    Pattern::new(course.epochs.0.bits(), course.epochs.1.bits(), number.0);
                (course.served, course.wrong) = (0, false);
                self.stages.will_end(Stage::Connect);
            }
            Event::Disconnected { end, .. } => self.note_end(link, end, xen),
            Event::Down { .. } => {
                course.serving = false;
                self.stages.will_begin();
            }
            _ => {}
        }
    }

    fn wish(&mut self, driver: &mut Driver, xen: &mut XenPlatform, leaving: bool) {
        self.stages.settle(driver);
        for (index, course) in self.courses.iter_mut().enumerate() {
            let link = LinkId::from_index(index);
            if core::mem::take(&mut course.broken) {
                driver.restart(xen.now(), link, xen);
            } else if leaving && course.serving && !course.closing {
                course.closing = driver.disconnect(xen.now(), link, xen).is_ok();
            }
        }
    }

    fn pump(&mut self, xen: &mut XenPlatform) -> Progress {
        let mut pumped = Progress::Idle;
        for index in 0..self.courses.len() {
            let link = LinkId::from_index(index);
            let course = &mut self.courses[index];
            if !course.serving {
                continue;
            }
            let before = course.served;
            match pump_one(course, self.bytes, link, xen, &mut self.unit) {
                Ok(Progress::Idle) => {}
                Ok(Progress::More) => pumped = Progress::More,
                Err(TransferError::Fenced) => course.serving = false,
                Err(TransferError::Ring(error)) => {
                    crate::say!(Error, "link {}: {error}", xen.link_name(link));
                    (course.serving, course.broken) = (false, true);
                    pumped = Progress::More;
                }
            }
            if before < self.bytes && course.served >= self.bytes {
                self.stages.will_end(Stage::Data);
            }
        }
        pumped
    }

    fn deadline(&self) -> Instant {
        Instant::NEVER
    }

    fn print_counts(&self, driver: &Driver) {
        self.stages.print(driver);
    }

    fn verdict(&self, ordered: bool) -> Option<ExitStatus> {
        if self.wrong {
            return Some(ExitStatus::failure("wrong bytes from the frontend"));
        }
        ordered.then(|| ExitStatus::success("ended by the toolstack"))
    }
}

fn pump_one(
    course: &mut Course,
    total: u64,
    link: LinkId,
    xen: &mut XenPlatform,
    unit: &mut [u8; UNIT_BYTES],
) -> Result<Progress, TransferError> {
    let Some(end) = xen.back(link) else { return Ok(Progress::Idle) };
    let half = total / 2;
    let before = course.served;
    for _ in 0..UNITS_PER_TURN {
        if course.serve_unit(end, unit)? == 0 {
            break;
        }
    }
    // The first byte of a burst wakes: how many come is the front's to know. Where the answers find
    // no room, an empty ring does.
    let blocked = end.room()? == 0;
    let wish = if blocked {
        WakeWhen { readable: 0, writable: u32::MAX }
    } else {
        WakeWhen { readable: 1, writable: 0 }
    };
    let sleep = end.before_sleep(wish)?;
    xen.notify_if(link, sleep.notify);
    if before < half && course.served >= half {
        xen.reached(link, Step::Streaming);
    }
    Ok(if sleep.readiness == Readiness::Ready { Progress::More } else { Progress::Idle })
}
