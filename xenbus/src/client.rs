//! The client: it accepts requests and returns packets, with up to [`IN_FLIGHT_MAX`] requests in
//! flight. It owns the buffers and matches replies by request id, in any order. It never waits and
//! never allocates, and only [`Client::advance`] and [`Client::reconnect`] access the page.

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

/// Most unsolicited packets that one call of [`Client::advance`] drops before it ends the
/// connection. Four times the number that oxenstored keeps outstanding for a domain.
const DROPPED_PER_TURN_MAX: u32 = 4096;

/// A packet from the daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Incoming<'a> {
    /// The reply to a request.
    Reply {
        /// The request's id.
        id: RequestId,
        /// The request's kind.
        kind: RequestKind,
        /// The reply, or the reason why the daemon refused.
        result: Result<Reply<'a>, Refusal>,
    },
    /// Something may have changed below a watched path.
    Event(WatchEvent<'a>),
}

/// State of the connection. `repr(u32)` keeps `Idle` zero: a new client is all zeros and takes no
/// space in an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
enum Phase {
    /// Not started.
    Idle,
    /// The indices are not yet read: the daemon may still be resetting the ring.
    Opening,
    /// In use.
    Running,
    /// Over.
    Ended(Ended),
}

/// Classification of a complete packet.
enum Packet {
    Reply { id: RequestId, kind: RequestKind },
    Event,
    Dropped,
}

/// The client of one ring page. A simulation can clone it together with a page in memory. Two
/// clients of one real page would corrupt each other's indices.
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
    /// The packet in the decoder was returned and must be discarded.
    handed_up: bool,
    doorbell: bool,
    /// A wake-up was reported and has not yet yielded a packet.
    waking: bool,
    next_id: u32,
    slots: Slots,
    counts: Counts,
}

impl Client {
    /// A client that is not started; all zeros.
    #[inline(always)] // Constructed in place: a copy would be 13 KB.
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

    /// Starts with the indices that the page holds at the next [`Client::advance`], and forgets all
    /// requests in flight. Call it again after the domain was restored or introduced again. The
    /// ring must be between two packets: [`Client::is_quiet`] must have been true for its earlier
    /// client.
    ///
    /// Request ids count up from `first_request_id`. Choose it at random: replies to requests of an
    /// earlier owner of the ring then have unknown ids, and are dropped and counted.
    pub fn start(&mut self, first_request_id: u32) {
        self.forget_all();
        self.next_id = first_request_id;
        self.phase = Phase::Opening;
    }

    /// Checks a request and copies it. The next [`Client::advance`] sends it, together with all
    /// other submitted requests.
    ///
    /// # Errors
    /// [`SubmitError::Full`] is back-pressure: submit again later. All other errors are permanent.
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
    /// wake-up, until it returns `None`; then call [`Client::doorbell_due`].
    pub fn advance(&mut self, page: &mut impl RingPage) -> Option<Incoming<'_>> {
        match self.turn(page) {
            Ok(packet) => self.hand_up(packet?),
            Err(ended) => {
                self.phase = Phase::Ended(ended);
                None
            }
        }
    }

    /// Whether the caller must now send a notification on the store's event channel. The call
    /// clears the flag.
    pub fn doorbell_due(&mut self) -> bool {
        let due = core::mem::take(&mut self.doorbell);
        if due {
            count(&mut self.counts.doorbells);
        }
        due
    }

    /// Makes the doorbell due once more. Call it after a long wait for a reply, in case a
    /// notification was lost, for instance across a restart of the daemon.
    pub fn ring_again(&mut self) {
        self.doorbell = matches!(self.phase, Phase::Opening | Phase::Running);
    }

    /// Counts a wake-up by the store's event channel.
    pub fn woke(&mut self) {
        self.waking = true;
        count(&mut self.counts.wake_ups);
    }

    /// Number of requests in flight.
    pub fn in_flight(&self) -> usize {
        self.slots.in_flight()
    }

    /// Whether another client can take over the ring: no request is in flight, and the daemon's
    /// last packet is complete. At any other time [`Client::start`] would take the rest of a packet
    /// for the header of the next one.
    pub fn is_quiet(&self) -> bool {
        self.slots.in_flight() == 0 && (self.handed_up || self.decoder.is_empty())
    }

    /// Whether the ring is in use: the client is started and does not wait for a reset of the ring.
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// The counters.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The reason why the connection ended, if it did.
    pub const fn ended(&self) -> Option<Ended> {
        match self.phase {
            Phase::Ended(ended) => Some(ended),
            Phase::Idle | Phase::Opening | Phase::Running => None,
        }
    }

    /// Requests a reset of the ring. The client forgets all requests in flight, and the daemon all
    /// watches and transactions of this domain. Requests can be submitted at once; they are sent
    /// after the reset.
    ///
    /// # Errors
    /// [`ReconnectError`] if the client is not started or the daemon does not support a reset.
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

    /// One round: checks the page, sends, then receives.
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

    /// Checks the page for an error of the daemon and for a reset of the indices.
    fn check_page(&self, page: &impl RingPage) -> Result<(), Ended> {
        let code = page.load(RingWord::Error);
        if let Some(reported) = Reported::of_code(code)
            && Features::of(page).error()
        {
            return Err(Ended::Reported(reported));
        }
        // C xenstored zeroes all four indices when a domain is introduced again.
        if !self.requests.undisturbed(page) || !self.replies.undisturbed(page) {
            return Err(Ended::RingReset);
        }
        Ok(())
    }

    /// Moves bytes into the ring while there is space. The rest is sent after the daemon has
    /// consumed some, of which it always notifies us.
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

    /// Consumes bytes until a packet for the caller is complete, or no bytes are left.
    fn receive(&mut self, page: &mut impl RingPage) -> Result<Option<Packet>, Ended> {
        self.replies.refresh(page)?;
        let mut dropped = 0;
        loop {
            let taken = self.replies.take(page, self.decoder.room());
            if taken == 0 {
                if !self.replies.has_unpublished() {
                    return Ok(None);
                }
                // Publishing reads the producer index again; the next round takes new bytes.
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

    /// Classifies the complete packet, and frees its slot if it is a reply.
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

    /// Parses the packet in the decoder.
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

/// Parses the complete packet in `decoder` as the reply to a request of `kind`.
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
