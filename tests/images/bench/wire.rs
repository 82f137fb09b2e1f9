//! A connection used in a straight line: send all of this, receive all of that, sleeping in between.
//! For measuring the connection alone: nothing else of the image runs meanwhile.

use channel::LinkId;
use grant::{Notify, Readiness, Sleep, TransferError, WakeWhen};

use kernel::clock;
use kernel::platform::XenPlatform;

/// How long the peer may take for its part: longer than the largest of all transfers.
const PATIENCE_NS: u64 = 20_000_000_000;

/// What a measurement could not go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Nothing is connected, the fence is closed, or the ring is broken.
    Connection,
    /// The peer did not do its part in time.
    Peer,
}

impl From<TransferError> for Broken {
    fn from(_: TransferError) -> Broken {
        Broken::Connection
    }
}

impl From<grant::RingError> for Broken {
    fn from(_: grant::RingError) -> Broken {
        Broken::Connection
    }
}

/// Calls the same of the front's end and of the back's: whichever this image has.
macro_rules! on_either {
    ($wire:ident, |$end:ident| $call:expr) => {
        if let Some($end) = $wire.xen.front($wire.link) {
            $call
        } else {
            let $end = $wire.xen.back($wire.link).ok_or(Broken::Connection)?;
            $call
        }
    };
}

/// One side's end of a link's connection.
pub(crate) struct Wire<'a> {
    xen: &'a mut XenPlatform,
    link: LinkId,
    /// How often the peer was rung.
    pub(crate) rung: u32,
}

impl<'a> Wire<'a> {
    /// The end of this link.
    pub(crate) fn new(xen: &'a mut XenPlatform, link: LinkId) -> Wire<'a> {
        Wire { xen, link, rung: 0 }
    }

    /// Sends all bytes; the peer is told once a burst.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut sent = 0;
        loop {
            sent += self.write(&bytes[sent..])?;
            if sent == bytes.len() {
                return self.flush();
            }
            self.sleep(WakeWhen { readable: 0, writable: u32::MAX })?;
        }
    }

    /// Receives until `into` is full.
    pub(crate) fn receive(&mut self, into: &mut [u8]) -> Result<(), Broken> {
        let mut received = 0;
        loop {
            received += self.read(&mut into[received..])?;
            if received == into.len() {
                return Ok(());
            }
            self.sleep(WakeWhen { readable: count(into.len() - received), writable: 0 })?;
        }
    }

    /// Sends what is in `bytes` and receives as many, both as fast as the rings take them.
    pub(crate) fn exchange(&mut self, bytes: &[u8], into: &mut [u8]) -> Result<(), Broken> {
        let (mut sent, mut received) = (0, 0);
        while received < into.len() {
            let wrote = self.write(&bytes[sent..])?;
            sent += wrote;
            let read = self.read(&mut into[received..])?;
            received += read;
            if wrote + read == 0 {
                let writable = if sent < bytes.len() { u32::MAX } else { 0 };
                self.sleep(WakeWhen { readable: count(into.len() - received), writable })?;
            }
        }
        self.flush()
    }

    ///     /// As many bytes as there is room for.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        Ok(on_either!(self, |end| end.write(bytes)?))
    }

    /// As many bytes as there are, at most as fit.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> Result<usize, Broken> {
        Ok(on_either!(self, |end| end.read(into)?))
    }

    /// Ends a burst.
    pub(crate) fn flush(&mut self) -> Result<(), Broken> {
        let notify = on_either!(self, |end| end.flush());
        self.ring_if(notify);
        Ok(())
    }

    /// Waits until the wish is fulfilled, or something else happened on the connection: a moment
    /// awake, then asleep, as [`grant::io::Blocking`] does.
    pub(crate) fn sleep(&mut self, wish: WakeWhen) -> Result<(), Broken> {
        self.flush()?;
        if on_either!(self, |end| end.spin_until_ready(wish)?) == Readiness::Ready {
            return Ok(());
        }
        match self.ask(wish)? {
            Readiness::MaySleep => self.await_event(),
            Readiness::Ready => Ok(()),
        }
    }

    /// Ends a burst and asks to be woken, without going to sleep.
    pub(crate) fn ask(&mut self, wish: WakeWhen) -> Result<Readiness, Broken> {
        let Sleep { notify, readiness } = on_either!(self, |end| end.before_sleep(wish)?);
        self.ring_if(notify);
        Ok(readiness)
    }

    /// Rings the peer, whatever the rings say.
    pub(crate) fn ring(&mut self) {
        self.rung += 1;
        self.xen.notify(self.link);
    }

    fn ring_if(&mut self, notify: Notify) {
        if notify == Notify::Due {
            self.ring();
        }
    }

    /// Waits until the peer rings.
    pub(crate) fn await_event(&mut self) -> Result<(), Broken> {
        if self.xen.wait_for_peer(self.link, clock::now_ns() + PATIENCE_NS) {
            Ok(())
        } else {
            Err(Broken::Peer)
        }
    }

    /// Lets `ns` pass, then forgets that the peer rang.
    pub(crate) fn settle(&mut self, ns: u64) {
        super::sleep_until(clock::now_ns() + ns);
        // A deadline that is past: what is pending is taken, and nothing waited for.
        self.xen.wait_for_peer(self.link, 0);
    }
}

fn count(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
