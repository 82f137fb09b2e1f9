//! One request at a time, each waited for: what a boot-time test or a small image wants. A
//! [`Store`] borrows a [`Client`] and a [`Port`], which is the ring page with an event channel and
//! a clock. Nothing here is needed by programs that drive the client themselves.

use core::fmt;
use core::time::Duration;

use crate::client::{Client, Incoming, RequestId, SubmitError};
use crate::directory::{ListError, Listing, Step};
use crate::error::{Cause, Ended, Errno, Fault, Malformed, Refusal};
use crate::permission::{DomId, Permission};
use crate::reply::{Names, Reply};
use crate::request::{Outcome, Request, TransactionId};
use crate::ring::RingPage;
use crate::stall::{Patience, STALL_BOUND_NS, Stalled, Verdict};
use crate::transaction::Backoff;
use crate::watch::{Change, WatchId, Watches};

/// The ring page, its event channel and a clock.
pub trait Port: RingPage {
    /// Notifies the daemon on the store's event channel.
    fn notify(&mut self);
    /// Sleeps until the daemon notifies us or the clock reaches `deadline_ns`. A notification that
    /// came since the last wait ends it at once; waking early without reason is harmless.
    fn wait(&mut self, deadline_ns: u64);
    /// The clock, in nanoseconds from any beginning. It never goes back.
    fn now(&mut self) -> u64;
}

/// Why an operation did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreError {
    /// The request is not one; nothing was sent.
    Submit(SubmitError),
    /// The daemon refused it.
    Refused(Refusal),
    /// The connection is over. Whether the request was carried out is not known.
    Ended(Ended),
    /// The daemon does not answer. The request may still be carried out.
    Stalled(Stalled),
    /// The caller's buffer is too small.
    BufferTooSmall {
        /// How many bytes or entries are needed.
        needed: usize,
    },
    /// The transaction met another one each time it was tried.
    Conflict {
        /// How often it was tried.
        attempts: u32,
    },
    /// There is no list of children.
    List(ListError),
    /// There is no room for another watch.
    TooManyWatches,
}

impl StoreError {
    /// What stands behind it.
    pub const fn cause(&self) -> Cause {
        match self {
            StoreError::Submit(SubmitError::Ended(ended)) => ended.cause(),
            StoreError::Submit(SubmitError::Full) => Cause::Busy,
            StoreError::Submit(_) | StoreError::BufferTooSmall { .. } => Cause::Invalid,
            StoreError::Refused(refusal) => refusal.cause(),
            StoreError::Ended(ended) => ended.cause(),
            StoreError::Stalled(_) => Cause::Stalled,
            StoreError::Conflict { .. } => Cause::Conflict,
            StoreError::List(error) => error.cause(),
            StoreError::TooManyWatches => Cause::Invalid,
        }
    }

    /// Whose fault it is.
    pub const fn fault(&self) -> Fault {
        self.cause().fault()
    }

    /// Whether the daemon refused with exactly this errno.
    pub fn is(&self, errno: Errno) -> bool {
        *self == StoreError::Refused(Refusal::Errno(errno))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Submit(error) => error.fmt(f),
            StoreError::Refused(refusal) => refusal.fmt(f),
            StoreError::Ended(ended) => ended.fmt(f),
            StoreError::Stalled(stalled) => stalled.fmt(f),
            StoreError::BufferTooSmall { needed } => write!(f, "a room of {needed} is needed"),
            StoreError::Conflict { attempts } => write!(f, "{attempts} attempts in conflict"),
            StoreError::List(error) => error.fmt(f),
            StoreError::TooManyWatches => f.write_str("no room for another watch"),
        }
    }
}

impl core::error::Error for StoreError {}

/// What the page, the channel and the client are together: a store to talk to.
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
    /// The transaction that requests are made in.
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

    /// Gives up on an answer after `bound` instead of [`STALL_BOUND_NS`].
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

    /// Copies the value of a node to the front of `into` and returns that part of it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn read<'b>(&mut self, path: &str, into: &'b mut [u8]) -> Result<&'b [u8], StoreError> {
        let length = self.ask(Request::Read { path }, |reply| match reply {
            Reply::Value(value) => copy(value, into),
            _ => Err(unexpected()),
        })?;
        Ok(into.get(..length).unwrap_or(&[]))
    }

    /// Replaces the value of a node, creating it where it is missing.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn write(&mut self, path: &str, value: &[u8]) -> Result<(), StoreError> {
        self.order(Request::Write { path, value })
    }

    /// Creates a node where it is missing.
    ///
    /// ```
    /// # use xenbus::{Client, blocking::Store, fake::FakePort};
    /// # let (mut client, mut port) = (Client::new(), FakePort::new());
    /// # client.start(1);
    /// # let mut store = Store::new(&mut client, &mut port);
    /// store.make_directory("data/box")?;
    /// assert_eq!(store.read("data/box", &mut [0; 1])?, b"");
    /// # Ok::<(), xenbus::blocking::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn make_directory(&mut self, path: &str) -> Result<(), StoreError> {
        self.order(Request::MakeDirectory { path })
    }

    /// Removes a node and all below it.
    ///
    /// ```
    /// # use xenbus::{Client, Errno, blocking::Store, fake::FakePort};
    /// # let (mut client, mut port) = (Client::new(), FakePort::new());
    /// # client.start(1);
    /// # let mut store = Store::new(&mut client, &mut port);
    /// store.write("data/x/y", b"1")?;
    /// store.remove("data/x")?;
    /// assert!(store.read("data/x/y", &mut [0; 1]).unwrap_err().is(Errno::Enoent));
    /// # Ok::<(), xenbus::blocking::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn remove(&mut self, path: &str) -> Result<(), StoreError> {
        self.order(Request::Remove { path })
    }

    /// The names of a node's children, kept in `buffer`: each takes its length and one byte.
    ///
    /// ```
    /// # use xenbus::{Client, blocking::Store, fake::FakePort};
    /// # let (mut client, mut port) = (Client::new(), FakePort::new());
    /// # client.start(1);
    /// # let mut store = Store::new(&mut client, &mut port);
    /// store.write("data/a", b"1")?;
    /// store.write("data/b", b"2")?;
    /// assert!(store.directory("data", &mut [0; 64])?.eq(["a", "b"]));
    /// # Ok::<(), xenbus::blocking::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn directory<'b>(
        &mut self,
        path: &str,
        buffer: &'b mut [u8],
    ) -> Result<Names<'b>, StoreError> {
        let mut listing = Listing::new(path);
        loop {
            let id = self.submit(listing.request())?;
            let step = self.answer(id, |result| listing.answer(result, buffer))?;
            if step.map_err(StoreError::List)? == Step::Complete {
                return Ok(listing.names(buffer));
            }
        }
    }

    /// The permissions of a node, copied to the front of `into`.
    ///
    /// ```
    /// # use xenbus::{Client, DomId, Permission, blocking::Store, fake::FakePort};
    /// # let (mut client, mut port) = (Client::new(), FakePort::new());
    /// # client.start(1);
    /// # let mut store = Store::new(&mut client, &mut port);
    /// let wanted = [Permission::owner(DomId(1)), Permission::read(DomId(2))];
    /// store.write("data/x", b"1")?;
    /// store.set_permissions("data/x", &wanted)?;
    /// let mut room = [Permission::owner(DomId(0)); 4];
    /// assert_eq!(store.permissions("data/x", &mut room)?, wanted);
    /// # Ok::<(), xenbus::blocking::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn permissions<'b>(
        &mut self,
        path: &str,
        into: &'b mut [Permission],
    ) -> Result<&'b [Permission], StoreError> {
        let count = self.ask(Request::GetPermissions { path }, |reply| match reply {
            Reply::Permissions(permissions) => {
                let needed = permissions.count();
                let room = into.get_mut(..needed).ok_or(StoreError::BufferTooSmall { needed })?;
                for (place, permission) in room.iter_mut().zip(permissions) {
                    *place = permission;
                }
                Ok(needed)
            }
            _ => Err(unexpected()),
        })?;
        Ok(into.get(..count).unwrap_or(&[]))
    }

    /// Replaces the permissions of a node; the first names its owner.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn set_permissions(
        &mut self,
        path: &str,
        permissions: &[Permission],
    ) -> Result<(), StoreError> {
        self.order(Request::SetPermissions { path, permissions })
    }

    /// The home of a domain, copied to the front of `into`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn domain_path<'b>(
        &mut self,
        domain: DomId,
        into: &'b mut [u8],
    ) -> Result<&'b [u8], StoreError> {
        let length = self.ask(Request::GetDomainPath(domain), |reply| match reply {
            Reply::DomainPath(path) => copy(path.as_bytes(), into),
            _ => Err(unexpected()),
        })?;
        Ok(into.get(..length).unwrap_or(&[]))
    }

    /// Takes back all watches and transactions of this domain, whoever made them.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn reset_watches(&mut self) -> Result<(), StoreError> {
        self.order(Request::ResetWatches)?;
        self.watches = Watches::new();
        Ok(())
    }

    /// Watches a node and all below it. The first change is reported at once.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use xenbus::{Client, blocking::Store, fake::FakePort};
    /// # let (mut client, mut port) = (Client::new(), FakePort::new());
    /// # client.start(1);
    /// # let mut store = Store::new(&mut client, &mut port);
    /// let watch = store.watch("data/x")?;
    /// let change = store.change(Duration::from_secs(1))?.expect("a watch fires at once");
    /// assert_eq!(change.watch, watch);
    /// store.unwatch(watch, "data/x")?;
    /// # Ok::<(), xenbus::blocking::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn watch(&mut self, path: &str) -> Result<WatchId, StoreError> {
        let watch = self.watches.add().map_err(|_| StoreError::TooManyWatches)?;
        let token = self.watches.token(watch);
        let result = self.order(Request::Watch { path, token: token.as_str() });
        if result.is_err() {
            self.watches.remove(watch);
        }
        result.map(|()| watch)
    }

    /// Takes a watch back; `path` as it was given.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn unwatch(&mut self, watch: WatchId, path: &str) -> Result<(), StoreError> {
        let token = self.watches.token(watch);
        self.watches.remove(watch);
        self.order(Request::Unwatch { path, token: token.as_str() })
    }

    /// Waits for the next change below any watched path, at most for `span`; `None` if there was
    /// none. An event may be lost: read again from time to time all the same.
    ///
    /// # Errors
    /// [`StoreError::Ended`].
    pub fn change(&mut self, span: Duration) -> Result<Option<Change>, StoreError> {
        let deadline_ns = self.port.now().saturating_add(span.as_nanos() as u64);
        loop {
            self.round(|_, _| ());
            if let Some(change) = self.watches.take() {
                return Ok(Some(change));
            }
            if let Some(ended) = self.client.ended() {
                return Err(StoreError::Ended(ended));
            }
            if self.port.now() >= deadline_ns {
                return Ok(None);
            }
            self.port.wait(deadline_ns);
            self.client.woke();
        }
    }

    /// The next change that is already known, without looking at the ring.
    pub fn known_change(&mut self) -> Option<Change> {
        self.watches.take()
    }

    /// Does `work` as one: all of it happens at one moment, what it read being true at that moment,
    /// or none of it. If the daemon says that something came in between, whatever `work` returned
    /// is thrown away and it runs again, after a pause that grows and is spread with `random`.
    ///
    /// ```
    /// # use xenbus::{Client, blocking::Store, fake::FakePort};
    /// # let (mut client, mut port) = (Client::new(), FakePort::new());
    /// # client.start(1);
    /// # let mut store = Store::new(&mut client, &mut port);
    /// store.write("data/count", b"1")?;
    /// store.transaction(|| 0, |store| {
    ///     let mut value = [0; 8];
    ///     assert_eq!(store.read("data/count", &mut value)?, b"1");
    ///     store.write("data/count", b"2")
    /// })?;
    /// # Ok::<(), xenbus::blocking::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// What `work` returned, the transaction being given up; or why there was no transaction.
    pub fn transaction<T>(
        &mut self,
        mut random: impl FnMut() -> u32,
        mut work: impl FnMut(&mut Store<'a, P>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut backoff = Backoff::new();
        loop {
            self.transaction = self.ask(Request::TransactionStart, |reply| match reply {
                Reply::Transaction(transaction) => Ok(transaction),
                _ => Err(unexpected()),
            })?;
            let done = work(self);
            let ended = self.end_transaction(done.as_ref().err());
            self.transaction = TransactionId::NONE;
            match (done, ended) {
                (Ok(value), Ok(())) => return Ok(value),
                (Err(error), _) if !error.is(Errno::Eagain) => return Err(error),
                (Ok(_), Err(error)) if !error.is(Errno::Eagain) => return Err(error),
                _ => {}
            }
            let Some(pause) = backoff.next_pause(random()) else {
                return Err(StoreError::Conflict { attempts: backoff.attempts() });
            };
            self.pause(pause);
        }
    }

    /// Ends the transaction, with the error of the work that was done in it, if any.
    fn end_transaction(&mut self, error: Option<&StoreError>) -> Result<(), StoreError> {
        match error {
            // Reading needs the commit too: only its success says that what was read belongs
            // together.
            None => self.order(Request::TransactionEnd(Outcome::Commit)),
            // No use in waiting for a daemon that does not answer; it may still read this.
            Some(StoreError::Stalled(_)) => {
                self.submit(Request::TransactionEnd(Outcome::Abort))?;
                self.round(|_, _| ());
                Ok(())
            }
            Some(_) => self.order(Request::TransactionEnd(Outcome::Abort)),
        }
    }

    /// Makes any request and has `take` read the reply.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn ask<T>(
        &mut self,
        request: Request<'_>,
        take: impl FnOnce(Reply<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let id = self.submit(request)?;
        self.answer(id, |result| result.map_err(StoreError::Refused).and_then(take))?
    }

    /// Makes a request that is answered with no more than that it is done.
    fn order(&mut self, request: Request<'_>) -> Result<(), StoreError> {
        self.ask(request, |reply| match reply {
            Reply::Done => Ok(()),
            _ => Err(unexpected()),
        })
    }

    fn submit(&mut self, request: Request<'_>) -> Result<RequestId, StoreError> {
        self.client.submit(self.transaction, request).map_err(StoreError::Submit)
    }

    /// Waits for the answer to one request and has `take` read it.
    fn answer<T>(
        &mut self,
        wanted: RequestId,
        take: impl FnOnce(Result<Reply<'_>, Refusal>) -> T,
    ) -> Result<T, StoreError> {
        let mut patience = Patience::new(self.stall_bound_ns, self.port.now());
        let mut take = Some(take);
        let mut answer = None;
        loop {
            self.round(|id, result| {
                if id == wanted {
                    answer = take.take().map(|take| take(result));
                }
            });
            if let Some(answer) = answer {
                return Ok(answer);
            }
            if let Some(ended) = self.client.ended() {
                return Err(StoreError::Ended(ended));
            }
            match patience.look(self.client, self.port.now()) {
                Verdict::Stalled(stalled) => return Err(StoreError::Stalled(stalled)),
                Verdict::RingAgain => {
                    self.client.ring_again();
                    continue;
                }
                Verdict::Fine => {}
            }
            self.port.wait(patience.deadline_ns());
            self.client.woke();
        }
    }

    /// Handles all that can be handled now: events are noted, replies given to `each`.
    fn round(&mut self, mut each: impl FnMut(RequestId, Result<Reply<'_>, Refusal>)) {
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

    /// Waits, and goes on noting events meanwhile.
    fn pause(&mut self, span: Duration) {
        let deadline_ns = self.port.now().saturating_add(span.as_nanos() as u64);
        while self.port.now() < deadline_ns && self.client.ended().is_none() {
            self.port.wait(deadline_ns);
            self.client.woke();
            self.round(|_, _| ());
        }
    }
}

fn copy(value: &[u8], into: &mut [u8]) -> Result<usize, StoreError> {
    let needed = value.len();
    into.get_mut(..needed).ok_or(StoreError::BufferTooSmall { needed })?.copy_from_slice(value);
    Ok(needed)
}

/// [`Reply::parse`] gives each kind of request its kind of reply, so this is never seen; it costs
/// less than a panic.
const fn unexpected() -> StoreError {
    StoreError::Refused(Refusal::Malformed(Malformed::Acknowledgement))
}
