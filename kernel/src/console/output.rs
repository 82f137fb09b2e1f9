//! The output of the image: the ring where there is one, Xen's console before and in a crash.

use core::fmt::{self, Write};

use spin::Mutex;

use super::early;
use super::ring::Ring;
use crate::xen::hypercall::event_channel::Port;
use crate::xen::{clock, events, hypercall};

/// The output of the image.
pub(super) struct Console {
    ring: Option<Ring>,
    /// The ring is to be found when it is first needed.
    is_expected: bool,
    /// The first line, not written yet.
    greeting: Option<Greeting>,
}

pub(super) static CONSOLE: Mutex<Console> =
    Mutex::new(Console { ring: None, is_expected: false, greeting: None });

/// What an image says of itself: its first line, `@T boot`.
pub(crate) struct Greeting {
    pub(crate) image: &'static str,
    pub(crate) memory_kib: u64,
    /// The time-stamp counter at the first instruction.
    pub(crate) entry_tsc: u64,
}

impl Console {
    /// The ring. It is found, and the image introduced, the first time that it is wanted. Where Xen does
    /// not tell of one, all goes on as before it was expected.
    fn ring(&mut self) -> Option<&mut Ring> {
        if core::mem::take(&mut self.is_expected) {
            match Ring::find() {
                Ok(ring) => self.ring = Some(ring),
                Err(refusal) => self.write_words(format_args!("{refusal}\n")),
            }
        }
        if let Some(Greeting { image, memory_kib, entry_tsc }) = self.greeting.take() {
            // Who cannot do without a number of its own says so itself.
            let domid = hypercall::domid().map_or(0, u32::from);
            let t1_ns = clock::system_ns_at(entry_tsc);
            self.write_words(format_args!(
                "@T boot image={image} domid={domid} t1_ns={t1_ns} mem_kib={memory_kib}\n"
            ));
        }
        self.ring.as_mut()
    }

    fn write_words(&mut self, words: fmt::Arguments<'_>) {
        // This writer never fails.
        let _ = self.write_fmt(words);
    }
}

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match self.ring() {
            Some(ring) => ring.write(text.as_bytes()),
            None => early::write(text.as_bytes()),
        }
        Ok(())
    }
}

/// From now on there is a ring to be found, which takes two hypercalls: when the first line is written,
/// or the image goes to sleep.
pub(crate) fn expect_ring() {
    CONSOLE.lock().is_expected = true;
    events::before_sleep(flush);
}

/// This is to be the first line.
pub(crate) fn greet(greeting: Greeting) {
    CONSOLE.lock().greeting = Some(greeting);
}

/// From now on output goes to Xen's console. The ring that it went to.
pub(crate) fn detach() -> Option<Ring> {
    let mut console = CONSOLE.lock();
    console.is_expected = false;
    console.ring.take()
}

/// From now on output goes to this ring, which counts on where the one before has stopped.
pub(crate) fn attach(mut ring: Ring, former: Option<Ring>) {
    if let Some(former) = &former {
        ring.follow(former);
    }
    CONSOLE.lock().ring = Some(ring);
}

/// Takes what was typed, as far as it fits; how many bytes.
pub fn read(into: &mut [u8]) -> usize {
    CONSOLE.lock().ring().map_or(0, |ring| ring.read(into))
}

/// The port that the console daemon rings; none where there is no ring.
pub fn port() -> Option<Port> {
    CONSOLE.lock().ring().map(|ring| ring.port())
}

/// Rings the console daemon if something was written since the last time. Called before the image
/// waits: one doorbell for all lines since.
pub fn flush() {
    if let Some(ring) = CONSOLE.lock().ring() {
        ring.flush();
    }
}

/// Waits (bounded) until the daemon has read everything: the last thing before power-off or a
/// suspension, after which nobody would be asked for the rest.
pub(crate) fn drain() {
    if let Some(ring) = CONSOLE.lock().ring() {
        ring.drain();
    }
}

/// Bytes that were thrown away because the daemon did not read for too long.
pub fn bytes_lost() -> u64 {
    CONSOLE.lock().ring.as_ref().map_or(0, |ring| ring.bytes_lost())
}

/// The way out for crash reports: port 0xe9 always, and the ring too unless the crash happened
/// while it was being written.
pub(crate) struct Emergency {
    console: Option<spin::MutexGuard<'static, Console>>,
}

impl Emergency {
    pub(crate) fn open() -> Emergency {
        let mut console = CONSOLE.try_lock();
        if let Some(console) = &mut console {
            console.ring();
        }
        Emergency { console }
    }

    /// Writes bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        early::write(bytes);
        if let Some(ring) = self.console.as_mut().and_then(|console| console.ring.as_mut()) {
            ring.write_what_fits(bytes);
        }
    }

    /// Writes a number without the help of `core::fmt`, for the panic handler.
    #[cfg(feature = "image")]
    pub(crate) fn write_decimal(&mut self, number: u32) {
        if number >= 10 {
            self.write_decimal(number / 10);
        }
        self.write(&[b'0' + (number % 10) as u8]);
    }

    /// Rings the daemon. Waits for nothing: an image that crashed may not be able to.
    pub(crate) fn close(mut self) {
        if let Some(ring) = self.console.as_mut().and_then(|console| console.ring.as_mut()) {
            ring.flush();
        }
    }
}

impl Write for Emergency {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}
