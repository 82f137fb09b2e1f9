//! Two endpoints, their mailboxes, and their outstanding requests. The test decides when a WRITE
//! takes effect and is answered, and likewise a READ, which returns the value at the time it took
//! effect. Every delivery is checked against the messages sent in the same session.

use std::collections::VecDeque;
use std::format;
use std::string::String;
use std::vec::Vec;

use crate::endpoint::{
    Endpoint, Found, Introduction, SessionEvent, StoreRequest, Timing, WriteOutcome,
};
use crate::epoch::Epoch;
use crate::event::{DetectedBy, DownReason};
use crate::ids::DomId;
use crate::instant::{Duration, Instant};
use crate::limits::REGISTER_BYTES_MAX;
use crate::testing::Counter;

pub(super) type Small = Endpoint<3, 64>;

pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

/// An outstanding request. Requests are kept in the order of submission.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Flight {
    Write(Vec<u8>),
    Read,
    Answered(Vec<u8>),
}

pub(super) struct Side {
    pub(super) end: Small,
    pub(super) mailbox: Vec<u8>,
    /// The peer may write it.
    pub(super) is_open: bool,
    flights: VecDeque<Flight>,
    pub(super) events: Vec<SessionEvent>,
    /// Messages of the present session, sent and delivered.
    sent: u32,
    delivered: u32,
    pub(super) unknown: Vec<String>,
    pub(super) writes: u32,
    pub(super) permits: u32,
    pub(super) delivered_ever: u32,
    /// The number of ticks for which it was up and its peer was not.
    alone: u32,
}

pub(super) struct Pair {
    pub(super) sides: [Side; 2],
    pub(super) epochs: Counter,
    pub(super) now: Instant,
    introductions: u32,
}

pub(super) const BEAT: Duration = Duration::from_milliseconds(1000);

impl Pair {
    /// Two endpoints that are not introduced yet.
    pub(super) fn new() -> Self {
        let mut epochs = Counter(0);
        let pace = Timing { beat: BEAT, first_hello: Duration::ZERO };
        let sides = [(); 2].map(|()| Side {
            end: Small::new(crate::epoch::EpochSource::fresh_epoch(&mut epochs), pace),
            mailbox: Vec::new(),
            is_open: false,
            flights: VecDeque::new(),
            events: Vec::new(),
            sent: 0,
            delivered: 0,
            unknown: Vec::new(),
            writes: 0,
            permits: 0,
            delivered_ever: 0,
            alone: 0,
        });
        Self { sides, epochs, now: Instant::START, introductions: 0 }
    }

    pub(super) fn introduced() -> Self {
        let mut pair = Self::new();
        pair.introduce(A);
        pair.introduce(B);
        pair
    }

    pub(super) fn up() -> Self {
        let mut pair = Self::introduced();
        pair.settle();
        assert!(pair.is_up(A) && pair.is_up(B));
        pair
    }

    pub(super) fn is_up(&self, side: usize) -> bool {
        self.sides[side].end.is_up()
    }

    pub(super) fn end(&mut self, side: usize) -> &mut Small {
        &mut self.sides[side].end
    }

    pub(super) fn introduce(&mut self, side: usize) {
        self.introduce_to(side, DomId(10 + (1 - side) as u16));
    }

    pub(super) fn introduce_to(&mut self, side: usize, peer: DomId) {
        self.introductions += 1;
        let read = Introduction { peer, number: self.introductions };
        let (now, this) = (self.now, &mut self.sides[side]);
        this.is_open = true;
        this.end.handle_introduction(now, read, Found::AtStart, &mut self.epochs);
        self.drain(side);
    }

    /// Sends the next message of the session. The text contains its number.
    pub(super) fn send(&mut self, side: usize) -> bool {
        let this = &mut self.sides[side];
        let text = tag(&this.end, this.sent + 1);
        let taken = this.end.send(text.as_bytes()).is_ok();
        this.sent += u32::from(taken);
        taken
    }

    /// Submits the endpoint's next request. Returns `false` if there is none.
    pub(super) fn submit(&mut self, side: usize) -> bool {
        let now = self.now;
        let this = &mut self.sides[side];
        let Some(request) = this.end.poll_request() else { return false };
        match request {
            StoreRequest::Read => this.flights.push_back(Flight::Read),
            StoreRequest::Write => {
                let mut value = [0; REGISTER_BYTES_MAX];
                let length = this.end.emit(0, &mut value);
                this.flights.push_back(Flight::Write(value[..length].to_vec()));
                this.writes += 1;
            }
            // Answer immediately: the time of the answer does not matter.
            StoreRequest::SetPerms => {
                this.is_open = true;
                this.permits += 1;
            }
            StoreRequest::RecreateMailbox => {}
        }
        this.end.handle_submitted(now, request);
        true
    }

    /// The daemon processes the oldest request. A WRITE is answered immediately.
    pub(super) fn serve(&mut self, side: usize) -> bool {
        let this = &mut self.sides[side];
        let place = this.flights.iter().position(|f| !matches!(f, Flight::Answered(_)));
        let Some(place) = place else { return false };
        match this.flights[place].clone() {
            Flight::Read => {
                this.flights[place] = Flight::Answered(this.mailbox.clone());
            }
            Flight::Write(value) => {
                this.flights.remove(place);
                let peer = &mut self.sides[1 - side];
                let outcome = if peer.is_open {
                    peer.mailbox = value;
                    peer.end.handle_hint();
                    WriteOutcome::Done
                } else {
                    WriteOutcome::Refused
                };
                let now = self.now;
                self.sides[side].end.handle_written(now, outcome, &mut self.epochs);
                self.drain(side);
            }
            Flight::Answered(_) => {}
        }
        true
    }

    /// Delivers the oldest answer to a READ.
    pub(super) fn answer(&mut self, side: usize) -> bool {
        let now = self.now;
        let this = &mut self.sides[side];
        let place = this.flights.iter().position(|f| matches!(f, Flight::Answered(_)));
        let Some(Flight::Answered(value)) = place.and_then(|at| this.flights.remove(at)) else {
            return false;
        };
        this.end.handle_read(now, &value, &mut self.epochs);
        self.drain(side);
        true
    }

    /// Drops outstanding requests: the test answers them itself.
    pub(super) fn forget_flights(&mut self, side: usize) {
        self.sides[side].flights.clear();
    }

    /// Replaces beats, which an endpoint does not count: ends the session of a side that is up
    /// alone for long.
    pub(super) fn tick_with_beats(&mut self) {
        self.tick();
        for side in [A, B] {
            let is_alone = self.is_up(side) && !self.is_up(1 - side);
            let this = &mut self.sides[side];
            this.alone = if is_alone { this.alone + 1 } else { 0 };
            if this.alone > 5 {
                self.verdict(side);
            }
        }
    }

    /// Delivers `value` as the answer to a READ, regardless of outstanding requests.
    pub(super) fn show(&mut self, side: usize, value: &[u8]) {
        self.sides[side].mailbox = value.to_vec();
        self.end(side).handle_hint();
        self.settle_one(side);
    }

    /// Processes one side's requests until it has none.
    pub(super) fn settle_one(&mut self, side: usize) {
        for _ in 0..100 {
            if !self.submit(side) && !self.serve(side) && !self.answer(side) {
                return;
            }
        }
        panic!("the endpoint keeps issuing requests");
    }

    /// Processes both sides' requests until neither has any.
    pub(super) fn settle(&mut self) {
        for _ in 0..100 {
            let mut moved = false;
            for side in [A, B] {
                moved |= self.submit(side) || self.serve(side) || self.answer(side);
            }
            if !moved {
                return;
            }
        }
        panic!("the endpoints keep writing to each other");
    }

    /// Advances time to the next deadline, and processes all requests.
    pub(super) fn tick(&mut self) {
        let next = self.sides.iter().map(|side| side.end.deadline()).min().unwrap();
        self.now = next.max(self.now);
        for side in [A, B] {
            let now = self.now;
            if self.sides[side].end.deadline() <= now {
                self.end(side).handle_timeout(now);
            }
        }
        self.settle();
    }

    pub(super) fn tick_until(&mut self, ticks: u32, done: impl Fn(&Self) -> bool) {
        for _ in 0..ticks {
            if done(self) {
                return;
            }
            self.tick();
        }
        assert!(done(self), "not within {ticks} ticks");
    }

    pub(super) fn verdict(&mut self, side: usize) {
        let now = self.now;
        let this = &mut self.sides[side];
        this.end.handle_peer_failure(
            now,
            DownReason::BeatsMissed,
            DetectedBy::Register,
            &mut self.epochs,
        );
        self.drain(side);
    }

    /// Restarts the endpoint in place; outstanding requests stay outstanding.
    pub(super) fn restart(&mut self, side: usize) {
        let now = self.now;
        self.sides[side].end.restart(now, &mut self.epochs);
        self.drain(side);
    }

    /// Replaces the domain by a new one with the same domid and an empty mailbox. A WRITE that was
    /// not served before is lost.
    pub(super) fn replace(&mut self, side: usize) {
        let pace = Timing { beat: BEAT, first_hello: Duration::ZERO };
        let epoch = crate::epoch::EpochSource::fresh_epoch(&mut self.epochs);
        let this = &mut self.sides[side];
        this.end = Small::new(epoch, pace);
        this.mailbox.clear();
        this.is_open = false;
        this.flights.clear();
        (this.sent, this.delivered) = (0, 0);
        this.events.clear();
    }

    pub(super) fn ups(&self, side: usize) -> usize {
        let is_up = |event: &&SessionEvent| matches!(event, SessionEvent::Up { .. });
        self.sides[side].events.iter().filter(is_up).count()
    }

    pub(super) fn downs(&self, side: usize) -> Vec<DownReason> {
        let events = self.sides[side].events.iter();
        events
            .filter_map(|event| match event {
                SessionEvent::Down { reason, .. } => Some(*reason),
                SessionEvent::Up { .. } => None,
            })
            .collect()
    }

    /// Takes all events, as the drain rule requires, and checks every delivery.
    fn drain(&mut self, side: usize) {
        let this = &mut self.sides[side];
        while let Some(event) = this.end.poll_event() {
            let is_up = matches!(event, SessionEvent::Up { .. });
            let was_up = matches!(this.events.last(), Some(SessionEvent::Up { .. }));
            assert!(is_up != was_up, "up and down alternate");
            (this.sent, this.delivered) = (0, 0);
            this.events.push(event);
        }
        while let Some(message) = this.end.unknown() {
            let message = String::from_utf8(message.to_vec()).unwrap();
            this.unknown.push(message);
            this.end.take_back();
        }
        self.deliver(side);
    }

    fn deliver(&mut self, side: usize) {
        let this = &mut self.sides[side];
        while let Some(message) = this.end.message() {
            this.delivered += 1;
            this.delivered_ever += 1;
            let peer = this.end.peer_epoch().unwrap();
            let text = String::from_utf8(message.to_vec()).unwrap();
            let due = tag_of(peer, this.end.epoch(), this.delivered);
            assert_eq!(text, due, "the next one, of this very session");
            this.end.handle_delivered();
        }
    }
}

fn tag(end: &Small, number: u32) -> String {
    tag_of(end.epoch(), end.peer_epoch().unwrap_or(Epoch::from_bits(0)), number)
}

fn tag_of(from: Epoch, to: Epoch, number: u32) -> String {
    format!("{}>{}#{number}", from.bits(), to.bits())
}

/// Builds a forged register.
pub(super) fn forged(
    from: u128,
    to: Option<u128>,
    ack: u32,
    first: u32,
    messages: &[&str],
) -> Vec<u8> {
    let to = to.map_or("-".into(), |to| format!("{to:032x}"));
    let count = messages.len();
    let body: String =
        messages.iter().map(|message| format!(" {}:{message}", message.len())).collect();
    format!("T1 {from:032x} {to} {ack} 1 {first} {count}{body}").into_bytes()
}
