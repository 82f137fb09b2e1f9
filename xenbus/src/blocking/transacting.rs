//! Transactions of a [`Store`]: a closure that runs until the daemon says that nothing came in
//! between. How often and after what pauses is in [`crate::transaction`].

use core::time::Duration;

use super::{Port, Store, StoreError, unexpected};
use crate::error::Errno;
use crate::reply::Reply;
use crate::request::{Outcome, Request, TransactionId};
use crate::transaction::Backoff;

impl<'a, P: Port> Store<'a, P> {
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

    /// Ends the transaction, with the error of the work that was done in it, if any.
    fn end_transaction(&mut self, error: Option<&StoreError>) -> Result<(), StoreError> {
        match error {
            // Reading needs the commit too: only its success says that what was read belongs
            // together.
            None => self.order(Request::TransactionEnd(Outcome::Commit)),
            // No use in waiting for a daemon that does not answer; it may still read this.
            Some(StoreError::Stalled(_)) => {
                self.submit(Request::TransactionEnd(Outcome::Abort))?;
                self.round(&mut |_, _| ());
                Ok(())
            }
            Some(_) => self.order(Request::TransactionEnd(Outcome::Abort)),
        }
    }

    /// Waits, and goes on noting events meanwhile.
    fn pause(&mut self, span: Duration) {
        let deadline_ns = self.port.now().saturating_add(span.as_nanos() as u64);
        while self.port.now() < deadline_ns && self.client.ended().is_none() {
            self.sleep(deadline_ns);
            self.round(&mut |_, _| ());
        }
    }
}
