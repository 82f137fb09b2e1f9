//! A connection's data as `embedded-io` streams: [`Blocking`], for code that wants to read and write
//! and to sleep in between, and need not know what a ring is.
//!
//! How to sleep is not known here: whoever has the event channel and the driver's loop says so by a
//! [`Waiter`]. The notifications are one a burst all the same: a full ring, an empty one, or a flush.

use core::fmt;

use embedded_io::{BufRead, ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

use crate::back::{BackConnection, TransferError};
use crate::front::FrontConnection;
use crate::ring::{Notify, RingError};
use crate::shared_pages::SharedPages;
use crate::stream::{Readiness, Sleep, WakeWhen};

/// Either side's data, never blocking.
pub trait Duplex {
    /// Why data cannot be moved any more.
    type Error: embedded_io::Error;

    /// Reads as much as there is, at most `into.len()` bytes.
    ///
    /// # Errors
    /// The peer broke the ring or gave the connection up.
    fn read_some(&mut self, into: &mut [u8]) -> Result<usize, Self::Error>;

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// The peer broke the ring or gave the connection up.
    fn write_some(&mut self, from: &[u8]) -> Result<usize, Self::Error>;

    /// Bytes that can be written now.
    ///
    /// # Errors
    /// The peer broke the ring.
    fn room_now(&mut self) -> Result<usize, Self::Error>;

    /// Ends a burst: whether the peer is to be notified.
    fn end_burst(&mut self) -> Notify;

    /// Looks for a moment whether a wish is fulfilled, and asks for nothing.
    ///
    /// # Errors
    /// The peer broke the ring or gave the connection up.
    fn spin_for(&mut self, wish: WakeWhen) -> Result<Readiness, Self::Error>;

    /// Ends a burst, says what to be woken for, and looks again.
    ///
    /// # Errors
    /// The peer broke the ring or gave the connection up.
    fn prepare_sleep(&mut self, wish: WakeWhen) -> Result<Sleep, Self::Error>;
}

impl<P: SharedPages> Duplex for FrontConnection<P> {
    type Error = RingError;

    fn read_some(&mut self, into: &mut [u8]) -> Result<usize, RingError> {
        self.read(into)
    }

    fn write_some(&mut self, from: &[u8]) -> Result<usize, RingError> {
        self.write(from)
    }

    fn room_now(&mut self) -> Result<usize, RingError> {
        self.room()
    }

    fn end_burst(&mut self) -> Notify {
        self.flush()
    }

    fn spin_for(&mut self, wish: WakeWhen) -> Result<Readiness, RingError> {
        self.spin_until_ready(wish)
    }

    fn prepare_sleep(&mut self, wish: WakeWhen) -> Result<Sleep, RingError> {
        self.before_sleep(wish)
    }
}

impl<P: SharedPages> Duplex for BackConnection<P> {
    type Error = TransferError;

    fn read_some(&mut self, into: &mut [u8]) -> Result<usize, TransferError> {
        self.read(into)
    }

    fn write_some(&mut self, from: &[u8]) -> Result<usize, TransferError> {
        self.write(from)
    }

    fn room_now(&mut self) -> Result<usize, TransferError> {
        Ok(self.room()?)
    }

    fn end_burst(&mut self) -> Notify {
        self.flush()
    }

    fn spin_for(&mut self, wish: WakeWhen) -> Result<Readiness, TransferError> {
        self.spin_until_ready(wish)
    }

    fn prepare_sleep(&mut self, wish: WakeWhen) -> Result<Sleep, TransferError> {
        self.before_sleep(wish)
    }
}

/// What a wait has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Something may have changed: look again.
    Again,
    /// The connection ends in order: reads give 0, as at the end of a file.
    Ended,
}

/// How this side notifies and sleeps.
pub trait Waiter {
    /// Why it would not wait on: a deadline, or a session that went down.
    type Error: embedded_io::Error;

    /// Sends the connection's event.
    fn notify(&mut self);

    /// Sleeps until the connection's event, or for as long as the caller wants to be patient. On the
    /// way it does what else the image has to do: the driver's step, for one.
    ///
    /// # Errors
    /// It will not wait any longer.
    fn wait(&mut self) -> Result<Wait, Self::Error>;
}

/// Why a blocking call could not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamError<D, W> {
    /// Data cannot be moved any more: the peer's doing.
    Data(D),
    /// The waiter would not wait on.
    Waiter(W),
    /// The connection ended before all was written.
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

/// A connection that blocks. `AHEAD` bytes are read ahead, for [`BufRead`], whose borrow must be of
/// memory that the peer cannot change; at least 1.
///
/// Dropping it loses what was read ahead. What was written but not flushed reaches the peer no later
/// than the next flush, or when either side next blocks.
#[derive(Debug)]
pub struct Blocking<'a, C, W, const AHEAD: usize = 512> {
    connection: &'a mut C,
    waiter: W,
    buffer: [u8; AHEAD],
    /// What of the buffer was not consumed yet.
    from: usize,
    to: usize,
}

impl<'a, C: Duplex, W: Waiter, const AHEAD: usize> Blocking<'a, C, W, AHEAD> {
    /// A stream over a connection that is connected (front) or stamped (back).
    pub const fn new(connection: &'a mut C, waiter: W) -> Self {
        const { assert!(AHEAD > 0, "BufRead needs a byte at least") };
        Self { connection, waiter, buffer: [0; AHEAD], from: 0, to: 0 }
    }

    /// Notifies if need be, and sleeps unless what is wished for comes at once.
    fn sleep(&mut self, wish: WakeWhen) -> Result<Wait, StreamError<C::Error, W::Error>> {
        if self.connection.end_burst() == Notify::Due {
            self.waiter.notify();
        }
        if self.connection.spin_for(wish).map_err(StreamError::Data)? == Readiness::Ready {
            return Ok(Wait::Again);
        }
        let sleep = self.connection.prepare_sleep(wish).map_err(StreamError::Data)?;
        if sleep.notify == Notify::Due {
            self.waiter.notify();
        }
        if sleep.readiness == Readiness::Ready {
            return Ok(Wait::Again);
        }
        self.waiter.wait().map_err(StreamError::Waiter)
    }

    fn read_ahead(&mut self) -> Result<usize, StreamError<C::Error, W::Error>> {
        let read = self.connection.read_some(&mut self.buffer).map_err(StreamError::Data)?;
        (self.from, self.to) = (0, read);
        Ok(read)
    }
}

impl<C: Duplex, W: Waiter, const AHEAD: usize> ErrorType for Blocking<'_, C, W, AHEAD> {
    type Error = StreamError<C::Error, W::Error>;
}

impl<C: Duplex, W: Waiter, const AHEAD: usize> Read for Blocking<'_, C, W, AHEAD> {
    /// Waits for a byte at least. 0 at the connection's end, and for an empty `into`.
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
            let read = self.connection.read_some(into).map_err(StreamError::Data)?;
            if read > 0 {
                return Ok(read);
            }
            if self.sleep(WakeWhen { readable: 1, writable: 0 })? == Wait::Ended {
                // What came just before the end is still there to be read.
                return self.connection.read_some(into).map_err(StreamError::Data);
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
    /// If those are more bytes than `fill_buf` gave.
    fn consume(&mut self, bytes: usize) {
        assert!(bytes <= self.to - self.from, "no more is consumed than was given");
        self.from += bytes;
    }
}

impl<C: Duplex, W: Waiter, const AHEAD: usize> Write for Blocking<'_, C, W, AHEAD> {
    /// Waits for room for a byte at least; when it has to wait, for an empty ring, so that a stream
    /// costs one notification a ring-full.
    fn write(&mut self, from: &[u8]) -> Result<usize, Self::Error> {
        if from.is_empty() {
            return Ok(0);
        }
        loop {
            let written = self.connection.write_some(from).map_err(StreamError::Data)?;
            if written > 0 {
                return Ok(written);
            }
            if self.sleep(WakeWhen { readable: 0, writable: u32::MAX })? == Wait::Ended {
                return Err(StreamError::Ended);
            }
        }
    }

    /// Tells the peer of everything that was written. It does not wait for it to be read.
    fn flush(&mut self) -> Result<(), Self::Error> {
        if self.connection.end_burst() == Notify::Due {
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
        Ok(self.connection.room_now().map_err(StreamError::Data)? > 0)
    }
}
