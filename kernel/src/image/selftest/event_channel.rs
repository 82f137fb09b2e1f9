//! An event channel to oneself: bind, send, wait, see the other end go.
//!
//! Binding sets the new end pending without anybody having sent: the one spurious event that
//! everything here must expect.

use super::failed::{Failed, hold, hypercall, own_number};
use crate::image::machine::Machine;
use crate::xen::events::{self, Woken};
use crate::xen::hypercall::event_channel::{self, Status};

/// Xen delivers to oneself at once; a second is for a host that has other things to do.
const WAIT_NS: u64 = 1_000_000_000;

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let own = own_number(machine)?;
    let ours = hypercall("alloc-unbound", event_channel::alloc_unbound(own))?;
    let theirs = hypercall("bind", event_channel::bind_interdomain(own, ours));
    let result = theirs.and_then(|theirs| {
        let result = converse(ours, theirs);
        hypercall("close", event_channel::close(theirs))?;
        result?;
        let status = hypercall("status", event_channel::status(ours))?;
        hold("unbound-once-peer-closed", status == Status::Unbound)
    });
    hypercall("close", event_channel::close(ours))?;
    result
}

fn converse(ours: event_channel::Port, theirs: event_channel::Port) -> Result<(), Failed> {
    let status = hypercall("status", event_channel::status(ours))?;
    hold("interdomain-once-bound", status == Status::Interdomain)?;
    events::take_pending(theirs);
    hypercall("send", event_channel::send(ours))?;
    let woken = events::wait(&[theirs], crate::xen::clock::now_ns() + WAIT_NS);
    hold("event-arrives", woken == Woken::Pending)?;
    hold("pending-set", events::take_pending(theirs))?;
    hold("pending-cleared", !events::take_pending(theirs))
}
