//! One connection, tried out: events alone, round trips, streams. The front gives orders, the back
//! obeys; on both sides in a straight line, while nothing else of the image runs.

use channel::LinkId;
use grant::{Readiness, Wish};

use super::histogram::Histogram;
use super::order::{Kind, ORDER_BYTES, Order};
use super::wire::{Broken, Wire};
use crate::clock;
use crate::platform::{Side, XenPlatform};

/// Event ping-pongs that are timed.
const PINGS: u32 = 2000;
/// So long each side keeps still before the first one: the notifications of the order itself must
/// not be taken for one. The front's is longer, so that the back is there when it comes.
const STILL_BACK_NS: u64 = 500_000;
const STILL_FRONT_NS: u64 = 2_000_000;

/// What the front measured over the connection.
pub(super) struct Results {
    pings: Histogram,
}

impl Results {
    /// Room for them, made before anything is measured.
    pub(super) fn new() -> Results {
        Results { pings: Histogram::new("event") }
    }

    /// Prints all.
    pub(super) fn print(&self) {
        self.pings.print();
    }
}

/// What needs one domain only.
pub(super) fn alone() {}

/// The front's part.
pub(super) fn measure<S: Side>(
    xen: &mut XenPlatform<S>,
    link: LinkId,
    results: &mut Results,
) -> Result<(), Broken> {
    let mut wire = Wire { xen, link };
    ping(&mut wire, &mut results.pings)
}

/// (b) One event there and one back, and nothing else.
fn ping<S: Side>(wire: &mut Wire<'_, S>, pings: &mut Histogram) -> Result<(), Broken> {
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
pub(super) fn obey<S: Side>(
    xen: &mut XenPlatform<S>,
    link: LinkId,
    order: Order,
    unit: &mut [u8],
) -> Result<(), Broken> {
    let mut wire = Wire { xen, link };
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
                    wire.sleep(Wish { readable: 1, writable: 0 })?;
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
                wire.send(&[1])?;
            }
        }
    }
    Ok(())
}

/// Echoes what is there of `left` bytes, without waiting for the rest. How many that were.
pub(super) fn echo_what_is_there<S: Side>(
    xen: &mut XenPlatform<S>,
    link: LinkId,
    left: u64,
    unit: &mut [u8],
) -> Result<u64, Broken> {
    let mut wire = Wire { xen, link };
    let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(unit.len());
    let read = wire.read(&mut unit[..bytes])?;
    wire.send(&unit[..read])?;
    Ok(read as u64)
}

/// Asks to be woken by the next byte.
pub(super) fn ask_for_more<S: Side>(
    xen: &mut XenPlatform<S>,
    link: LinkId,
) -> Result<Readiness, Broken> {
    Wire { xen, link }.ask(Wish { readable: 1, writable: 0 })
}

/// The order that has come, if one has.
pub(super) fn next_order<S: Side>(
    xen: &mut XenPlatform<S>,
    link: LinkId,
) -> Result<Option<Order>, Broken> {
    let mut wire = Wire { xen, link };
    let mut bytes = [0; ORDER_BYTES];
    let read = wire.read(&mut bytes)?;
    if read == 0 {
        return Ok(None);
    }
    // The rest of it is on its way.
    wire.receive(&mut bytes[read..])?;
    Order::parse(&bytes).map(Some).ok_or(Broken::Peer)
}
