//! The front's course: so many times connect, send some bytes and get them back, disconnect; or one
//! connection that is tried out. Between any two of them it rests, so that what one leaves to be done
//! later is done, and counted with it, before the next begins.

use alloc::vec;
use alloc::vec::Vec;

use channel::connection::Released;
use channel::event::{End, Event};
use channel::{Instant, LinkId};
use grant::{Readiness, WakeWhen};

use super::histogram::Histogram;
use super::lab::Lab;
use super::order::{Kind, Order};
use super::wire::{Broken, Wire};
use super::{MarkedFront, marks};
use crate::hypercall::hvm;
use crate::job::stages::{Stage, Stages};
use crate::job::{Job, Progress};
use crate::platform::XenPlatform;
use crate::{ExitStatus, Options, abi, clock, trace};
use channel::Driver;

/// Rest between two stages: far longer than any answer takes, and idle time costs nothing where
/// time is counted in instructions.
const REST_NS: u64 = 3_000_000;

/// Bytes that a cycle sends, and gets back, at most.
const BYTES_MAX: u64 = 1024;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Connect(Stage),
    Data,
    Disconnect,
    End,
}

/// Where the course is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Down,
    Resting {
        until_ns: u64,
        next: Next,
    },
    Connecting,
    /// The order and its bytes are to be sent.
    Sending,
    Receiving,
    Trying,
    Disconnecting,
    Over,
}

/// The front of a measurement.
pub(super) struct Front {
    cycles: u32,
    done: u32,
    phase: Phase,
    began_ns: u64,
    connected_ns: u64,
    received: usize,
    bytes: Vec<u8>,
    room: Vec<u8>,
    stages: Stages,
    reads: Histogram,
    connects: Histogram,
    first_bytes: Histogram,
    disconnects: Histogram,
    lab: Lab,
    traced: bool,
    failure: Option<&'static str>,
}

impl Front {
    /// `reads` are those that were timed before.
    pub(super) fn new(options: &Options, driver: &Driver, reads: Histogram) -> Front {
        let bytes = options.bytes.min(BYTES_MAX) as usize;
        Front {
            cycles: options.cycles,
            done: 0,
            phase: Phase::Down,
            began_ns: 0,
            connected_ns: 0,
            received: 0,
            bytes: vec![0x5a; bytes],
            room: vec![0; bytes],
            stages: Stages::new(driver),
            reads,
            connects: Histogram::new("connect"),
            first_bytes: Histogram::new("first-byte"),
            disconnects: Histogram::new("disconnect"),
            lab: Lab::new(options),
            traced: options.kind == super::TRACED,
            failure: None,
        }
    }

    fn rest(&mut self, next: Next) {
        self.phase = Phase::Resting { until_ns: clock::now_ns() + REST_NS, next };
    }

    fn fail(&mut self, reason: &'static str) {
        self.failure = Some(reason);
        self.phase = Phase::Over;
    }

    /// The cycle whose marks are printed: one in the middle, so that nothing in it is a first time.
    fn is_shown(&self) -> bool {
        self.done == self.cycles / 2
    }

    fn start(&mut self, next: Next, driver: &mut Driver, xen: &mut XenPlatform<MarkedFront>) {
        let link = LinkId(0);
        if self.traced {
            // A hypercall that no stage makes: what tests/testbed/src/evaluation/bench/exits.rs cuts the trace at.
            let _ = hvm::param(abi::hvm::CALLBACK_IRQ);
        }
        match next {
            Next::Connect(ended) => {
                self.stages.end(ended, driver);
                marks::note("connect-asked");
                self.began_ns = clock::now_ns();
                match driver.connect(xen.now(), link, xen) {
                    Ok(_) => self.phase = Phase::Connecting,
                    Err(_) => self.fail("connect-refused-at-once"),
                }
            }
            Next::Data => {
                self.stages.end(Stage::Connect, driver);
                self.received = 0;
                self.phase = if self.cycles == 0 { Phase::Trying } else { Phase::Sending };
            }
            Next::Disconnect => {
                self.stages.end(Stage::Data, driver);
                marks::note("disconnect-asked");
                self.began_ns = clock::now_ns();
                match driver.disconnect(xen.now(), link, xen) {
                    Ok(()) => self.phase = Phase::Disconnecting,
                    Err(_) => self.fail("disconnect-refused-at-once"),
                }
            }
            Next::End => {
                self.stages.end(Stage::Disconnect, driver);
                self.phase = Phase::Over;
            }
        }
    }

    fn note_end(&mut self, released: Released, xen: &XenPlatform<MarkedFront>) {
        self.disconnects.record(xen.release_times().done_ns - self.began_ns);
        marks::note("released-all");
        if released != Released::Freed {
            return self.fail("grants-not-ended");
        }
        if self.is_shown() {
            marks::freeze();
        }
        self.done += 1;
        let more = self.done < self.cycles;
        self.rest(if more { Next::Connect(Stage::Disconnect) } else { Next::End });
    }

    /// Sends the cycle's order and bytes, and takes in what came back.
    fn move_bytes(&mut self, xen: &mut XenPlatform<MarkedFront>) -> Result<Progress, Broken> {
        let mut wire = Wire::new(xen, LinkId(0));
        if self.phase == Phase::Sending {
            let size = self.bytes.len() as u32;
            self.connected_ns = clock::now_ns();
            wire.send(&Order { kind: Kind::Echo, size, count: 1 }.bytes())?;
            wire.send(&self.bytes)?;
            self.phase = Phase::Receiving;
        }
        let read = wire.read(&mut self.room[self.received..])?;
        if read > 0 && self.received == 0 {
            self.first_bytes.record(clock::now_ns() - self.connected_ns);
        }
        self.received += read;
        let owed = self.bytes.len() - self.received;
        if owed > 0 {
            let wish = WakeWhen { readable: owed as u32, writable: 0 };
            return Ok(match wire.ask(wish)? {
                Readiness::MaySleep => Progress::Idle,
                Readiness::Ready => Progress::More,
            });
        }
        if self.room == self.bytes {
            self.rest(Next::Disconnect);
        } else {
            self.fail("wrong-bytes");
        }
        Ok(Progress::Idle)
    }
}

impl Job for Front {
    type Side = MarkedFront;

    fn handle_event(&mut self, _: LinkId, event: &Event<'_>, xen: &mut XenPlatform<MarkedFront>) {
        match *event {
            Event::Up { .. } => self.rest(Next::Connect(Stage::Up)),
            Event::Connected { .. } => {
                self.connects.record(clock::now_ns() - self.began_ns);
                self.rest(Next::Data);
            }
            Event::Disconnected { end: End::InOrder, released, .. } => self.note_end(released, xen),
            Event::Down { .. } => self.fail("session-lost"),
            Event::Refused { .. } => self.fail("connect-refused"),
            Event::Closing { .. } => self.fail("closed-by-the-back"),
            _ => {}
        }
    }

    fn wish(&mut self, driver: &mut Driver, xen: &mut XenPlatform<MarkedFront>, _: bool) {
        if let Phase::Resting { until_ns, next } = self.phase
            && clock::now_ns() >= until_ns
        {
            self.start(next, driver, xen);
        }
    }

    fn pump(&mut self, xen: &mut XenPlatform<MarkedFront>) -> Progress {
        let moved = match self.phase {
            Phase::Sending | Phase::Receiving => self.move_bytes(xen),
            Phase::Trying => {
                let measured = self.lab.measure(xen, LinkId(0));
                self.rest(Next::Disconnect);
                measured.map(|()| Progress::Idle)
            }
            _ => Ok(Progress::Idle),
        };
        match moved {
            Ok(pumped) if self.phase != Phase::Over => return pumped,
            Ok(_) => {}
            Err(Broken::Connection) => self.fail("connection-broken"),
            Err(Broken::Peer) => self.fail("peer-too-late"),
        }
        Progress::More
    }

    fn deadline(&self) -> Instant {
        match self.phase {
            Phase::Resting { until_ns, .. } => Instant::from_nanoseconds(until_ns),
            _ => Instant::NEVER,
        }
    }

    fn print_counts(&self, driver: &Driver) {
        self.reads.print();
        if self.cycles == 0 {
            // One connect after a rest is not what the others are.
            return;
        }
        self.stages.print(driver);
        let histograms = [&self.connects, &self.first_bytes, &self.disconnects];
        histograms.iter().for_each(|histogram| histogram.print());
        marks::print();
        trace!("cycles n={}", self.done);
    }

    fn verdict(&self, ordered: bool) -> Option<ExitStatus> {
        if let Some(reason) = self.failure {
            return Some(ExitStatus::failure(reason));
        }
        if self.phase == Phase::Over {
            return Some(ExitStatus::success("measured"));
        }
        ordered.then(|| ExitStatus::success("ended by the toolstack"))
    }
}
