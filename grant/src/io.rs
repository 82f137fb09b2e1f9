//! A connection as a blocking `embedded-io` stream: [`Blocking`], for code that reads, writes and
//! sleeps in between without dealing with rings.
//!
//! The caller owns the event channel and the driver's loop, and provides sleeping as a [`Waiter`].
//! A burst still costs one notification: at a full ring, at an empty ring, or at a flush.

use core::fmt;

use embedded_io::{BufRead, ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

use crate::back::{BackConnection, TransferError};
use crate::front::FrontConnection;
use crate::ring::{Notify, RingError};
use crate::shared_pages::SharedPages;
use crate::stream::{Readiness, Sleep, WakeWhen};

/// The data of either side of a connection. No method blocks.
pub trait Duplex {
    /// Reason why no more data can be moved.
    type Error: embedded_io::Error;

    /// Reads as many bytes as there are, at most `into.len()`, and returns their number.
    ///
    /// # Errors
    /// The peer broke the ring or gave the connection up.
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error>;

    /// Writes as many bytes as there is space for and returns their number.
    ///
    /// # Errors
    /// The peer broke the ring or gave the connection up.
    fn write(&mut self, from: &[u8]) -> Result<usize, Self::Error>;

    /// Bytes that can be written now.
    ///
    /// # Errors
    /// The peer broke the ring.
    fn room(&mut self) -> Result<usize, Self::Error>;

    /// Ends a burst. Returns whether the peer must be notified.
    fn flush(&mut self) -> Notify;

    /// Polls for a bounded time and requests no notification.
    ///
    /// # Errors
    /// The peer broke the ring or gave the connection up.
    fn spin_until_ready(&mut self, wake: WakeWhen) -> Result<Readiness, Self::Error>;

    /// Ends a burst, requests a notification, and checks the rings again.
    ///
    /// # Errors
    /// The peer broke the ring or gave the connection up.
    fn before_sleep(&mut self, wake: WakeWhen) -> Result<Sleep, Self::Error>;
}

/// Implements [`Duplex`] by the methods of the same names.
macro_rules! duplex {
    ($connection:ident, $error:ty) => {
        impl<P: SharedPages> Duplex for $connection<P> {
            type Error = $error;

            fn read(&mut self, into: &mut [u8]) -> Result<usize, $error> {
                $connection::read(self, into)
            }

            fn write(&mut self, from: &[u8]) -> Result<usize, $error> {
                $connection::write(self, from)
            }

            fn room(&mut self) -> Result<usize, $error> {
                $connection::room(self)
            }

            fn flush(&mut self) -> Notify {
                $connection::flush(self)
            }

            fn spin_until_ready(&mut self, wake: WakeWhen) -> Result<Readiness, $error> {
                $connection::spin_until_ready(self, wake)
            }

            fn before_sleep(&mut self, wake: WakeWhen) -> Result<Sleep, $error> {
                $connection::before_sleep(self, wake)
            }
        }
    };
}

duplex!(FrontConnection, RingError);
duplex!(BackConnection, TransferError);

/// Result of [`Waiter::wait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Something may have changed: check again.
    Again,
    /// The connection ends in an orderly way: reads return 0, as at the end of a file.
    Ended,
}

/// How this side notifies and sleeps.
pub trait Waiter {
    /// Reason why a wait failed, for example a deadline or a session that went down.
    type Error: embedded_io::Error;

    /// Sends the connection's event.
    fn notify(&mut self);

    /// Sleeps until the connection's event or until a deadline of its own. Meanwhile it runs the
    /// rest of the image, such as the driver's step.
    ///
    /// # Errors
    /// The wait failed; the blocked call fails with it.
    fn wait(&mut self) -> Result<Wait, Self::Error>;
}

/// Why a blocking call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamError<D, W> {
    /// No more data can be moved, because of the peer.
    Data(D),
    /// The wait failed.
    Waiter(W),
    /// The connection ended before all data was written.
    Ended,
}

impl<D: fmt::Display, W: fmt::Display> fmt::Display for StreamError<D, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(error) => write!(f, "{error}"),
            Self::Waiter(error) => write!(f, "{error}"),
            Self::Ended => write!(f, "the connection ended before all was written"),
        }
    }
}

impl<D: core::error::Error, W: core::error::Error> core::error::Error for StreamError<D, W> {}

impl<D: embedded_io::Error, W: embedded_io::Error> embedded_io::Error for StreamError<D, W> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Data(error) => error.kind(),
            Self::Waiter(error) => error.kind(),
            Self::Ended => ErrorKind::BrokenPipe,
        }
    }
}

impl core::error::Error for RingError {}

impl embedded_io::Error for RingError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidData
    }
}

impl core::error::Error for TransferError {}

impl embedded_io::Error for TransferError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Fenced => ErrorKind::ConnectionReset,
            Self::Ring(error) => error.kind(),
        }
    }
}

/// A blocking stream over a connection. Its buffer holds up to `AHEAD` bytes (at least 1) that were
/// read ahead, because [`BufRead`] must lend out memory that the peer cannot change.
///
/// Dropping it loses the bytes read ahead. Bytes that were written and not flushed reach the peer
/// at the next flush, or when either side next blocks.
#[derive(Debug)]
pub struct Blocking<'a, C, W, const AHEAD: usize = 512> {
    connection: &'a mut C,
    waiter: W,
    buffer: [u8; AHEAD],
    /// The part of the buffer that is not yet consumed: `from..to`.
    from: usize,
    to: usize,
}

impl<'a, C: Duplex, W: Waiter, const AHEAD: usize> Blocking<'a, C, W, AHEAD> {
    /// A stream over a connection that the back has stamped.
    pub const fn new(connection: &'a mut C, waiter: W) -> Self {
        const { assert!(AHEAD > 0, "BufRead needs at least one byte") };
        Self { connection, waiter, buffer: [0; AHEAD], from: 0, to: 0 }
    }

    /// Notifies the peer if necessary, then polls, then sleeps.
    fn sleep(&mut self, wake: WakeWhen) -> Result<Wait, StreamError<C::Error, W::Error>> {
        if self.connection.flush() == Notify::Due {
            self.waiter.notify();
        }
        if self.connection.spin_until_ready(wake).map_err(StreamError::Data)? == Readiness::Ready {
            return Ok(Wait::Again);
        }
        let sleep = self.connection.before_sleep(wake).map_err(StreamError::Data)?;
        if sleep.notify == Notify::Due {
            self.waiter.notify();
        }
        if sleep.readiness == Readiness::Ready {
            return Ok(Wait::Again);
        }
        self.waiter.wait().map_err(StreamError::Waiter)
    }

    fn read_ahead(&mut self) -> Result<usize, StreamError<C::Error, W::Error>> {
        let read = self.connection.read(&mut self.buffer).map_err(StreamError::Data)?;
        (self.from, self.to) = (0, read);
        Ok(read)
    }
}

impl<C: Duplex, W: Waiter, const AHEAD: usize> ErrorType for Blocking<'_, C, W, AHEAD> {
    type Error = StreamError<C::Error, W::Error>;
}

impl<C: Duplex, W: Waiter, const AHEAD: usize> Read for Blocking<'_, C, W, AHEAD> {
    /// Blocks until at least one byte is read. Returns 0 at the end of the connection, and if
    /// `into` is empty.
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error> {
        if into.is_empty() {
            return Ok(0);
        }
        let ahead = &self.buffer[self.from..self.to];
        if !ahead.is_empty() {
            let bytes = ahead.len().min(into.len());
            into[..bytes].copy_from_slice(&ahead[..bytes]);
            self.from += bytes;
            return Ok(bytes);
        }
        loop {
            let read = self.connection.read(into).map_err(StreamError::Data)?;
            if read > 0 {
                return Ok(read);
            }
            if self.sleep(WakeWhen { readable: 1, writable: 0 })? == Wait::Ended {
                // Data that arrived just before the end can still be read.
                return self.connection.read(into).map_err(StreamError::Data);
            }
        }
    }
}

impl<C: Duplex, W: Waiter, const AHEAD: usize> BufRead for Blocking<'_, C, W, AHEAD> {
    fn fill_buf(&mut self) -> Result<&[u8], Self::Error> {
        while self.from == self.to {
            if self.read_ahead()? == 0
                && self.sleep(WakeWhen { readable: 1, writable: 0 })? == Wait::Ended
            {
                self.read_ahead()?;
                break;
            }
        }
        Ok(&self.buffer[self.from..self.to])
    }

    /// # Panics
    /// If `bytes` exceeds the length that `fill_buf` returned.
    fn consume(&mut self, bytes: usize) {
        assert!(bytes <= self.to - self.from, "more is consumed than was read");
        self.from += bytes;
    }
}

impl<C: Duplex, W: Waiter, const AHEAD: usize> Write for Blocking<'_, C, W, AHEAD> {
    /// Blocks until at least one byte is written. If the ring is full it waits for an empty ring,
    /// so that a stream costs one notification per ring of data.
    fn write(&mut self, from: &[u8]) -> Result<usize, Self::Error> {
        if from.is_empty() {
            return Ok(0);
        }
        loop {
            let written = self.connection.write(from).map_err(StreamError::Data)?;
            if written > 0 {
                return Ok(written);
            }
            if self.sleep(WakeWhen { readable: 0, writable: u32::MAX })? == Wait::Ended {
                return Err(StreamError::Ended);
            }
        }
    }

    /// Notifies the peer of all written data. Does not wait until the peer reads it.
    fn flush(&mut self) -> Result<(), Self::Error> {
        if self.connection.flush() == Notify::Due {
            self.waiter.notify();
        }
        Ok(())
    }
}

impl<C: Duplex, W: Waiter, const AHEAD: usize> ReadReady for Blocking<'_, C, W, AHEAD> {
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        Ok(self.from < self.to || self.read_ahead()? > 0)
    }
}

impl<C: Duplex, W: Waiter, const AHEAD: usize> WriteReady for Blocking<'_, C, W, AHEAD> {
    fn write_ready(&mut self) -> Result<bool, Self::Error> {
        Ok(self.connection.room().map_err(StreamError::Data)? > 0)
    }
}
