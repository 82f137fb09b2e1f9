//! The xenstore ring of this domain: its page, its port, and the client over both.
//!
//! The page is where HVM_PARAM_STORE_PFN says, the port is HVM_PARAM_STORE_EVTCHN. Until the
//! page's `connection` word is 0 (docs/misc/xenstore-ring.txt) the daemon is not there yet, and no
//! other word means anything.

use core::hint::spin_loop;
use core::sync::atomic::{Ordering, fence};

use xenbus::blocking::{Port as BlockingPort, Store, Waited};
use xenbus::ring::CONNECTED;
use xenbus::{Client, RingPage, RingWord};

use crate::mem::static_cell::StaticCell;
use crate::mem::untyped::Untyped;
use crate::xen::abi::hvm::{STORE_EVTCHN, STORE_PFN};
use crate::xen::boot_error::BootError;
use crate::xen::events::Woken;
use crate::xen::hypercall::event_channel::{self, Port};
use crate::xen::special_page::SpecialPage;
use crate::xen::{clock, events};

/// How long the daemon may take to appear: as long as xenbus waits for one that went silent.
const CONNECT_MAX_NS: u64 = xenbus::stall::STALL_BOUND_NS;
/// The word is looked at this often: a late daemon may not ring.
const CONNECT_STEP_NS: u64 = 100_000_000;

unsafe extern "C" {
    // linker.ld. Only their addresses mean anything.
    static __xenbus_start: u8;
    static __xenbus_end: u8;
}

/// Bytes of code that the crate xenbus has in this image; what the compiler put into its callers is
/// not told apart from them.
pub fn client_code_bytes() -> usize {
    (&raw const __xenbus_end).addr() - (&raw const __xenbus_start).addr()
}

static CLIENT: StaticCell<Client> = StaticCell::new(Client::new());

/// How often the ring is looked at for an answer before the image goes to sleep. Sleeping and being
/// woken takes two exits and two decisions of Xen's scheduler; so many looks, each with a pause of
/// some tens of nanoseconds, take about as long. Longer is not worth a processor that others want.
pub const SPIN_LIMIT: u32 = 500;

/// The ring's page and its port.
pub struct StoreRing {
    page: Untyped,
    port: Port,
    /// Looks that are given after each doorbell and each wake-up.
    looks: u32,
    /// Those of them that are left.
    looks_left: u32,
}

impl StoreRing {
    /// Finds the ring and waits until the daemon serves it.
    pub(crate) fn find() -> Result<StoreRing, BootError> {
        let SpecialPage { page, port } = SpecialPage::find("store-page", STORE_PFN, STORE_EVTCHN)?;
        let found = StoreRing { page, port, looks: SPIN_LIMIT, looks_left: SPIN_LIMIT };
        let until = clock::now_ns().saturating_add(CONNECT_MAX_NS);
        loop {
            let connection = found.load(RingWord::Connection);
            let now = clock::now_ns();
            if connection == CONNECTED {
                return Ok(found);
            }
            if now >= until {
                let what = "xenstored-absent-connection";
                return Err(BootError::number(what, connection.into()));
            }
            events::take_pending(found.port);
            events::wait(&[found.port], now.saturating_add(CONNECT_STEP_NS));
        }
    }

    /// The port, to wait for it together with others.
    pub fn port(&self) -> Port {
        self.port
    }

    /// Looks at the ring `looks` times instead of [`SPIN_LIMIT`] before it sleeps; 0 sleeps at once.
    pub fn look_before_sleeping(&mut self, looks: u32) {
        self.looks = looks;
        self.looks_left = looks;
    }

    /// Tells the daemon to look at the ring.
    pub fn ring_doorbell(&mut self) {
        self.looks_left = self.looks;
        // Fails only for a port that is not ours; the daemon's silence would be noticed anyway.
        let _ = event_channel::send(self.port);
    }
}

impl StoreRing {
    /// Are there bytes from the daemon that have not been taken?
    fn has_replies(&self) -> bool {
        self.load(RingWord::ReplyProducer) != self.load(RingWord::ReplyConsumer)
    }

    /// Spends the looks that are left, until there are replies.
    fn see_replies(&mut self) -> bool {
        while let Some(left) = self.looks_left.checked_sub(1) {
            self.looks_left = left;
            if self.has_replies() {
                return true;
            }
            // Gives way to the other thread of the core, and to whoever emulates this one.
            spin_loop();
        }
        false
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

    /// The daemon notifies up to four times for one request (C xenstored: when it has taken header
    /// and payload, when it has put header and payload), and only the last time is the answer
    /// there. Who slept would be woken by the first. So the ring is looked at first; its words say
    /// all that the notifications do.
    fn wait(&mut self, deadline_ns: u64) -> Waited {
        // Cleared before the caller looks: it may be the room for the rest of a long request.
        if self.see_replies() || events::take_pending(self.port) {
            return Waited::StayedAwake;
        }
        if events::wait(&[self.port], deadline_ns) == Woken::Pending {
            events::take_pending(self.port);
            self.looks_left = self.looks;
        }
        Waited::Slept
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
