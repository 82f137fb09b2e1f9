//! The watches of a [`Store`], and waiting for changes. Events that arrive during another wait are
//! kept as marks, see [`crate::watch`].

use core::time::Duration;

use super::{Port, Store, StoreError};
use crate::request::Request;
use crate::watch::{Change, WatchId, Watches};

impl<P: Port> Store<'_, P> {
    /// Removes all watches and aborts all transactions of this domain, including those of a
    /// predecessor.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn reset_watches(&mut self) -> Result<(), StoreError> {
        self.order(Request::ResetWatches)?;
        self.watches = Watches::new();
        Ok(())
    }

    /// Watches a node and its descendants. The first change is reported at once.
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

    /// Removes a watch. `path` must be the watched path.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn unwatch(&mut self, watch: WatchId, path: &str) -> Result<(), StoreError> {
        let token = self.watches.token(watch);
        self.watches.remove(watch);
        self.order(Request::Unwatch { path, token: token.as_str() })
    }

    /// Waits for the next change below any watched path, for at most `span`. `None` if there is no
    /// change. Events may be lost, so read again periodically all the same.
    ///
    /// # Errors
    /// [`StoreError::Ended`].
    pub fn change(&mut self, span: Duration) -> Result<Option<Change>, StoreError> {
        let deadline_ns = self.port.now().saturating_add(span.as_nanos() as u64);
        loop {
            self.round(&mut |_, _| ());
            if let Some(change) = self.watches.take() {
                return Ok(Some(change));
            }
            if let Some(ended) = self.client.ended() {
                return Err(StoreError::Ended(ended));
            }
            if self.port.now() >= deadline_ns {
                return Ok(None);
            }
            self.sleep(deadline_ns);
        }
    }

    /// The next change that is already recorded. Does not read the ring.
    pub fn known_change(&mut self) -> Option<Change> {
        self.watches.take()
    }
}
