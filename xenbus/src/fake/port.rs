//! A [`crate::blocking::Port`] with a page, a daemon and a clock. Time passes only in `wait`, and
//! the daemon runs only after a notification, so a forgotten doorbell shows as a stall.

use crate::blocking::{Port, Waited};
use crate::fake::{FakeDaemon, FakePage};
use crate::ring::{RingPage, RingWord};

/// Duration of one turn of the daemon, in nanoseconds.
const TURN_NS: u64 = 100_000;

/// A ring page with a daemon behind it.
#[derive(Debug, Default)]
pub struct FakePort {
    /// The page.
    pub page: FakePage,
    /// The daemon, for the test to configure and inspect.
    pub daemon: FakeDaemon,
    /// Notifications that the guest has sent.
    pub doorbells: u64,
    now_ns: u64,
    rung: bool,
}

impl FakePort {
    /// An idle page, a daemon that has just started, a clock at zero.
    pub fn new() -> FakePort {
        FakePort::default()
    }
}

impl RingPage for FakePort {
    fn load(&self, word: RingWord) -> u32 {
        self.page.load(word)
    }

    fn store(&mut self, word: RingWord, value: u32) {
        self.page.store(word, value);
    }

    fn copy_from(&self, offset: usize, into: &mut [u8]) {
        self.page.copy_from(offset, into);
    }

    fn copy_to(&mut self, offset: usize, from: &[u8]) {
        self.page.copy_to(offset, from);
    }

    fn full_barrier(&self) {
        self.page.full_barrier();
    }
}

impl Port for FakePort {
    fn notify(&mut self) {
        self.doorbells += 1;
        self.rung = true;
    }

    fn wait(&mut self, deadline_ns: u64) -> Waited {
        if core::mem::take(&mut self.rung) {
            self.daemon.serve(&mut self.page);
            self.now_ns += TURN_NS;
        } else {
            self.now_ns = self.now_ns.max(deadline_ns);
        }
        Waited::Slept
    }

    fn now(&mut self) -> u64 {
        self.now_ns
    }
}
