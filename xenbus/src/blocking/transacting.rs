//! Transactions of a [`Store`]: a closure that is retried until its commit meets no conflict. The
//! limits and pauses are in [`crate::transaction`].

use core::time::Duration;

use super::{Port, Store, StoreError, unexpected};
use crate::error::Errno;
use crate::reply::Reply;
use crate::request::{Outcome, Request, TransactionId};
use crate::transaction::Backoff;

impl<'a, P: Port> Store<'a, P> {
    /// Runs `work` in a transaction: its changes are applied atomically, and only if no node that
    /// it read has changed. After a conflict its result is discarded and `work` runs again, after a
    /// growing pause that is randomised with `random`.
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
    /// The error of `work`, after aborting the transaction, or the error of the transaction itself.
    pub fn transaction<T>(
        &mut self,
        mut random: impl FnMut() -> u32,
        mut work: impl FnMut(&mut Store<'a, P>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut backoff = Backoff::new();
        loop {
            let mut begun = TransactionId::NONE;
            self.have(Request::TransactionStart, &mut |reply| match reply {
                Reply::Transaction(transaction) => {
                    begun = transaction;
                    Ok(())
                }
                _ => Err(unexpected()),
            })?;
            self.transaction = begun;
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

    /// Commits the transaction, or aborts it if the work failed with `error`.
    fn end_transaction(&mut self, error: Option<&StoreError>) -> Result<(), StoreError> {
        match error {
            // A read-only transaction needs the commit too: only its success shows that the reads
            // are consistent.
            None => self.order(Request::TransactionEnd(Outcome::Commit)),
            // Do not wait for a stalled daemon; it may still read this request later.
            Some(StoreError::Stalled(_)) => {
                self.submit(Request::TransactionEnd(Outcome::Abort))?;
                self.round(&mut |_, _| ());
                Ok(())
            }
            Some(_) => self.order(Request::TransactionEnd(Outcome::Abort)),
        }
    }

    /// Waits, and records events in the meantime.
    fn pause(&mut self, span: Duration) {
        let deadline_ns = self.port.now().saturating_add(span.as_nanos() as u64);
        while self.port.now() < deadline_ns && self.client.ended().is_none() {
            self.sleep(deadline_ns);
            self.round(&mut |_, _| ());
        }
    }
}
