//! One connection, tried out: events alone, round trips, streams. The front gives orders, the back
//! obeys; on both sides in a straight line, while nothing else of the image runs.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

use channel::LinkId;
use grant::{Readiness, WakeWhen};

use super::histogram::{Histogram, Name};
use super::order::{Kind, ORDER_BYTES, Order};
use super::wire::{Broken, Wire};
use kernel::console::write_for_programs;
use kernel::platform::XenPlatform;
use kernel::{Options, clock, trace};

/// Event ping-pongs that are timed.
const PINGS: u32 = 2000;
/// So long each side keeps still before the first one: the notifications of the order itself must
/// not be taken for one. The front's is longer, so that the back is there when it comes.
const STILL_BACK_NS: u64 = 500_000;
const STILL_FRONT_NS: u64 = 2_000_000;
/// Time for dom0's console daemon to write down what was printed.
const REST_NS: u64 = 20_000_000;

/// Messages of these sizes go there and back, so many times.
const ROUND_TRIPS: [(usize, u32); 6] =
    [(1, 1000), (64, 1000), (1024, 1000), (4096, 300), (16_384, 100), (65_536, 50)];
/// Writes of these sizes are streamed, so many bytes in all.
const STREAMS: [(usize, usize); 6] = [
    (1, 8 << 10),
    (64, 256 << 10),
    (1024, 1 << 20),
    (4096, 1 << 20),
    (16_384, 1 << 20),
    (65_536, 1 << 20),
];
/// The largest of them.
const SIZE_MAX: usize = 65_536;

/// What is measured over the connection goes in here. Each figure is printed when it is complete,
/// and printing left to come to rest before the next one is taken.
pub(crate) struct Lab {
    times: Histogram,
    bytes: Vec<u8>,
    room: Vec<u8>,
    pages: u16,
}

impl Lab {
    /// Room for it all, made before anything is measured; `pages` of the connection for the names.
    /// Without `cycles=0` it stays empty.
    pub(crate) fn new(options: &Options) -> Lab {
        let size = if options.cycles == 0 { SIZE_MAX } else { 0 };
        Lab {
            times: Histogram::new("event"),
            bytes: vec![0x5a; size],
            room: vec![0; size],
            pages: options.pages,
        }
    }

    /// The front's part.
    pub(crate) fn measure(&mut self, xen: &mut XenPlatform, link: LinkId) -> Result<(), Broken> {
        let mut wire = Wire::new(xen, link);
        ping(&mut wire, &mut self.times)?;
        self.told(&mut wire);
        for (size, count) in ROUND_TRIPS {
            self.round_trips(&mut wire, size, count)?;
            self.told(&mut wire);
        }
        for (size, total) in STREAMS {
            self.stream(&mut wire, size, total)?;
        }
        Ok(())
    }

    /// Prints the times and lets the console come to rest.
    fn told(&self, wire: &mut Wire<'_>) {
        self.times.print(write_for_programs);
        wire.settle(REST_NS);
    }

    /// A message there and back, from its first byte written to its last byte read.
    fn round_trips(&mut self, wire: &mut Wire<'_>, size: usize, count: u32) -> Result<(), Broken> {
        let mut name = Name::new();
        // It fits.
        let _ = write!(name, "rt-{size}-p{}", self.pages);
        self.times.clear(name);
        wire.send(&Order { kind: Kind::Echo, size: size as u32, count }.bytes())?;
        wire.settle(STILL_FRONT_NS);
        for _ in 0..count {
            let start = clock::now_ns();
            wire.exchange(&self.bytes[..size], &mut self.room[..size])?;
            self.times.record(clock::now_ns() - start);
        }
        if self.room[..size] == self.bytes[..size] { Ok(()) } else { Err(Broken::Connection) }
    }

    /// Writes of `size` bytes one after the other, `total` bytes, until the back has them all.
    fn stream(&mut self, wire: &mut Wire<'_>, size: usize, total: usize) -> Result<(), Broken> {
        let count = (total / size) as u32;
        wire.send(&Order { kind: Kind::Sink, size: size as u32, count }.bytes())?;
        wire.settle(STILL_FRONT_NS);
        let rung = wire.rung;
        let start = clock::now_ns();
        for _ in 0..count {
            wire.send(&self.bytes[..size])?;
        }
        let mut answer = [0; 4];
        wire.receive(&mut answer)?;
        let ns = clock::now_ns() - start;
        let (front, back) = (wire.rung - rung, u32::from_le_bytes(answer));
        let pages = self.pages;
        trace!(
            "stream pages={pages} size={size} bytes={total} ns={ns} notified.fe={front} notified.be={back}"
        );
        wire.settle(REST_NS);
        Ok(())
    }
}

/// (b) One event there and one back, and nothing else.
fn ping(wire: &mut Wire<'_>, pings: &mut Histogram) -> Result<(), Broken> {
    wire.send(&Order { kind: Kind::Ping, size: 0, count: PINGS }.bytes())?;
    wire.receive(&mut [0])?;
    wire.settle(STILL_FRONT_NS);
    for _ in 0..PINGS {
        let start = clock::now_ns();
        wire.ring();
        wire.await_event()?;
        pings.record(clock::now_ns() - start);
    }
    Ok(())
}

/// The back's part: one order after the other.
pub(crate) fn obey(
    xen: &mut XenPlatform,
    link: LinkId,
    order: Order,
    unit: &mut [u8],
) -> Result<(), Broken> {
    let mut wire = Wire::new(xen, link);
    match order.kind {
        Kind::Ping => {
            wire.send(&[1])?;
            wire.settle(STILL_BACK_NS);
            for _ in 0..order.count {
                wire.await_event()?;
                wire.ring();
            }
        }
        Kind::Echo | Kind::Sink => {
            let mut left = order.payload();
            while left > 0 {
                let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(unit.len());
                let read = wire.read(&mut unit[..bytes])?;
                if read == 0 {
                    wire.sleep(WakeWhen { readable: 1, writable: 0 })?;
                    continue;
                }
                left -= read as u64;
                if order.kind == Kind::Echo {
                    wire.send(&unit[..read])?;
                } else {
                    wire.flush()?;
                }
            }
            if order.kind == Kind::Sink {
                let rung = wire.rung;
                wire.send(&rung.to_le_bytes())?;
            }
        }
    }
    Ok(())
}

/// Echoes what is there of `left` bytes, without waiting for the rest. How many that were.
pub(crate) fn echo_what_is_there(
    xen: &mut XenPlatform,
    link: LinkId,
    left: u64,
    unit: &mut [u8],
) -> Result<u64, Broken> {
    let mut wire = Wire::new(xen, link);
    let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(unit.len());
    let read = wire.read(&mut unit[..bytes])?;
    wire.send(&unit[..read])?;
    Ok(read as u64)
}

/// Asks to be woken by the next byte.
pub(crate) fn ask_for_more(xen: &mut XenPlatform, link: LinkId) -> Result<Readiness, Broken> {
    Wire::new(xen, link).ask(WakeWhen { readable: 1, writable: 0 })
}

/// The order that has come, if one has.
pub(crate) fn next_order(xen: &mut XenPlatform, link: LinkId) -> Result<Option<Order>, Broken> {
    let mut wire = Wire::new(xen, link);
    let mut bytes = [0; ORDER_BYTES];
    let read = wire.read(&mut bytes)?;
    if read == 0 {
        return Ok(None);
    }
    // The rest of it is on its way.
    wire.receive(&mut bytes[read..])?;
    Order::parse(&bytes).map(Some).ok_or(Broken::Peer)
}
