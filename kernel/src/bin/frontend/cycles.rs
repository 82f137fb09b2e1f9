//! The frontend's cycles: connect, send the bytes and get them back transformed, disconnect, all
//! grants ended; as often as the command line says, on each link.
//!
//! A cycle that is cut short, by a session's end or because one side is to be unloaded, does not
//! count: it is begun again.

use alloc::vec;
use alloc::vec::Vec;

use channel::connection::Released;
use channel::event::{End, Event};
use channel::{Driver, Epoch, Instant, LinkId, Step};
use grant::{FrontConnection, Readiness, RingError, SharedPages, WakeWhen};
use kernel::links::Links;
use kernel::pattern::{Pattern, UNIT_BYTES};
use kernel::platform::XenPlatform;
use kernel::stages::{Stage, Stages};
use kernel::{ExitStatus, Options, clock, trace};

/// Units that one link may move before the others and the driver have their turn.
const UNITS_PER_TURN: usize = 16;

/// How long a link that was refused, or closed by its peer, rests before it asks again: what the
/// peer is busy with takes time.
const REFUSED_REST_NS: u64 = 200_000_000;

/// Where a link is in its cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CyclePhase {
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

impl CyclePhase {
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

/// One link in its cycle.
#[derive(Clone, Copy)]
struct LinkState {
    phase: CyclePhase,
    epochs: (Epoch, Epoch),
    number: u32,
    pattern: Pattern,
    sent: u64,
    received: u64,
    wrong: bool,
    /// The connection has ended, and what became of its pages; the cycle's line is not printed yet.
    ended: Option<Released>,
    /// Somebody wanted the connection's end before all bytes had moved.
    cut_short: bool,
    done: u64,
    moments: Moments,
}

impl LinkState {
    const NEW: Self = Self {
        phase: CyclePhase::Down,
        epochs: (Epoch::from_bits(0), Epoch::from_bits(0)),
        number: 0,
        pattern: Pattern::NONE,
        sent: 0,
        received: 0,
        wrong: false,
        ended: None,
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
        self.phase = CyclePhase::Streaming;
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
pub(crate) struct Cycles {
    cycles: u32,
    bytes: u64,
    rest_ns: u64,
    links: Vec<LinkState>,
    stages: Stages,
    unit: [u8; UNIT_BYTES],
    failure: Option<&'static str>,
}

impl Cycles {
    /// What the options ask for, on all their links.
    pub(crate) fn new(options: &Options, driver: &Driver) -> Self {
        Self {
            cycles: options.cycles,
            bytes: options.bytes,
            rest_ns: u64::from(options.rest_ms) * 1_000_000,
            links: vec![LinkState::NEW; options.links.len()],
            stages: Stages::new(driver),
            unit: [0; UNIT_BYTES],
            failure: None,
        }
    }

    fn finished(&self, link_state: &LinkState) -> bool {
        self.cycles > 0 && link_state.done >= u64::from(self.cycles)
    }

    /// The connection has ended in order: prints the cycle's line, unless it was cut short.
    fn note_end(&mut self, link: LinkId, released: Released, links: &mut Links) {
        let link_state = &mut self.links[link.index()];
        let is_down = link_state.phase == CyclePhase::Down;
        if link_state.cut_short && !link_state.wrong {
            if !is_down {
                link_state.phase = CyclePhase::resting();
            }
            self.stages.begin(links.driver());
            return;
        }
        self.stages.end(Stage::Disconnect, links.driver());
        let times = links.platform().release_times();
        let whole = link_state.sent == self.bytes && link_state.received == self.bytes;
        let ok = whole && !link_state.wrong && released == Released::Freed;
        if ok {
            link_state.done += 1;
        } else {
            self.failure = Some(if link_state.wrong { "wrong-bytes" } else { "incomplete-cycle" });
        }
        let moments = link_state.moments;
        trace!(
            "cycle link={} n={} k={} t2={} t3={} t4={} t5={} t6={} t7={} t8={} bytes={} ok={}",
            links.platform().link_name(link),
            link_state.done,
            link_state.number,
            moments.up,
            moments.connect_asked,
            moments.connected,
            moments.first_byte,
            moments.disconnect_asked,
            times.begun_ns,
            times.done_ns,
            link_state.received,
            u32::from(ok)
        );
        if !is_down {
            link_state.phase = CyclePhase::Idle { until_ns: times.done_ns + self.rest_ns };
        }
    }

    /// Takes note of what happened on a link.
    pub(crate) fn handle_event(&mut self, link: LinkId, event: &Event<'_>) {
        let link_state = &mut self.links[link.index()];
        match *event {
            Event::Up { epoch, peer_epoch } => {
                link_state.epochs = (epoch, peer_epoch);
                link_state.moments.up = clock::now_ns();
                link_state.phase = CyclePhase::Idle { until_ns: 0 };
                self.stages.will_end(Stage::Up);
            }
            Event::Down { .. } => {
                link_state.phase = CyclePhase::Down;
                self.stages.will_begin();
            }
            Event::Connected { number } => {
                link_state.begin(number.0);
                self.stages.will_end(Stage::Connect);
            }
            Event::Refused { .. } => {
                link_state.phase = CyclePhase::resting();
            }
            Event::Closing { .. } => {
                link_state.cut_short = link_state.received < self.bytes;
                link_state.phase = CyclePhase::Disconnecting;
            }
            Event::Disconnected { end: End::InOrder, released, .. } => {
                link_state.ended = Some(released);
            }
            _ => {}
        }
    }

    /// Asks for what each link wants next: a connection, or its end.
    pub(crate) fn ask(&mut self, links: &mut Links) {
        self.stages.take(links.driver());
        for index in 0..self.links.len() {
            let link = LinkId::from_index(index);
            if let Some(released) = self.links[index].ended.take() {
                self.note_end(link, released, links);
            }
            let link_state = &mut self.links[index];
            let finished = self.cycles > 0 && link_state.done >= u64::from(self.cycles);
            match link_state.phase {
                CyclePhase::Idle { until_ns }
                    if !finished && !links.is_leaving() && clock::now_ns() >= until_ns =>
                {
                    self.stages.begin(links.driver());
                    link_state.moments.connect_asked = clock::now_ns();
                    // Refused at once only while a former connection has no terminal answer yet:
                    // then the link is asked again at the next turn.
                    if links.connect(link).is_ok() {
                        link_state.phase = CyclePhase::Connecting;
                    }
                }
                CyclePhase::Streaming
                    if link_state.received == self.bytes || links.is_leaving() =>
                {
                    self.stages.end(Stage::Data, links.driver());
                    link_state.cut_short = link_state.received < self.bytes;
                    link_state.moments.disconnect_asked = clock::now_ns();
                    if links.disconnect(link).is_ok() {
                        link_state.phase = CyclePhase::Disconnecting;
                    }
                }
                CyclePhase::Broken => {
                    link_state.phase = CyclePhase::Down;
                    links.restart(link);
                }
                _ => {}
            }
        }
    }

    /// Moves data on every connected link, as much as goes in one turn. When the next turn is wanted.
    pub(crate) fn pump(&mut self, xen: &mut XenPlatform) -> Instant {
        let mut is_idle = true;
        for index in 0..self.links.len() {
            let link = LinkId::from_index(index);
            let link_state = &mut self.links[index];
            if link_state.phase != CyclePhase::Streaming {
                continue;
            }
            match pump_one(link_state, self.bytes, link, xen, &mut self.unit) {
                Ok(has_more) => is_idle &= !has_more,
                Err(error) => {
                    kernel::say!(Error, "link {}: {error}", xen.link_name(link));
                    link_state.phase = CyclePhase::Broken;
                    is_idle = false;
                }
            }
        }
        if is_idle { self.deadline() } else { Instant::START }
    }

    /// When the first link has rested.
    fn deadline(&self) -> Instant {
        let resting = self.links.iter().filter_map(|link_state| match link_state.phase {
            CyclePhase::Idle { until_ns } if !self.finished(link_state) => Some(until_ns),
            _ => None,
        });
        resting.min().map_or(Instant::NEVER, Instant::from_nanoseconds)
    }

    /// Prints what was counted.
    pub(crate) fn print_counts(&self, driver: &Driver) {
        self.stages.print(driver);
    }

    /// The status to end with, once there is nothing left to do or the toolstack wants the end.
    pub(crate) fn status(&self, ordered: bool) -> Option<ExitStatus> {
        if let Some(reason) = self.failure {
            return Some(ExitStatus::failure(reason));
        }
        let done = self.links.iter().all(|link_state| self.finished(link_state));
        if done {
            return Some(ExitStatus::success("all cycles done"));
        }
        ordered.then(|| ExitStatus::success("ended by the toolstack"))
    }
}

/// Moves data on one link. Whether there is more to do at once.
fn pump_one(
    link_state: &mut LinkState,
    total: u64,
    link: LinkId,
    xen: &mut XenPlatform,
    unit: &mut [u8; UNIT_BYTES],
) -> Result<bool, RingError> {
    let Some(end) = xen.front(link) else { return Ok(false) };
    let half = total / 2;
    let before = link_state.received;
    for _ in 0..UNITS_PER_TURN {
        if link_state.move_unit(total, end, unit)? == 0 {
            break;
        }
    }
    let sleep = end.before_sleep(link_state.wish(total))?;
    xen.notify_if(link, sleep.notify);
    if before < half && link_state.received >= half {
        xen.reached(link, Step::Streaming);
    }
    Ok(sleep.readiness == Readiness::Ready || link_state.received == total)
}
