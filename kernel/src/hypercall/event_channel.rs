//! Event channel operations: xen/include/public/event_channel.h, through xen-sys' types.
//!
//! Only what an image needs. A port is a number that Xen gave us; what a peer names as its own
//! port is a [`Port`] too, and Xen checks it.

use xen_sys::{
    __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, EVTCHNOP_bind_interdomain,
    EVTCHNOP_bind_ipi, EVTCHNOP_bind_virq, EVTCHNOP_close, EVTCHNOP_send, EVTCHNOP_status,
    EVTCHNSTAT_closed, EVTCHNSTAT_interdomain, EVTCHNSTAT_ipi, EVTCHNSTAT_unbound, EVTCHNSTAT_virq,
    evtchn_alloc_unbound, evtchn_bind_interdomain, evtchn_bind_ipi, evtchn_bind_virq, evtchn_close,
    evtchn_send, evtchn_status, evtchn_status__bindgen_ty_1,
};

use super::{Argument, Counted, Errno, call};
use crate::abi::DOMID_SELF;

/// The number of an event channel's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port(pub u32);

/// What `EVTCHNOP_status` says about a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not in use.
    Closed,
    /// Waiting for its peer, or left by it.
    Unbound,
    /// Connected.
    Interdomain,
    /// Of another kind (a virtual interrupt, or one to oneself).
    Other,
}

// SAFETY: bindgen's plain `repr(C)` data of integers (a union of such in `evtchn_status`).
unsafe impl Argument for evtchn_alloc_unbound {}
// SAFETY: as above.
unsafe impl Argument for evtchn_bind_interdomain {}
// SAFETY: as above.
unsafe impl Argument for evtchn_bind_virq {}
// SAFETY: as above.
unsafe impl Argument for evtchn_bind_ipi {}
// SAFETY: as above.
unsafe impl Argument for evtchn_close {}
// SAFETY: as above.
unsafe impl Argument for evtchn_send {}
// SAFETY: as above.
unsafe impl Argument for evtchn_status {}

const OP: u32 = __HYPERVISOR_event_channel_op;

/// A new port of ours that `remote` may bind to.
pub fn alloc_unbound(remote: u16) -> Result<Port, Errno> {
    let mut arg = evtchn_alloc_unbound { dom: DOMID_SELF, remote_dom: remote, port: 0 };
    call(Counted::EvtchnAllocUnbound, OP, EVTCHNOP_alloc_unbound, &mut arg)?;
    Ok(Port(arg.port))
}

/// Binds a new port of ours to `remote`'s unbound one. The new port is pending at once.
pub fn bind_interdomain(remote: u16, port: Port) -> Result<Port, Errno> {
    let mut arg =
        evtchn_bind_interdomain { remote_dom: remote, remote_port: port.0, local_port: 0 };
    call(Counted::EvtchnBindInterdomain, OP, EVTCHNOP_bind_interdomain, &mut arg)?;
    Ok(Port(arg.local_port))
}

/// Binds a virtual interrupt of this processor.
pub fn bind_virq(virq: u32) -> Result<Port, Errno> {
    let mut arg = evtchn_bind_virq { virq, vcpu: 0, port: 0 };
    call(Counted::EvtchnBindVirq, OP, EVTCHNOP_bind_virq, &mut arg)?;
    Ok(Port(arg.port))
}

/// A channel from this processor to itself.
pub fn bind_ipi() -> Result<Port, Errno> {
    let mut arg = evtchn_bind_ipi { vcpu: 0, port: 0 };
    call(Counted::EvtchnBindIpi, OP, EVTCHNOP_bind_ipi, &mut arg)?;
    Ok(Port(arg.port))
}

/// Closes a port of ours.
pub fn close(port: Port) -> Result<(), Errno> {
    let mut arg = evtchn_close { port: port.0 };
    call(Counted::EvtchnClose, OP, EVTCHNOP_close, &mut arg).map(drop)
}

/// Rings the other end. Succeeds, and does nothing, when nobody is there any more.
pub fn send(port: Port) -> Result<(), Errno> {
    let mut arg = evtchn_send { port: port.0 };
    call(Counted::EvtchnSend, OP, EVTCHNOP_send, &mut arg).map(drop)
}

/// The state of a port of ours.
pub fn status(port: Port) -> Result<Status, Errno> {
    status_of(DOMID_SELF, port.0)
}

/// Does the domain exist? Asks about a port that no domain has: Xen looks for the domain first.
/// `ESRCH` says no; any other answer says yes.
pub fn domain_exists(domain: u16) -> bool {
    status_of(domain, u32::MAX) != Err(Errno::ESRCH)
}

fn status_of(dom: u16, port: u32) -> Result<Status, Errno> {
    let u = evtchn_status__bindgen_ty_1 { pirq: 0 };
    let mut arg = evtchn_status { dom, port, status: 0, vcpu: 0, u };
    call(Counted::EvtchnStatus, OP, EVTCHNOP_status, &mut arg)?;
    #[allow(non_upper_case_globals)] // The names are the header's.
    Ok(match arg.status {
        EVTCHNSTAT_closed => Status::Closed,
        EVTCHNSTAT_unbound => Status::Unbound,
        EVTCHNSTAT_interdomain => Status::Interdomain,
        EVTCHNSTAT_virq | EVTCHNSTAT_ipi => Status::Other,
        _ => Status::Other,
    })
}
