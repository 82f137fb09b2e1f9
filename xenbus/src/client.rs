//! The client proper: requests in, packets out, any number up to [`IN_FLIGHT_MAX`] under way at
//! once. It owns the buffers and matches replies by request id, in whatever order they come;
//! it never waits, never allocates and never touches the page but inside [`Client::advance`].

use crate::counts::{Counts, count};
use crate::decoder::{Decoder, Progress};
use crate::error::{Ended, Malformed, Refusal, Reported};
use crate::outgoing::{NotKept, Outgoing};
use crate::reply::{Reply, WatchEvent};
use crate::request::{Request, RequestKind, TransactionId};
use crate::ring::{Doorbell, Features, RECONNECT, ReplyRing, RequestRing, RingPage, RingWord};
use crate::slots::Slots;
use crate::submit::{ReconnectError, SubmitError};
use crate::wire::{Header, op};

pub use crate::slots::{IN_FLIGHT_MAX, RequestId};

/// How many packets that nobody waits for one call of [`Client::advance`] drops before it gives
/// the daemon up. Four times what oxenstored keeps outstanding for a domain.
const DROPPED_PER_TURN_MAX: u32 = 4096;

/// A packet from the daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Incoming<'a> {
    /// The answer to a request.
    Reply {
        /// Which request.
        id: RequestId,
        /// What kind of request it was.
        kind: RequestKind,
        /// What came of it.
        result: Result<Reply<'a>, Refusal>,
    },
    /// Something may have changed below a watched path.
    Event(WatchEvent<'a>),
}

/// Where the connection stands. `repr(u32)` keeps `Idle` zero: a client starts as nothing but zeros
/// and so takes no room in an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
enum Phase {
    /// Not started.
    Idle,
    /// The indices have not been read yet: the daemon may still be resetting the ring.
    Opening,
    /// In use.
    Running,
    /// Over.
    Ended(Ended),
}

/// What a complete packet turned out to be.
enum Packet {
    Reply { id: RequestId, kind: RequestKind },
    Event,
    Dropped,
}

/// The client of one ring page. It can be cloned together with a page in memory, so that a
/// simulation can branch; two clients of one real page would break each other's indices.
///
/// ```
/// use xenbus::fake::{FakeDaemon, FakePage};
/// use xenbus::{Client, Incoming, Reply, Request, TransactionId};
///
/// let (mut page, mut daemon) = (FakePage::new(), FakeDaemon::new());
/// let mut client = Client::new();
/// client.start(0x1234);
/// client.submit(TransactionId::NONE, Request::Write { path: "data/x", value: b"1" })?;
/// client.submit(TransactionId::NONE, Request::Read { path: "data/x" })?;
/// assert_eq!(client.advance(&mut page), None); // sends both
/// assert!(client.doorbell_due()); // one notification for both
/// daemon.serve(&mut page);
/// while let Some(Incoming::Reply { result, .. }) = client.advance(&mut page) {
///     assert!(matches!(result, Ok(Reply::Done | Reply::Value(b"1"))));
/// }
/// # Ok::<(), xenbus::SubmitError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    phase: Phase,
    requests: RequestRing,
    replies: ReplyRing,
    outgoing: Outgoing,
    decoder: Decoder,
    /// The packet in the decoder has been handed up and is to be forgotten.
    handed_up: bool,
    doorbell: bool,
    /// A wake-up was reported and has brought nothing yet.
    waking: bool,
    next_id: u32,
    slots: Slots,
    counts: Counts,
}

impl Client {
    /// A client that has not been started; all zero.
    #[inline(always)] // Made in its place, not copied there: it is 13 KB.
    pub const fn new() -> Client {
        Client {
            phase: Phase::Idle,
            requests: RequestRing::new(),
            replies: ReplyRing::new(),
            outgoing: Outgoing::new(),
            decoder: Decoder::new(),
            handed_up: false,
            doorbell: false,
            waking: false,
            next_id: 0,
            slots: Slots::new(),
            counts: Counts::new(),
        }
    }

    /// Begins with the ring as the page has it at the next [`Client::advance`], and forgets all
    /// that was under way. Also the way on after the domain was restored or introduced anew. The
    /// ring must stand between two packets: where it was in use before, [`Client::is_quiet`] was
    /// true of its client.
    ///
    /// Ids count up from `first_request_id`. Choose it at random: replies to requests of an
    /// earlier owner of the ring are told by their unknown ids, dropped and counted.
    pub fn start(&mut self, first_request_id: u32) {
        self.forget_all();
        self.next_id = first_request_id;
        self.phase = Phase::Opening;
    }

    /// Accepts a request: checks and copies it. It goes out with the next [`Client::advance`],
    /// together with all others that were accepted before.
    ///
    /// # Errors
    /// [`SubmitError::Full`] is back-pressure; everything else says what is wrong for good.
    pub fn submit(
        &mut self,
        transaction: TransactionId,
        request: Request<'_>,
    ) -> Result<RequestId, SubmitError> {
        match self.phase {
            Phase::Idle => return Err(SubmitError::NotStarted),
            Phase::Ended(ended) => return Err(SubmitError::Ended(ended)),
            Phase::Opening | Phase::Running => {}
        }
        request.check(transaction)?;
        let kind = request.kind();
        if self.slots.in_flight() == IN_FLIGHT_MAX {
            count(&mut self.counts.back_pressure);
            return Err(SubmitError::Full);
        }
        let id = self.slots.unused_id(self.next_id);
        self.outgoing.begin();
        request.write_payload(&mut self.outgoing);
        let (request, transaction) = (id.number(), transaction.number());
        let header = Header { op: kind.op(), request, transaction, length: 0 };
        match self.outgoing.finish(header) {
            Ok(()) => {}
            Err(NotKept::TooLong { bytes }) => return Err(SubmitError::TooLong { bytes }),
            Err(NotKept::NoRoom) => {
                count(&mut self.counts.back_pressure);
                return Err(SubmitError::Full);
            }
        }
        self.slots.occupy(id, kind);
        self.next_id = id.number().wrapping_add(1);
        if let Some(counter) = self.counts.requests.get_mut(kind as usize) {
            count(counter);
        }
        Ok(id)
    }

    /// Moves bytes both ways and returns the next packet. Call it after submitting and after each
    /// wake-up, until it returns `None`; then ask [`Client::doorbell_due`].
    pub fn advance(&mut self, page: &mut impl RingPage) -> Option<Incoming<'_>> {
        match self.turn(page) {
            Ok(packet) => self.hand_up(packet?),
            Err(ended) => {
                self.phase = Phase::Ended(ended);
                None
            }
        }
    }

    /// Whether a notification must be sent on the store's event channel now. True once: asking
    /// takes it off.
    pub fn doorbell_due(&mut self) -> bool {
        let due = core::mem::take(&mut self.doorbell);
        if due {
            count(&mut self.counts.doorbells);
        }
        due
    }

    /// Has the doorbell rung once more. For a caller that has waited long for an answer: if a
    /// notification was lost, for instance across a restart of the daemon, this makes up for it.
    pub fn ring_again(&mut self) {
        self.doorbell = matches!(self.phase, Phase::Opening | Phase::Running);
    }

    /// Tells that the store's event channel woke the caller, for the counts.
    pub fn woke(&mut self) {
        self.waking = true;
        count(&mut self.counts.wake_ups);
    }

    /// How many requests wait for their replies.
    pub fn in_flight(&self) -> usize {
        self.slots.in_flight()
    }

    /// Whether the ring can be given to another client: no reply is owed, and the daemon's last
    /// packet was taken whole. [`Client::start`] at any other moment takes the rest of a reply or of
    /// an event for the head of the next packet.
    pub fn is_quiet(&self) -> bool {
        self.slots.in_flight() == 0 && (self.handed_up || self.decoder.is_empty())
    }

    /// Whether the ring is in use: started, and not waiting for the daemon to reset it.
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Everything counted so far.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Why the connection is over, if it is.
    pub const fn ended(&self) -> Option<Ended> {
        match self.phase {
            Phase::Ended(ended) => Some(ended),
            Phase::Idle | Phase::Opening | Phase::Running => None,
        }
    }

    /// Asks the daemon to reset the ring. Everything under way is forgotten, and so are, at the
    /// daemon, all watches and transactions of this domain. Submitting may begin at once; nothing
    /// is sent before the daemon is done.
    ///
    /// # Errors
    /// If the daemon does not offer it.
    pub fn reconnect(&mut self, page: &mut impl RingPage) -> Result<(), ReconnectError> {
        if self.phase == Phase::Idle {
            return Err(ReconnectError::NotStarted);
        }
        if !Features::of(page).reconnection() {
            return Err(ReconnectError::NotOffered);
        }
        self.forget_all();
        page.store(RingWord::Connection, RECONNECT);
        self.phase = Phase::Opening;
        self.doorbell = true;
        count(&mut self.counts.reconnects);
        Ok(())
    }

    fn forget_all(&mut self) {
        self.outgoing.clear();
        self.decoder.reset();
        self.handed_up = false;
        self.doorbell = false;
        self.slots = Slots::new();
    }

    /// One round: what the page says about itself, then out, then in.
    fn turn(&mut self, page: &mut impl RingPage) -> Result<Option<Packet>, Ended> {
        if core::mem::take(&mut self.handed_up) {
            self.decoder.reset();
        }
        match self.phase {
            Phase::Idle | Phase::Ended(_) => return Ok(None),
            Phase::Opening if page.load(RingWord::Connection) == RECONNECT => return Ok(None),
            Phase::Opening => {
                self.requests.adopt(page);
                self.replies.adopt(page);
                self.phase = Phase::Running;
            }
            Phase::Running => {}
        }
        self.check_page(page)?;
        self.send(page)?;
        self.receive(page)
    }

    /// Looks for what the daemon says about the connection as a whole.
    fn check_page(&self, page: &impl RingPage) -> Result<(), Ended> {
        let code = page.load(RingWord::Error);
        if let Some(reported) = Reported::of_code(code)
            && Features::of(page).error()
        {
            return Err(Ended::Reported(reported));
        }
        // C xenstored zeroes all four indices when a domain is introduced anew.
        if !self.requests.undisturbed(page) || !self.replies.undisturbed(page) {
            return Err(Ended::RingReset);
        }
        Ok(())
    }

    /// Puts into the ring what it has room for. Whatever is left goes out after the daemon has
    /// taken some, which it always announces.
    fn send(&mut self, page: &mut impl RingPage) -> Result<(), Ended> {
        if self.outgoing.waiting() == 0 {
            return Ok(());
        }
        let room = self.requests.space(page)?;
        if room == 0 {
            return Ok(());
        }
        self.outgoing.send(&mut self.requests, page, room);
        let doorbell = self.requests.publish(page);
        self.note_doorbell(doorbell);
        Ok(())
    }

    /// Takes bytes until a packet is whole that somebody waits for, or none are left.
    fn receive(&mut self, page: &mut impl RingPage) -> Result<Option<Packet>, Ended> {
        self.replies.look(page)?;
        let mut dropped = 0;
        loop {
            let taken = self.replies.take(page, self.decoder.room());
            if taken == 0 {
                if !self.replies.has_untold() {
                    return Ok(None);
                }
                // Publishing looks again: what came meanwhile is taken in the next round.
                self.publish_taken(page)?;
                continue;
            }
            if self.decoder.filled(taken)? == Progress::Partial {
                continue;
            }
            match self.classify() {
                Packet::Dropped => {
                    self.decoder.reset();
                    dropped += 1;
                    if dropped > DROPPED_PER_TURN_MAX {
                        return Err(Ended::Flooded);
                    }
                }
                packet => {
                    self.publish_taken(page)?;
                    return Ok(Some(packet));
                }
            }
        }
    }

    fn publish_taken(&mut self, page: &mut impl RingPage) -> Result<(), Ended> {
        let doorbell = self.replies.publish(page)?;
        self.note_doorbell(doorbell);
        Ok(())
    }

    fn note_doorbell(&mut self, doorbell: Doorbell) {
        match doorbell {
            Doorbell::Needed => self.doorbell = true,
            Doorbell::Suppressed => count(&mut self.counts.doorbells_saved),
        }
    }

    /// Says what the complete packet is, and frees its slot if it is a reply.
    fn classify(&mut self) -> Packet {
        let header = self.decoder.header();
        if header.op == op::WATCH_EVENT {
            if WatchEvent::parse(self.decoder.payload()).is_some() {
                return Packet::Event;
            }
            count(&mut self.counts.malformed_packets);
            return Packet::Dropped;
        }
        match self.slots.release(header.request) {
            Some((id, kind)) => Packet::Reply { id, kind },
            None => {
                count(&mut self.counts.unknown_replies);
                Packet::Dropped
            }
        }
    }

    /// Makes a value of the packet in the decoder.
    fn hand_up(&mut self, packet: Packet) -> Option<Incoming<'_>> {
        assert!(!self.handed_up);
        self.handed_up = true;
        if core::mem::take(&mut self.waking) {
            count(&mut self.counts.wake_ups_useful);
        }
        match packet {
            Packet::Dropped => None,
            Packet::Event => {
                count(&mut self.counts.events);
                WatchEvent::parse(self.decoder.payload()).map(Incoming::Event)
            }
            Packet::Reply { id, kind } => {
                let result = reply_of(kind, &self.decoder);
                count(&mut self.counts.replies);
                if result.is_err() {
                    count(&mut self.counts.refusals);
                }
                Some(Incoming::Reply { id, kind, result })
            }
        }
    }
}

impl Default for Client {
    fn default() -> Client {
        Client::new()
    }
}

/// Reads the complete packet in `decoder` as the answer to a request of `kind`.
fn reply_of(kind: RequestKind, decoder: &Decoder) -> Result<Reply<'_>, Refusal> {
    let answered = decoder.header().op;
    if answered == op::ERROR {
        return Err(Refusal::parse(decoder.payload()));
    }
    if answered != kind.op() {
        return Err(Refusal::Malformed(Malformed::Kind { op: answered }));
    }
    Reply::parse(kind, decoder.payload()).map_err(Refusal::Malformed)
}
