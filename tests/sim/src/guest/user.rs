//! A user of one end of a link: sends numbered messages, asks for connections, moves patterned
//! bytes through them, and tells the oracle everything that it does and is told.
//!
//! The frontend's user leads: connect, send so many bytes and get as many back, disconnect, rest.
//! The backend's answers byte for byte, and sometimes asks for the end.

use channel::connection::Released;
use channel::endpoint::SendError;
use channel::event::{Breach, DownReason, Event, Notice};
use channel::register::Seq;
use channel::{Driver, Instant, LinkId, Step};
use grant::{Readiness, TransferError, WakeWhen};

use crate::guest::platform::SimPlatform;
use crate::world::oracle::Side;

/// Bytes moved at once.
const UNIT_BYTES: usize = 700;
/// Units moved before everybody else has a turn.
const UNITS_MAX: u32 = 64;
/// Longest message that is sent.
const MESSAGE_BYTES: usize = 1022;

/// Where the frontend's user is with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// None, and none is wanted before this local moment.
    Resting { until: Instant },
    /// Asked for.
    Asked,
    /// There; bytes flow.
    Streaming,
    /// Its end was asked for.
    Leaving,
}

/// One end's user.
#[derive(Clone, Debug)]
pub struct User {
    /// The link in the domain's driver.
    pub id: LinkId,
    /// The link in the world.
    pub link: usize,
    side: Side,
    /// Own epoch and the peer's, while up.
    session: Option<(u128, u128)>,
    phase: Phase,
    number: u32,
    /// Bytes each way of this connection.
    total: u64,
    sent: u64,
    received: u64,
    /// Asks for the end once so many bytes have come.
    close_at: Option<u64>,
    half_told: bool,
    /// The peer's indices lie: nothing is moved any more, and the end is asked for.
    broken: bool,
    burst_at: Instant,
    burst: u32,
    /// The last acknowledgement when the window was found full.
    full_at: Option<Seq>,
    /// Messages that were ever wanted.
    messages: u32,
    /// Connections that were brought to an orderly end.
    pub cycles: u64,
}

impl User {
    /// A user of a driver's link.
    pub fn new(id: LinkId, link: usize, side: Side) -> Self {
        User {
            id,
            link,
            side,
            session: None,
            phase: Phase::Resting { until: Instant::START },
            number: 0,
            total: 0,
            sent: 0,
            received: 0,
            close_at: None,
            half_told: false,
            broken: false,
            burst_at: Instant::START,
            burst: 0,
            full_at: None,
            messages: 0,
            cycles: 0,
        }
    }

    /// Which end it is at.
    pub fn side(&self) -> Side {
        self.side
    }

    /// Takes an event.
    pub fn handle_event(&mut self, event: &Event<'_>, platform: &mut SimPlatform<'_>) {
        let now = platform.now();
        self.trace(event, platform);
        let (link, side) = (self.link, self.side);
        let oracle = &mut platform.world.oracle;
        match *event {
            Event::Up { epoch, peer_epoch } => {
                oracle.up(link, side, epoch.bits(), peer_epoch.bits());
                self.session = Some((epoch.bits(), peer_epoch.bits()));
                self.phase = Phase::Resting { until: now };
                self.burst_at = now;
            }
            Event::Down { unknown, reason, .. } => {
                let breach =
                    matches!(reason, DownReason::Protocol(what) if what != Breach::NumbersSpent);
                oracle.down(link, side, usize::from(unknown), breach);
                self.session = None;
                self.phase = Phase::Resting { until: now };
                self.burst = 0;
                self.full_at = None;
            }
            Event::Unknown(message) => oracle.unknown(link, side, parse(message)),
            Event::Message(message) => {
                if oracle.is_judged(link, side) {
                    oracle.delivered(link, side, parse(message));
                }
            }
            Event::Connected { number } => {
                oracle.connected(link, side, number.0);
                self.begin(number.0, platform);
            }
            Event::Closing { .. } => self.phase = Phase::Leaving,
            Event::Disconnected { number, end, released } => {
                oracle.disconnected(link, side, number.0);
                if let Released::Quarantined { pages } = released {
                    platform.world.note_quarantined(pages.into());
                }
                if end == channel::event::End::InOrder {
                    self.cycles += 1;
                    self.rest(now, platform);
                    platform.reached(self.id, Step::Finished);
                } else {
                    self.phase = Phase::Resting { until: now };
                }
            }
            Event::Refused { .. } => {
                // What refused it needs time to change.
                let rest_ns = platform.world.params.beat_ns / 10;
                let until = Instant::from_nanoseconds(now.nanoseconds() + rest_ns);
                self.phase = Phase::Resting { until };
            }
            Event::Notice(Notice::Quota) => oracle.over_quota(link, side),
            Event::Waiting | Event::Introduced { .. } | Event::Notice(_) => {}
            _ => unreachable!("an event that the simulator does not check"),
        }
    }

    fn rest(&mut self, now: Instant, platform: &mut SimPlatform<'_>) {
        let (low, high) = platform.world.params.traffic.rest_ns;
        let mut rest_ns = platform.world.chances.users.between(low, high);
        if self.cycles > u64::from(platform.world.params.traffic.quick_connections) {
            rest_ns = rest_ns.max(platform.world.params.beat_ns);
        }
        let until = Instant::from_nanoseconds(now.nanoseconds() + rest_ns);
        self.phase = Phase::Resting { until };
    }

    fn begin(&mut self, number: u32, platform: &mut SimPlatform<'_>) {
        let world = &mut *platform.world;
        let traffic = &world.params.traffic;
        let chance = &mut world.chances.users;
        let (low, high) = traffic.stream_bytes;
        self.number = number;
        self.total = chance.between(low, high);
        (self.sent, self.received, self.half_told) = (0, 0, false);
        self.broken = false;
        let hurries = match self.side {
            Side::Front => traffic.front_hurries_ppm,
            Side::Back => traffic.back_closes_ppm,
        };
        let close = chance.happens(hurries);
        let after = chance.between(0, high);
        self.close_at = close.then_some(after);
        self.phase = Phase::Streaming;
    }

    /// Says to the driver what the user wants; when it wants to look again.
    pub fn want(&mut self, driver: &mut Driver, platform: &mut SimPlatform<'_>) -> Instant {
        if self.session.is_none() {
            return Instant::NEVER;
        }
        self.send_some(driver, platform).min(self.want_connection(driver, platform))
    }

    fn want_connection(&mut self, driver: &mut Driver, platform: &mut SimPlatform<'_>) -> Instant {
        let now = platform.now();
        match self.phase {
            Phase::Resting { until } if self.side == Side::Front => {
                if platform.world.users_leave {
                    return Instant::NEVER;
                }
                if now < until {
                    return until;
                }
                if driver.connect(now, self.id, platform).is_ok() {
                    self.phase = Phase::Asked;
                    return Instant::START;
                }
                // Busy: an earlier one has had no terminal answer. An event will tell.
                Instant::NEVER
            }
            Phase::Streaming if self.is_enough(platform) => {
                if driver.disconnect(now, self.id, platform).is_ok() {
                    self.phase = Phase::Leaving;
                    return Instant::START;
                }
                Instant::NEVER
            }
            _ => Instant::NEVER,
        }
    }

    /// Whether this side has had enough of the connection.
    fn is_enough(&self, platform: &SimPlatform<'_>) -> bool {
        if platform.world.users_leave || self.broken {
            return true;
        }
        if platform.world.is_at_rest(self.link) {
            return false;
        }
        let all = self.side == Side::Front && self.received >= self.total;
        all || self.close_at.is_some_and(|at| self.received >= at)
    }

    /// Sends what is due; when the next is.
    fn send_some(&mut self, driver: &mut Driver, platform: &mut SimPlatform<'_>) -> Instant {
        let now = platform.now();
        if platform.world.is_at_rest(self.link) || platform.world.users_leave {
            return Instant::NEVER;
        }
        if self.burst == 0 && now >= self.burst_at {
            let world = &mut *platform.world;
            let (traffic, chance) = (&world.params.traffic, &mut world.chances.users);
            self.burst = chance.between(traffic.burst.0, traffic.burst.1) as u32;
            let mut gap_ns = chance.between(traffic.gap_ns.0, traffic.gap_ns.1);
            self.messages += self.burst;
            if self.messages > traffic.quick_messages {
                gap_ns = gap_ns.max(world.params.beat_ns);
            }
            self.burst_at = Instant::from_nanoseconds(now.nanoseconds() + gap_ns);
        }
        let mut looked = Instant::NEVER;
        let acked = Some(driver.link(self.id).endpoint().acked());
        if self.burst > 0 && self.full_at.is_some() && self.full_at == acked {
            // Only an acknowledgement makes room, and that wakes the driver.
            return Instant::NEVER;
        }
        self.full_at = None;
        while self.burst > 0 {
            let message = platform.world.oracle.next_message(self.link);
            let mut bytes = [0; MESSAGE_BYTES];
            let length = self.compose(message, &mut bytes, platform);
            match driver.send(self.id, &bytes[..length]) {
                Ok(()) => {
                    platform.world.oracle.sent(self.link, self.side);
                    self.burst -= 1;
                    // The driver has something to write now.
                    looked = Instant::START;
                }
                Err(SendError::Full { try_again }) => {
                    self.full_at = acked;
                    return looked.min(try_again);
                }
                Err(SendError::NumbersSpent) => return looked,
                Err(error) => panic!("a message was refused while up: {error:?}"),
            }
        }
        looked.min(self.burst_at)
    }

    fn compose(
        &self,
        message: u32,
        bytes: &mut [u8; MESSAGE_BYTES],
        platform: &mut SimPlatform<'_>,
    ) -> usize {
        let world = &mut *platform.world;
        let (low, high) = world.params.traffic.padding;
        let padding = world.chances.users.between(low, high) as usize;
        let mut digits = 0;
        let mut rest = message;
        // Least significant digit first: only this file reads it.
        loop {
            bytes[digits] = b'0' + (rest % 10) as u8;
            digits += 1;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let length = (digits + padding).min(MESSAGE_BYTES);
        bytes[digits..length].fill(b'.');
        length
    }

    /// Moves bytes; when to go on without being woken.
    pub fn move_data(&mut self, platform: &mut SimPlatform<'_>) -> Instant {
        if self.phase != Phase::Streaming || self.broken {
            return Instant::NEVER;
        }
        for _ in 0..UNITS_MAX {
            let moved = match self.side {
                Side::Front => self.move_front(platform),
                Side::Back => self.move_back(platform),
            };
            match moved {
                Moved::Some => {}
                Moved::Nothing => return Instant::NEVER,
                Moved::Broken => return Instant::START,
            }
        }
        Instant::START
    }

    fn move_front(&mut self, platform: &mut SimPlatform<'_>) -> Moved {
        let Some((own, peer)) = self.session else { return Moved::Nothing };
        let judged = platform.world.oracle.is_judged(self.link, self.side);
        let Some(front) = platform.machine.connections.front(self.id) else {
            return Moved::Nothing;
        };
        let mut unit = [0; UNIT_BYTES];
        let wanted = (self.total - self.sent).min(UNIT_BYTES as u64) as usize;
        fill(key(own, peer, self.number, 0), self.sent, &mut unit[..wanted]);
        let Ok(written) = front.write(&unit[..wanted]) else { return self.break_off(judged) };
        self.sent += written as u64;
        let Ok(read) = front.read(&mut unit) else { return self.break_off(judged) };
        if judged {
            check(key(own, peer, self.number, 1), self.received, &unit[..read]);
            platform.world.oracle.stream_bytes(read);
        }
        self.received += read as u64;
        assert!(self.received <= self.sent || !judged, "more came back than was sent");
        let owed = self.sent.saturating_sub(self.received) as u32;
        let writable = if self.sent < self.total { u32::MAX } else { 0 };
        let wish = WakeWhen { readable: owed.min(1), writable };
        let Ok(sleep) = front.before_sleep(wish) else { return self.break_off(judged) };
        platform.machine.connections.notify_if(self.id, sleep.notify);
        if !self.half_told && self.received * 2 >= self.total && self.total > 0 {
            self.half_told = true;
            platform.reached(self.id, Step::Streaming);
        }
        if sleep.readiness == Readiness::Ready { Moved::Some } else { Moved::Nothing }
    }

    fn move_back(&mut self, platform: &mut SimPlatform<'_>) -> Moved {
        let Some((own, peer)) = self.session else { return Moved::Nothing };
        let judged = platform.world.oracle.is_judged(self.link, self.side);
        let Some(back) = platform.machine.connections.back(self.id) else {
            return Moved::Nothing;
        };
        let mut unit = [0; UNIT_BYTES];
        let read = match back.read(&mut unit) {
            Ok(read) => read,
            Err(TransferError::Fenced) => return Moved::Nothing,
            Err(TransferError::Ring(_)) => return self.break_off(judged),
        };
        if judged {
            if read > 0 {
                platform.world.oracle.served(self.link, (peer, self.number));
            }
            // The front's epoch first: it made the page.
            check(key(peer, own, self.number, 0), self.received, &unit[..read]);
            platform.world.oracle.stream_bytes(read);
        }
        self.received += read as u64;
        let wanted = (self.received - self.sent).min(UNIT_BYTES as u64) as usize;
        fill(key(peer, own, self.number, 1), self.sent, &mut unit[..wanted]);
        let written = match back.write(&unit[..wanted]) {
            Ok(written) => written,
            Err(TransferError::Fenced) => return Moved::Nothing,
            Err(TransferError::Ring(_)) => return self.break_off(judged),
        };
        self.sent += written as u64;
        let writable = u32::from(self.sent < self.received);
        let sleep = match back.before_sleep(WakeWhen { readable: 1, writable }) {
            Ok(sleep) => sleep,
            Err(TransferError::Fenced) => return Moved::Nothing,
            Err(TransferError::Ring(_)) => return self.break_off(judged),
        };
        platform.machine.connections.notify_if(self.id, sleep.notify);
        if !self.half_told && read > 0 {
            self.half_told = true;
            platform.reached(self.id, Step::Streaming);
        }
        if sleep.readiness == Readiness::Ready { Moved::Some } else { Moved::Nothing }
    }

    /// The peer's indices lie.
    fn break_off(&mut self, judged: bool) -> Moved {
        assert!(!judged, "an honest peer's indices lie");
        self.broken = true;
        // Another round: the driver is asked for the end then.
        Moved::Broken
    }

    fn trace(&self, event: &Event<'_>, platform: &mut SimPlatform<'_>) {
        let (kind, detail) = match *event {
            Event::Waiting => (0, 0),
            Event::Introduced { number, .. } => (1, u64::from(number)),
            Event::Up { epoch, .. } => (2, epoch.bits() as u64),
            Event::Down { reason, unknown, .. } => {
                (3, reason.word().len() as u64 * 16 + u64::from(unknown))
            }
            Event::Unknown(message) => (4, u64::from(value(message))),
            Event::Message(message) => (5, u64::from(value(message))),
            Event::Connected { number } => (6, u64::from(number.0)),
            Event::Closing { number } => (7, u64::from(number.0)),
            Event::Disconnected { number, .. } => (8, u64::from(number.0)),
            Event::Refused { number, .. } => (9, u64::from(number.0)),
            Event::Notice(notice) => (10, notice as u64),
            _ => unreachable!("an event that the simulator does not check"),
        };
        let world = &mut *platform.world;
        let now_ns = world.now_ns();
        let place = platform.place;
        world.trace.note([160 + kind, detail, now_ns * 64 + (place * 8 + self.link) as u64]);
        if world.trace.is_kept() {
            let name = world.params.links[self.link].name.clone();
            let side = self.side;
            match event {
                Event::Message(message) | Event::Unknown(message) => {
                    let what = if matches!(event, Event::Message(_)) { "got" } else { "unknown" };
                    let number = value(message);
                    world.trace.line(
                        now_ns,
                        format_args!("place {place} link {name} {side:?}: {what} message {number}"),
                    );
                }
                other => world
                    .trace
                    .line(now_ns, format_args!("place {place} link {name} {side:?}: {other:?}")),
            }
        }
    }

    /// Whether it has a connection and nothing to do with it.
    pub fn is_streaming(&self) -> bool {
        self.phase == Phase::Streaming
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    /// Something, and there may be more.
    Some,
    /// Nothing that would not have to wait.
    Nothing,
    /// Nothing, and never again in this connection.
    Broken,
}

/// The number that a message carries, least significant digit first.
fn parse(message: &[u8]) -> u32 {
    assert!(message.first().is_some_and(u8::is_ascii_digit), "a message that nobody sent");
    value(message)
}

/// The same, of a message that somebody may have forged.
fn value(message: &[u8]) -> u32 {
    let digits = message.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
    message[..digits].iter().rev().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
}

/// What tells the bytes of one direction of one connection from all others.
fn key(front: u128, back: u128, number: u32, direction: u64) -> u64 {
    let mixed = front as u64 ^ (back as u64).rotate_left(17) ^ u64::from(number) << 32;
    mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ direction << 7
}

fn byte(key: u64, at: u64) -> u8 {
    ((at ^ key).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 56) as u8
}

fn fill(key: u64, from: u64, into: &mut [u8]) {
    for (at, place) in (from..).zip(into) {
        *place = byte(key, at);
    }
}

fn check(key: u64, from: u64, bytes: &[u8]) {
    for (at, found) in (from..).zip(bytes) {
        assert!(byte(key, at) == *found, "byte {at} of a stream is wrong");
    }
}
