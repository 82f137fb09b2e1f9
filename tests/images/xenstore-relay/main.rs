//! The image xenstore-relay: bytes from the console go into the xenstore ring, bytes from the ring
//! to the console, so that a program in dom0 speaks to the daemon as this unprivileged domain. What
//! the bytes mean is that program's business (tests/recorder/).
//!
//! In: two hex digits are a byte of a request, a line's end rings the daemon's doorbell, `z` leaves
//! replies in the ring from now on, `w` takes them again, `q` ends the image. Out: lines
//! `@R HEX` with bytes of replies, cut anywhere.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

use xenbus::ring::{ReplyRing, RequestRing};

use kernel::hypercall::event_channel::Port;
use kernel::store::StoreRing;
use kernel::{ExitStatus, Machine, clock, console, events, trace};

/// How long nobody may type before the image takes its user for dead: ten minutes, more than any
/// pause of a script.
const IDLE_MAX_NS: u64 = 600_000_000_000;
/// Typed characters taken at once.
const TYPED_BYTES: usize = 256;
/// Reply bytes in one line.
const LINE_BYTES: usize = 256;

/// What is on its way in either direction.
struct Relay {
    ring: StoreRing,
    requests: RequestRing,
    replies: ReplyRing,
    /// Request bytes for which there was no room yet; less than was typed at once.
    pending: Vec<u8>,
    /// The first digit of a byte.
    high: Option<u8>,
    /// Replies stay in the ring.
    asleep: bool,
    ended: bool,
}

/// Why the relay ends early.
enum Trouble {
    Ring(xenbus::error::Ended),
    Typed(u8),
    Idle,
}

impl core::fmt::Display for Trouble {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Trouble::Ring(ended) => ended.fmt(f),
            Trouble::Typed(byte) => write!(f, "typed-{byte:#x}-which-means-nothing"),
            Trouble::Idle => f.write_str("nobody-typed-for-ten-minutes"),
        }
    }
}

kernel::entry!(main);

fn main(machine: Machine) -> ExitStatus {
    let Some(port) = console::port() else { return ExitStatus::error("no console") };
    let mut relay = Relay {
        ring: machine.store.ring,
        requests: RequestRing::new(),
        replies: ReplyRing::new(),
        pending: Vec::new(),
        high: None,
        asleep: false,
        ended: false,
    };
    relay.requests.adopt(&relay.ring);
    relay.replies.adopt(&relay.ring);
    trace!("relay ready=1");
    match relay.run(port) {
        Ok(()) => ExitStatus::success("asked to end"),
        Err(trouble) => ExitStatus::error(trouble),
    }
}

impl Relay {
    fn run(&mut self, console: Port) -> Result<(), Trouble> {
        let ports = [console, self.ring.port()];
        let mut idle_ns = clock::now_ns().saturating_add(IDLE_MAX_NS);
        while !self.ended {
            // Cleared before the look, so that what comes in between is seen by the wait.
            for port in ports {
                events::take_pending(port);
            }
            let typed = self.take_typed()?;
            if typed {
                idle_ns = clock::now_ns().saturating_add(IDLE_MAX_NS);
            }
            if typed | self.send_pending()? | self.show_replies()? {
                continue;
            }
            if clock::now_ns() >= idle_ns {
                return Err(Trouble::Idle);
            }
            events::wait(&ports, idle_ns);
        }
        Ok(())
    }

    /// Takes some of what was typed, unless earlier bytes still wait; whether there was any.
    fn take_typed(&mut self) -> Result<bool, Trouble> {
        if !self.pending.is_empty() {
            return Ok(false);
        }
        let mut typed = [0; TYPED_BYTES];
        let count = console::read(&mut typed);
        for byte in typed.into_iter().take(count) {
            match byte {
                b'0'..=b'9' => self.digit(byte - b'0'),
                b'a'..=b'f' => self.digit(byte - b'a' + 10),
                b'\n' => {
                    self.send_pending()?;
                    self.ring.ring_doorbell();
                }
                b'z' => self.asleep = true,
                b'w' => self.asleep = false,
                b'q' => self.ended = true,
                other => return Err(Trouble::Typed(other)),
            }
        }
        Ok(count > 0)
    }

    fn digit(&mut self, digit: u8) {
        match self.high.take() {
            None => self.high = Some(digit),
            Some(high) => self.pending.push(high << 4 | digit),
        }
    }

    /// Puts as many request bytes into the ring as fit; whether any did.
    fn send_pending(&mut self) -> Result<bool, Trouble> {
        let space = self.requests.space(&self.ring).map_err(Trouble::Ring)?;
        let count = self.pending.len().min(space as usize);
        if count == 0 {
            return Ok(false);
        }
        let bytes: Vec<u8> = self.pending.drain(..count).collect();
        self.requests.put(&mut self.ring, &bytes);
        // Always rung: what is saved by not ringing is not wanted here.
        let _ = self.requests.publish(&mut self.ring);
        self.ring.ring_doorbell();
        Ok(true)
    }

    /// Takes reply bytes out of the ring, unless told to leave them; whether there were any.
    fn show_replies(&mut self) -> Result<bool, Trouble> {
        if self.asleep {
            return Ok(false);
        }
        self.replies.refresh(&self.ring).map_err(Trouble::Ring)?;
        let mut bytes = [0; LINE_BYTES];
        let count = self.replies.take(&self.ring, &mut bytes);
        if count == 0 {
            return Ok(false);
        }
        let _ = self.replies.publish(&mut self.ring).map_err(Trouble::Ring)?;
        self.ring.ring_doorbell();
        let mut line = String::with_capacity(2 * count);
        for byte in bytes.into_iter().take(count) {
            for digit in [byte >> 4, byte & 15] {
                line.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
        console::write_line(format_args!("@R {line}"));
        Ok(true)
    }
}
