//! What an image says: lines for people through `say!`, lines for programs through `trace!`.
//!
//! Two ways out: port 0xe9 (Xen's own console; needs nothing, costs one exit a byte) until the PV
//! console ring is attached, and then only when the image crashes; and the ring, which
//! `xenconsoled` logs. One lock guards both; a crash report goes around it.

use core::fmt::{self, Write};

use spin::Mutex;

use crate::hypercall::event_channel::Port;

mod early;
mod lines;
mod ring;

pub(crate) use lines::set_level;
pub use lines::{Level, write_for_programs, write_leveled, write_line};
pub(crate) use ring::Ring;

/// The output of the image.
struct Console {
    ring: Option<Ring>,
}

static CONSOLE: Mutex<Console> = Mutex::new(Console { ring: None });

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match &mut self.ring {
            Some(ring) => ring.write(text.as_bytes()),
            None => early::write(text.as_bytes()),
        }
        Ok(())
    }
}

/// From now on output goes to this ring.
pub(crate) fn attach(mut ring: Ring) {
    let mut console = CONSOLE.lock();
    if let Some(former) = &console.ring {
        ring.follow(former);
    }
    console.ring = Some(ring);
}

/// Takes what was typed, as far as it fits; how many bytes.
pub fn read(into: &mut [u8]) -> usize {
    CONSOLE.lock().ring.as_mut().map_or(0, |ring| ring.read(into))
}

/// The port that the console daemon rings; none before the ring is attached.
pub fn port() -> Option<Port> {
    CONSOLE.lock().ring.as_ref().map(Ring::port)
}

/// Rings the console daemon if something was written since the last time. Called before the image
/// waits: one doorbell for all lines since.
pub(crate) fn flush() {
    if let Some(ring) = &mut CONSOLE.lock().ring {
        ring.flush();
    }
}

/// Waits (bounded) until the daemon has read everything: the last thing before power-off or a
/// suspension, after which nobody would be asked for the rest.
pub(crate) fn drain() {
    if let Some(ring) = &mut CONSOLE.lock().ring {
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
        Emergency { console: CONSOLE.try_lock() }
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
