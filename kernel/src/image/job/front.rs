//! The frontend's cycles: connect, send the bytes and get them back transformed, disconnect, all
//! grants ended; as often as the command line says, on each link.
//!
//! A cycle that is cut short, by a session's end or because one side is to be unloaded, does not
//! count: it is begun again.

use alloc::vec;
use alloc::vec::Vec;

use channel::connection::Released;
use channel::event::{End, Event};
use channel::{Epoch, Instant, LinkId, Step};
use grant::{FrontConnection, Readiness, RingError, SharedPages, WakeWhen};

use super::pattern::Pattern;
use super::stages::{Stage, Stages};
use super::{Driver, Job, Progress, UNIT_BYTES, UNITS_PER_TURN};
use crate::image::exit_status::ExitStatus;
use crate::image::options::Options;
use crate::image::platform::XenPlatform;
use crate::trace;
use crate::xen::clock;

/// How long a link that was refused, or closed by its peer, rests before it asks again: what the
/// peer is busy with takes time.
const REFUSED_REST_NS: u64 = 200_000_000;

/// Where a link is in its cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No session.
    Down,
    /// Up, nothing asked, and nothing is before this moment.
    Idle { until_ns: u64 },
    /// CONNECT asked for.
    Connecting,
    /// Data flow.
    Streaming,
    /// DISCONNECT asked for.
    Disconnecting,
    /// The back broke the ring: the endpoint starts over, and the cycle with it.
    Broken,
}

impl Phase {
    fn resting() -> Self {
        Self::Idle { until_ns: clock::now_ns().saturating_add(REFUSED_REST_NS) }
    }
}

/// Nanoseconds of the timeline's moments T2 to T6; T7 and T8 are the platform's.
#[derive(Clone, Copy, Debug)]
struct Moments {
    up: u64,
    connect_asked: u64,
    connected: u64,
    first_byte: u64,
    disconnect_asked: u64,
}

/// One link's course.
#[derive(Clone, Copy)]
struct Course {
    phase: Phase,
    epochs: (Epoch, Epoch),
    number: u32,
    pattern: Pattern,
    sent: u64,
    received: u64,
    wrong: bool,
    /// Somebody wanted the connection's end before all bytes had moved.
    cut_short: bool,
    done: u64,
    moments: Moments,
}

impl Course {
    const NEW: Self = Self {
        phase: Phase::Down,
        epochs: (Epoch::from_bits(0), Epoch::from_bits(0)),
        number: 0,
        pattern: Pattern::NONE,
        sent: 0,
        received: 0,
        wrong: false,
        cut_short: false,
        done: 0,
        moments: Moments {
            up: 0,
            connect_asked: 0,
            connected: 0,
            first_byte: 0,
            disconnect_asked: 0,
        },
    };

    fn begin(&mut self, number: u32) {
        self.number = number;
        self.pattern = Pattern::new(self.epochs.0.bits(), self.epochs.1.bits(), number);
        (self.sent, self.received, self.wrong) = (0, 0, false);
        self.cut_short = false;
        self.moments.connected = clock::now_ns();
        self.moments.first_byte = 0;
        self.phase = Phase::Streaming;
    }

    /// Moves one unit each way. Gives the bytes moved.
    fn move_unit<P: SharedPages>(
        &mut self,
        total: u64,
        end: &mut FrontConnection<P>,
        unit: &mut [u8; UNIT_BYTES],
    ) -> Result<u64, RingError> {
        let room = end.room()?.min(UNIT_BYTES);
        let wanted = usize::try_from(total - self.sent).unwrap_or(usize::MAX).min(room);
        let out = &mut unit[..wanted];
        self.pattern.fill_request(self.sent, out);
        let written = end.write(out)?;
        self.sent += written as u64;

        let read = end.read(unit)?;
        let into = &mut unit[..read];
        if read > 0 && self.moments.first_byte == 0 {
            self.moments.first_byte = clock::now_ns();
        }
        self.wrong |= !self.pattern.is_reply(self.received, into);
        self.received += read as u64;
        Ok((written + read) as u64)
    }

    /// What to be woken for: room while there is something to send, and whatever the peer owes.
    fn wish(&self, total: u64) -> WakeWhen {
        let owed = u32::try_from(self.sent - self.received.min(self.sent)).unwrap_or(u32::MAX);
        WakeWhen { readable: owed, writable: if self.sent < total { u32::MAX } else { 0 } }
    }
}

/// What the frontend does: so many cycles of so many bytes on each of its links.
pub struct Cycles {
    cycles: u32,
    bytes: u64,
    rest_ns: u64,
    courses: Vec<Course>,
    stages: Stages,
    unit: [u8; UNIT_BYTES],
    failure: Option<&'static str>,
}

impl Cycles {
    /// What the options ask for, on all their links.
    pub fn new(options: &Options, driver: &Driver) -> Self {
        Self {
            cycles: options.cycles,
            bytes: options.bytes,
            rest_ns: u64::from(options.rest_ms) * 1_000_000,
            courses: vec![Course::NEW; options.links.len()],
            stages: Stages::new(driver),
            unit: [0; UNIT_BYTES],
            failure: None,
        }
    }

    fn finished(&self, course: &Course) -> bool {
        self.cycles > 0 && course.done >= u64::from(self.cycles)
    }

    fn note_end(&mut self, link: LinkId, released: Released, xen: &XenPlatform) {
        let course = &mut self.courses[link.index()];
        if course.cut_short && !course.wrong {
            course.phase = Phase::resting();
            self.stages.will_begin();
            return;
        }
        self.stages.will_end(Stage::Disconnect);
        let times = xen.release_times();
        let whole = course.sent == self.bytes && course.received == self.bytes;
        let ok = whole && !course.wrong && released == Released::Freed;
        if ok {
            course.done += 1;
        } else {
            self.failure = Some(if course.wrong { "wrong-bytes" } else { "incomplete-cycle" });
        }
        let moments = course.moments;
        trace!(
            "cycle link={} n={} k={} t2={} t3={} t4={} t5={} t6={} t7={} t8={} bytes={} ok={}",
            xen.link_name(link),
            course.done,
            course.number,
            moments.up,
            moments.connect_asked,
            moments.connected,
            moments.first_byte,
            moments.disconnect_asked,
            times.begun_ns,
            times.done_ns,
            course.received,
            u32::from(ok)
        );
        course.phase = Phase::Idle { until_ns: times.done_ns + self.rest_ns };
    }
}

impl Job for Cycles {
    fn handle_event(&mut self, link: LinkId, event: &Event<'_>, xen: &mut XenPlatform) {
        let course = &mut self.courses[link.index()];
        match *event {
            Event::Up { epoch, peer_epoch } => {
                course.epochs = (epoch, peer_epoch);
                course.moments.up = clock::now_ns();
                course.phase = Phase::Idle { until_ns: 0 };
                self.stages.will_end(Stage::Up);
            }
            Event::Down { .. } => {
                course.phase = Phase::Down;
                self.stages.will_begin();
            }
            Event::Connected { number } => {
                course.begin(number.0);
                self.stages.will_end(Stage::Connect);
            }
            Event::Refused { .. } => {
                course.phase = Phase::resting();
            }
            Event::Closing { .. } => {
                course.cut_short = course.received < self.bytes;
                course.phase = Phase::Disconnecting;
            }
            Event::Disconnected { end: End::InOrder, released, .. } => {
                self.note_end(link, released, xen);
            }
            _ => {}
        }
    }

    fn wish(&mut self, driver: &mut Driver, xen: &mut XenPlatform, leaving: bool) {
        self.stages.settle(driver);
        for index in 0..self.courses.len() {
            let link = LinkId::from_index(index);
            let course = &mut self.courses[index];
            let finished = self.cycles > 0 && course.done >= u64::from(self.cycles);
            match course.phase {
                Phase::Idle { until_ns }
                    if !finished && !leaving && clock::now_ns() >= until_ns =>
                {
                    self.stages.begin(driver);
                    course.moments.connect_asked = clock::now_ns();
                    // Refused at once only while a former connection has no terminal answer yet:
                    // then the link is asked again at the next turn.
                    if driver.connect(xen.now(), link, xen).is_ok() {
                        course.phase = Phase::Connecting;
                    }
                }
                Phase::Streaming if course.received == self.bytes || leaving => {
                    self.stages.end(Stage::Data, driver);
                    course.cut_short = course.received < self.bytes;
                    course.moments.disconnect_asked = clock::now_ns();
                    if driver.disconnect(xen.now(), link, xen).is_ok() {
                        course.phase = Phase::Disconnecting;
                    }
                }
                Phase::Broken => {
                    course.phase = Phase::Down;
                    driver.restart(xen.now(), link, xen);
                }
                _ => {}
            }
        }
    }

    fn pump(&mut self, xen: &mut XenPlatform) -> Progress {
        let mut pumped = Progress::Idle;
        for index in 0..self.courses.len() {
            let link = LinkId::from_index(index);
            let course = &mut self.courses[index];
            if course.phase != Phase::Streaming {
                continue;
            }
            match pump_one(course, self.bytes, link, xen, &mut self.unit) {
                Ok(Progress::Idle) => {}
                Ok(Progress::More) => pumped = Progress::More,
                Err(error) => {
                    crate::say!(Error, "link {}: {error}", xen.link_name(link));
                    course.phase = Phase::Broken;
                    pumped = Progress::More;
                }
            }
        }
        pumped
    }

    fn deadline(&self) -> Instant {
        let resting = self.courses.iter().filter_map(|course| match course.phase {
            Phase::Idle { until_ns } if !self.finished(course) => Some(until_ns),
            _ => None,
        });
        resting.min().map_or(Instant::NEVER, Instant::from_nanoseconds)
    }

    fn print_counts(&self, driver: &Driver) {
        self.stages.print(driver);
    }

    fn verdict(&self, ordered: bool) -> Option<ExitStatus> {
        if let Some(reason) = self.failure {
            return Some(ExitStatus::failure(reason));
        }
        let done = self.courses.iter().all(|course| self.finished(course));
        if done {
            return Some(ExitStatus::success("all cycles done"));
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
) -> Result<Progress, RingError> {
    let Some(end) = xen.front(link) else { return Ok(Progress::Idle) };
    let half = total / 2;
    let before = course.received;
    for _ in 0..UNITS_PER_TURN {
        if course.move_unit(total, end, unit)? == 0 {
            break;
        }
    }
    let sleep = end.before_sleep(course.wish(total))?;
    xen.notify_if(link, sleep.notify);
    if before < half && course.received >= half {
        xen.reached(link, Step::Streaming);
    }
    let more = sleep.readiness == Readiness::Ready || course.received == total;
    Ok(if more { Progress::More } else { Progress::Idle })
}
