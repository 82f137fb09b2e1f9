//! A blocking interface with one request at a time, for a boot-time test or a small image. A
//! [`Store`] borrows a [`Client`] and a [`Port`], which is the ring page with an event channel and
//! a clock. Programs that drive the client themselves do not need it.

mod error;
mod nodes;
mod transacting;
mod watching;

use core::time::Duration;

use crate::client::{Client, Incoming, RequestId};
use crate::error::{Malformed, Refusal};
use crate::reply::Reply;
use crate::request::{Request, TransactionId};
use crate::ring::RingPage;
use crate::stall::{Patience, STALL_BOUND_NS, StallState};
use crate::watch::Watches;

pub use error::StoreError;

/// The ring page, its event channel and a clock.
pub trait Port: RingPage {
    /// Notifies the daemon on the store's event channel.
    fn notify(&mut self);
    /// Waits until the daemon notifies us or the clock reaches `deadline_ns`. It must return at
    /// once after a notification that arrived since the last wait; spurious returns are harmless.
    /// If sleeping is expensive, poll the ring briefly first.
    fn wait(&mut self, deadline_ns: u64) -> Waited;
    /// A monotonic clock in nanoseconds, with any origin.
    fn now(&mut self) -> u64;
}

/// How [`Port::wait`] waited. Only sleeping counts as a wake-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waited {
    /// It slept, until a notification or the deadline.
    Slept,
    /// It did not sleep, because the ring had changed.
    StayedAwake,
}

/// A client and its port as a blocking interface to the store.
///
/// ```
/// use xenbus::{Client, blocking::Store, fake::FakePort};
///
/// let (mut client, mut port) = (Client::new(), FakePort::new());
/// client.start(1);
/// let mut store = Store::new(&mut client, &mut port);
/// store.write("data/greeting", b"hello")?;
/// let mut value = [0; 16];
/// assert_eq!(store.read("data/greeting", &mut value)?, b"hello");
/// # Ok::<(), xenbus::blocking::StoreError>(())
/// ```
#[derive(Debug)]
pub struct Store<'a, P: Port> {
    client: &'a mut Client,
    port: &'a mut P,
    watches: Watches,
    /// The transaction of all requests.
    transaction: TransactionId,
    stall_bound_ns: u64,
}

impl<'a, P: Port> Store<'a, P> {
    /// A store over a client that has been started. Replies to requests that were in flight before
    /// are dropped.
    pub fn new(client: &'a mut Client, port: &'a mut P) -> Store<'a, P> {
        Store {
            client,
            port,
            watches: Watches::new(),
            transaction: TransactionId::NONE,
            stall_bound_ns: STALL_BOUND_NS,
        }
    }

    /// Waits at most `bound` for a reply, instead of [`STALL_BOUND_NS`].
    #[must_use]
    pub fn with_stall_bound(mut self, bound: Duration) -> Store<'a, P> {
        self.stall_bound_ns = bound.as_nanos() as u64;
        self
    }

    /// The client, for its counts.
    pub fn client(&self) -> &Client {
        self.client
    }

    /// The port.
    pub fn port(&mut self) -> &mut P {
        self.port
    }

    /// Sends any request, waits, and passes the reply to `take`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn ask<T>(
        &mut self,
        request: Request<'_>,
        mut take: impl FnMut(Reply<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut taken = Err(unexpected());
        self.have(request, &mut |reply| {
            taken = take(reply);
            Ok(())
        })?;
        taken
    }

    /// Like [`Store::ask`], but not generic, so that the code exists once.
    fn have(
        &mut self,
        request: Request<'_>,
        take: &mut dyn FnMut(Reply<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let id = self.submit(request)?;
        let mut taken = Ok(());
        self.answer(id, &mut |result| {
            taken = match result {
                Ok(reply) => take(reply),
                Err(refusal) => Err(StoreError::Refused(refusal)),
            };
        })?;
        taken
    }

    /// Like [`Store::ask`], in the given transaction instead of that of [`Store::transaction`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn ask_in<T>(
        &mut self,
        transaction: TransactionId,
        request: Request<'_>,
        take: impl FnMut(Reply<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let own = core::mem::replace(&mut self.transaction, transaction);
        let answer = self.ask(request, take);
        self.transaction = own;
        answer
    }

    /// Sends a request whose reply is an acknowledgement.
    fn order(&mut self, request: Request<'_>) -> Result<(), StoreError> {
        self.have(request, &mut |reply| match reply {
            Reply::Done => Ok(()),
            _ => Err(unexpected()),
        })
    }

    fn submit(&mut self, request: Request<'_>) -> Result<RequestId, StoreError> {
        self.client.submit(self.transaction, request).map_err(StoreError::Submit)
    }

    /// Waits for the reply to one request and passes it to `take`. Not generic, so that the code
    /// exists once.
    fn answer(
        &mut self,
        wanted: RequestId,
        take: &mut dyn FnMut(Result<Reply<'_>, Refusal>),
    ) -> Result<(), StoreError> {
        let mut patience = Patience::new(self.stall_bound_ns, self.port.now());
        let mut answered = false;
        loop {
            self.round(&mut |id, result| {
                if id == wanted {
                    answered = true;
                    take(result);
                }
            });
            if answered {
                return Ok(());
            }
            if let Some(ended) = self.client.ended() {
                return Err(StoreError::Ended(ended));
            }
            match patience.check(self.client, self.port.now()) {
                StallState::Stalled(stalled) => return Err(StoreError::Stalled(stalled)),
                StallState::RingAgain => {
                    self.client.ring_again();
                    continue;
                }
                StallState::Fine => {}
            }
            self.sleep(patience.deadline_ns());
        }
    }

    /// Waits, and counts a wake-up if the port slept.
    fn sleep(&mut self, deadline_ns: u64) {
        if self.port.wait(deadline_ns) == Waited::Slept {
            self.client.woke();
        }
    }

    /// Handles all available packets: records events and passes replies to `each`.
    fn round(&mut self, each: &mut dyn FnMut(RequestId, Result<Reply<'_>, Refusal>)) {
        while let Some(incoming) = self.client.advance(self.port) {
            match incoming {
                Incoming::Reply { id, result, .. } => each(id, result),
                Incoming::Event(event) => {
                    self.watches.note(&event);
                }
            }
        }
        if self.client.doorbell_due() {
            self.port.notify();
        }
    }
}

/// Never returned, because [`Reply::parse`] returns the right kind of reply for each request. Costs
/// less than a panic.
const fn unexpected() -> StoreError {
    StoreError::Refused(Refusal::Malformed(Malformed::Acknowledgement))
}
