//! The xenstore ring of this domain: its page, its port, and the client over both.
//!
//! The page is where HVM_PARAM_STORE_PFN says, the port is HVM_PARAM_STORE_EVTCHN. Until the
//! page's `connection` word is 0 (docs/misc/xenstore-ring.txt) the daemon is not there yet, and no
//! other word means anything.

use core::sync::atomic::{Ordering, fence};

use xenbus::blocking::{Port as BlockingPort, Store};
use xenbus::ring::CONNECTED;
use xenbus::{Client, RingPage, RingWord};

use crate::abi::hvm::{STORE_EVTCHN, STORE_PFN};
use crate::boot::paging;
use crate::hypercall::event_channel::{self, Port};
use crate::hypercall::{Errno, hvm};
use crate::singleton::Singleton;
use crate::untyped::Untyped;
use crate::{clock, events, shared_info};

/// How long the daemon may take to appear: as long as xenbus waits for one that went silent.
const CONNECT_MAX_NS: u64 = xenbus::stall::STALL_BOUND_NS;
/// The word is looked at this often: a late daemon may not ring.
const CONNECT_STEP_NS: u64 = 100_000_000;

static CLIENT: Singleton<Client> = Singleton::new(Client::new());

/// The ring's page and its port.
pub struct StoreRing {
    page: Untyped,
    port: Port,
}

/// Why the store cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreUnusable {
    /// Xen did not tell where it is.
    Parameter(Errno),
    /// Xen told nonsense, or nothing.
    Place(u64),
    /// The daemon did not take the ring up in time; the value of `connection`.
    NotConnected(u32),
}

impl core::fmt::Display for StoreUnusable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            StoreUnusable::Parameter(errno) => write!(f, "no-store-parameter-{errno}"),
            StoreUnusable::Place(frame) => write!(f, "store-frame-{frame:#x}"),
            StoreUnusable::NotConnected(word) => write!(f, "xenstored-absent-connection-{word}"),
        }
    }
}

impl StoreRing {
    /// Finds the ring and waits until the daemon serves it.
    pub(crate) fn find() -> Result<StoreRing, StoreUnusable> {
        let frame = hvm::param(STORE_PFN).map_err(StoreUnusable::Parameter)?;
        let port = hvm::param(STORE_EVTCHN).map_err(StoreUnusable::Parameter)?;
        let page = paging::special_page(frame).ok_or(StoreUnusable::Place(frame))?;
        let port = u32::try_from(port).map_err(|_| StoreUnusable::Place(frame))?;
        if port >= shared_info::PORTS {
            return Err(StoreUnusable::Place(frame));
        }
        let found = StoreRing { page, port: Port(port) };
        let until = clock::now_ns().saturating_add(CONNECT_MAX_NS);
        loop {
            let connection = found.load(RingWord::Connection);
            let now = clock::now_ns();
            if connection == CONNECTED {
                return Ok(found);
            }
            if now >= until {
                return Err(StoreUnusable::NotConnected(connection));
            }
            events::take_pending(found.port);
            events::wait(&[found.port], now.saturating_add(CONNECT_STEP_NS));
        }
    }

    /// The port, to wait for it together with others.
    pub fn port(&self) -> Port {
        self.port
    }

    /// Tells the daemon to look at the ring.
    pub fn ring_doorbell(&mut self) {
        // Fails only for a port that is not ours; the daemon's silence would be noticed anyway.
        let _ = event_channel::send(self.port);
    }
}

impl RingPage for StoreRing {
    fn load(&self, word: RingWord) -> u32 {
        self.page.word(word.offset()).load(Ordering::Acquire)
    }

    fn store(&mut self, word: RingWord, value: u32) {
        self.page.word(word.offset()).store(value, Ordering::Release);
    }

    fn copy_from(&self, offset: usize, into: &mut [u8]) {
        self.page.copy_from(offset, into);
    }

    fn copy_to(&mut self, offset: usize, from: &[u8]) {
        self.page.copy_to(offset, from);
    }

    fn full_barrier(&self) {
        fence(Ordering::SeqCst);
    }
}

impl BlockingPort for StoreRing {
    fn notify(&mut self) {
        self.ring_doorbell();
    }

    fn wait(&mut self, deadline_ns: u64) {
        events::wait(&[self.port], deadline_ns);
        events::take_pending(self.port);
    }

    fn now(&mut self) -> u64 {
        clock::now_ns()
    }
}

/// The ring and a client over it: what an image has of xenstore.
pub struct StoreAccess {
    /// The ring.
    pub ring: StoreRing,
    /// The client. Who talks to the ring otherwise (the channel's driver) leaves it alone.
    pub client: &'static mut Client,
}

impl StoreAccess {
    /// The client, started with a request number that no earlier life of this ring has in flight.
    pub(crate) fn start(ring: StoreRing, first_request_id: u32) -> StoreAccess {
        let client = CLIENT.take();
        client.start(first_request_id);
        StoreAccess { ring, client }
    }

    /// One request at a time, each waited for.
    #[inline(never)] // It makes a value of over a kilobyte, at a dozen places.
    pub fn blocking(&mut self) -> Store<'_, StoreRing> {
        Store::new(self.client, &mut self.ring)
    }
}
