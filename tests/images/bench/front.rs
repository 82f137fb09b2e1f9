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
use super::job::Job;
use super::lab::Lab;
use super::marks;
use super::order::{Kind, Order};
use super::wire::{Broken, Wire};
use channel::Driver;
use kernel::console::write_for_programs;
use kernel::hypercall::hvm;
use kernel::links::Links;
use kernel::platform::XenPlatform;
use kernel::stages::{Stage, Stages};
use kernel::{ExitStatus, Options, abi, clock, trace};

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
pub(crate) struct Front {
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
    /// The connection has ended, and what became of its pages.
    ended: Option<Released>,
    failure: Option<&'static str>,
}

impl Front {
    /// `reads` are those that were timed before.
    pub(crate) fn new(options: &Options, driver: &Driver, reads: Histogram) -> Front {
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
            traced: options.own("kind") == Some(super::TRACED),
            ended: None,
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

    fn start(&mut self, next: Next, links: &mut Links) {
        let link = LinkId::from_index(0);
        if self.traced {
            // A hypercall that no stage makes: what tests/testbed/src/evaluation/bench/exits.rs cuts the trace at.
            let _ = hvm::param(abi::hvm::CALLBACK_IRQ);
        }
        match next {
            Next::Connect(ended) => {
                self.stages.end(ended, links.driver());
                marks::note("connect-asked");
                self.began_ns = clock::now_ns();
                match links.connect(link) {
                    Ok(_) => self.phase = Phase::Connecting,
                    Err(_) => self.fail("connect-refused-at-once"),
                }
            }
            Next::Data => {
                self.stages.end(Stage::Connect, links.driver());
                self.received = 0;
                self.phase = if self.cycles == 0 { Phase::Trying } else { Phase::Sending };
            }
            Next::Disconnect => {
                self.stages.end(Stage::Data, links.driver());
                marks::note("disconnect-asked");
                self.began_ns = clock::now_ns();
                match links.disconnect(link) {
                    Ok(()) => self.phase = Phase::Disconnecting,
                    Err(_) => self.fail("disconnect-refused-at-once"),
                }
            }
            Next::End => {
                self.stages.end(Stage::Disconnect, links.driver());
                self.phase = Phase::Over;
            }
        }
    }

    fn note_end(&mut self, released: Released, xen: &XenPlatform) {
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
    fn move_bytes(&mut self, xen: &mut XenPlatform) -> Result<Readiness, Broken> {
        let mut wire = Wire::new(xen, LinkId::from_index(0));
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
            return wire.ask(wish);
        }
        if self.room == self.bytes {
            self.rest(Next::Disconnect);
        } else {
            self.fail("wrong-bytes");
        }
        Ok(Readiness::MaySleep)
    }
}

impl Job for Front {
    fn handle_event(&mut self, _: LinkId, event: &Event<'_>) {
        match *event {
            Event::Up { .. } => self.rest(Next::Connect(Stage::Up)),
            Event::Connected { .. } => {
                self.connects.record(clock::now_ns() - self.began_ns);
                self.rest(Next::Data);
            }
            Event::Disconnected { end: End::InOrder, released, .. } => self.ended = Some(released),
            Event::Down { .. } => self.fail("session-lost"),
            Event::Refused { .. } => self.fail("connect-refused"),
            Event::Closing { .. } => self.fail("closed-by-the-back"),
            _ => {}
        }
    }

    fn ask(&mut self, links: &mut Links) {
        if let Some(released) = self.ended.take() {
            self.note_end(released, links.platform());
        }
        if let Phase::Resting { until_ns, next } = self.phase
            && clock::now_ns() >= until_ns
        {
            self.start(next, links);
        }
    }

    fn pump(&mut self, xen: &mut XenPlatform) -> Instant {
        let moved = match self.phase {
            Phase::Sending | Phase::Receiving => self.move_bytes(xen),
            Phase::Trying => {
                let measured = self.lab.measure(xen, LinkId::from_index(0));
                self.rest(Next::Disconnect);
                measured.map(|()| Readiness::MaySleep)
            }
            _ => Ok(Readiness::MaySleep),
        };
        match (moved, self.phase) {
            (Ok(Readiness::MaySleep), Phase::Resting { until_ns, .. }) => {
                return Instant::from_nanoseconds(until_ns);
            }
            (Ok(Readiness::MaySleep), Phase::Over) | (Ok(Readiness::Ready), _) => {}
            (Ok(Readiness::MaySleep), _) => return Instant::NEVER,
            (Err(Broken::Connection), _) => self.fail("connection-broken"),
            (Err(Broken::Peer), _) => self.fail("peer-too-late"),
        }
        Instant::START
    }

    fn print(&self, driver: &Driver) {
        self.reads.print(write_for_programs);
        if self.cycles == 0 {
            // One connect after a rest is not what the others are.
            return;
        }
        self.stages.print(driver);
        let histograms = [&self.connects, &self.first_bytes, &self.disconnects];
        histograms.iter().for_each(|histogram| histogram.print(write_for_programs));
        marks::print();
        trace!("cycles n={}", self.done);
    }

    fn status(&self, ordered: bool) -> Option<ExitStatus> {
        if let Some(reason) = self.failure {
            return Some(ExitStatus::failure(reason));
        }
        if self.phase == Phase::Over {
            return Some(ExitStatus::success("measured"));
        }
        ordered.then(|| ExitStatus::success("ended by the toolstack"))
    }
}
