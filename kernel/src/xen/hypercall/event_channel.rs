//! Event channel operations: xen/include/public/event_channel.h, through xen-sys' types.
//!
//! Only what an image needs. A port is a number that Xen gave us; what a peer names as its own
//! port is a [`Port`] too, and Xen checks it.

pub use xen_types::Port;

use xen_sys::{
    __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, EVTCHNOP_bind_interdomain,
    EVTCHNOP_bind_ipi, EVTCHNOP_bind_virq, EVTCHNOP_close, EVTCHNOP_send, EVTCHNOP_status,
    EVTCHNSTAT_closed, EVTCHNSTAT_interdomain, EVTCHNSTAT_ipi, EVTCHNSTAT_unbound, EVTCHNSTAT_virq,
    evtchn_alloc_unbound, evtchn_bind_interdomain, evtchn_bind_ipi, evtchn_bind_virq, evtchn_close,
    evtchn_send, evtchn_status, evtchn_status__bindgen_ty_1,
};

use super::{Errno, call, operation};
use crate::xen::abi::DOMID_SELF;

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

const OP: u32 = __HYPERVISOR_event_channel_op;

// `Operation`:
// 1. bindgen's `repr(C)` integers, and a union of such in `evtchn_status`.
// 2. Xen writes the fields that the header calls OUT, and nothing else of this domain's memory.
// 3. Event channels hold no memory. A port that is not ours is refused.
operation! {
    evtchn_alloc_unbound: OP, EVTCHNOP_alloc_unbound, EvtchnAllocUnbound;
    evtchn_bind_interdomain: OP, EVTCHNOP_bind_interdomain, EvtchnBindInterdomain;
    evtchn_bind_virq: OP, EVTCHNOP_bind_virq, EvtchnBindVirq;
    evtchn_bind_ipi: OP, EVTCHNOP_bind_ipi, EvtchnBindIpi;
    evtchn_close: OP, EVTCHNOP_close, EvtchnClose;
    evtchn_send: OP, EVTCHNOP_send, EvtchnSend;
    evtchn_status: OP, EVTCHNOP_status, EvtchnStatus;
}

/// A new port of ours that `remote` may bind to.
pub fn alloc_unbound(remote: u16) -> Result<Port, Errno> {
    let mut arg = evtchn_alloc_unbound { dom: DOMID_SELF, remote_dom: remote, port: 0 };
    call(&mut arg)?;
    Ok(Port(arg.port))
}

/// Binds a new port of ours to `remote`'s unbound one. The new port is pending at once.
pub fn bind_interdomain(remote: u16, port: Port) -> Result<Port, Errno> {
    let mut arg =
        evtchn_bind_interdomain { remote_dom: remote, remote_port: port.0, local_port: 0 };
    call(&mut arg)?;
    Ok(Port(arg.local_port))
}

/// Binds a virtual interrupt of this processor.
pub fn bind_virq(virq: u32) -> Result<Port, Errno> {
    let mut arg = evtchn_bind_virq { virq, vcpu: 0, port: 0 };
    call(&mut arg)?;
    Ok(Port(arg.port))
}

/// A channel from this processor to itself.
pub fn bind_ipi() -> Result<Port, Errno> {
    let mut arg = evtchn_bind_ipi { vcpu: 0, port: 0 };
    call(&mut arg)?;
    Ok(Port(arg.port))
}

/// Closes a port of ours.
pub fn close(port: Port) -> Result<(), Errno> {
    let mut arg = evtchn_close { port: port.0 };
    call(&mut arg).map(drop)
}

/// Rings the other end. Succeeds, and does nothing, when nobody is there any more.
pub fn send(port: Port) -> Result<(), Errno> {
    let mut arg = evtchn_send { port: port.0 };
    call(&mut arg).map(drop)
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
    call(&mut arg)?;
    #[allow(non_upper_case_globals)] // The names are the header's.
    Ok(match arg.status {
        EVTCHNSTAT_closed => Status::Closed,
        EVTCHNSTAT_unbound => Status::Unbound,
        EVTCHNSTAT_interdomain => Status::Interdomain,
        EVTCHNSTAT_virq | EVTCHNSTAT_ipi => Status::Other,
        _ => Status::Other,
    })
}
