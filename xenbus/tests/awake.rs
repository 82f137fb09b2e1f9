//! A port that looks at the ring instead of sleeping: everything works as before, and nothing is
//! counted as a wake-up, since nobody slept.

use xenbus::blocking::{Port, Store, Waited};
use xenbus::fake::FakePort;
use xenbus::{Client, RingPage, RingWord};

/// Never sleeps.
struct Awake(FakePort);

impl RingPage for Awake {
    fn load(&self, word: RingWord) -> u32 {
        self.0.load(word)
    }

    fn store(&mut self, word: RingWord, value: u32) {
        self.0.store(word, value);
    }

    fn copy_from(&self, offset: usize, into: &mut [u8]) {
        self.0.copy_from(offset, into);
    }

    fn copy_to(&mut self, offset: usize, from: &[u8]) {
        self.0.copy_to(offset, from);
    }

    fn full_barrier(&self) {
        self.0.full_barrier();
    }
}

impl Port for Awake {
    fn notify(&mut self) {
        self.0.notify();
    }

    fn wait(&mut self, deadline_ns: u64) -> Waited {
        self.0.wait(deadline_ns);
        Waited::StayedAwake
    }

    fn now(&mut self) -> u64 {
        self.0.now()
    }
}

#[test]
fn waiting_awake_is_no_wake_up() {
    let (mut client, mut port) = (Client::new(), Awake(FakePort::new()));
    client.start(1);
    let mut store = Store::new(&mut client, &mut port);
    store.write("data/x", b"1").unwrap();
    assert_eq!(store.read("data/x", &mut [0; 4]).unwrap(), b"1");
    assert_eq!(store.client().counts().replies, 2);
    assert_eq!(store.client().counts().wake_ups, 0);
}

#[test]
fn waiting_asleep_is_one() {
    let (mut client, mut port) = (Client::new(), FakePort::new());
    client.start(1);
    let mut store = Store::new(&mut client, &mut port);
    store.write("data/x", b"1").unwrap();
    let counts = store.client().counts();
    assert_eq!((counts.wake_ups, counts.wake_ups_useful), (1, 1));
}
