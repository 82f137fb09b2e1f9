//! Grant table operations: size, version, and mapping another domain's pages into the window.
//!
//! Layouts and numbers in [`crate::abi::grant_table`]. Entries are written in shared memory, not by
//! hypercall: see [`crate::grants`].

use xen_sys::{
    __HYPERVISOR_event_channel_op, __HYPERVISOR_grant_table_op, EVTCHNOP_close, evtchn_close,
};

use super::event_channel::Port;
use super::{Argument, Counted, Errno, count, multicall};
use crate::abi::grant_table::{
    GENERAL_ERROR, HOST_MAP, MAP_GRANT_REF, MapGrantRef, OKAY, SET_VERSION, SetVersion,
    UNMAP_GRANT_REF, UnmapGrantRef,
};

// SAFETY: plain `repr(C)` integers, asserted against the header's layout.
unsafe impl Argument for MapGrantRef {}
// SAFETY: as above.
unsafe impl Argument for UnmapGrantRef {}
// SAFETY: as above.
unsafe impl Argument for SetVersion {}

/// Why a grant operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantError {
    /// The hypercall itself was refused.
    Hypercall(Errno),
    /// The operation was: `GNTST_*`, always negative.
    Status(i16),
}

impl core::fmt::Display for GrantError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            GrantError::Hypercall(errno) => write!(f, "{errno}"),
            GrantError::Status(status) => write!(f, "gntst{}", i32::from(*status)),
        }
    }
}

fn call<T: Argument>(what: Counted, command: u32, argument: &mut T) -> Result<(), GrantError> {
    call_all(what, command, core::slice::from_mut(argument))
}

/// One hypercall for all of `arguments`. Xen gives each operation a status of its own.
fn call_all<T: Argument>(
    what: Counted,
    command: u32,
    arguments: &mut [T],
) -> Result<(), GrantError> {
    count(what);
    let address = arguments.as_mut_ptr().expose_provenance() as u64;
    let operations = arguments.len() as u64;
    // SAFETY: as in `super::call`; these operations take the number of arguments besides, which is
    // that of the slice.
    let result = unsafe {
        xen_sys::hypercall_3(__HYPERVISOR_grant_table_op, u64::from(command), address, operations)
    };
    Errno::check(result).map(drop).map_err(GrantError::Hypercall)
}

fn okay(status: i16) -> Result<(), GrantError> {
    if status == OKAY { Ok(()) } else { Err(GrantError::Status(status)) }
}

/// Chooses version-1 entries.
pub(crate) fn choose_version_1() -> Result<(), GrantError> {
    call(Counted::GrantSetVersion, SET_VERSION, &mut SetVersion { version: 1 })
}

/// One page to be mapped, for reading and writing, at a guest-physical address, which must hold
/// nothing: RAM there would be lost, another mapping there would end the domain.
pub(crate) fn mapping(granter: u16, reference: u32, address: u64) -> MapGrantRef {
    MapGrantRef {
        host_addr: address,
        flags: HOST_MAP,
        reference,
        dom: granter,
        // What Xen does not come to is not mapped.
        status: GENERAL_ERROR,
        ..MapGrantRef::default()
    }
}

/// Maps pages, all by one hypercall. [`mapped`] reads what came of each.
pub(crate) fn map(operations: &mut [MapGrantRef]) -> Result<(), GrantError> {
    call_all(Counted::GrantMap, MAP_GRANT_REF, operations)
}

/// The handle of a page that [`map`] was asked to map.
pub(crate) fn mapped(operation: &MapGrantRef) -> Result<u32, GrantError> {
    okay(operation.status).map(|()| operation.handle)
}

/// One mapping to be undone.
pub(crate) fn unmapping(handle: u32, address: u64) -> UnmapGrantRef {
    UnmapGrantRef { host_addr: address, dev_bus_addr: 0, handle, status: GENERAL_ERROR }
}

/// Undoes mappings, all by one hypercall. [`unmapped`] reads what came of each.
pub(crate) fn unmap(operations: &mut [UnmapGrantRef]) -> Result<(), GrantError> {
    call_all(Counted::GrantUnmap, UNMAP_GRANT_REF, operations)
}

/// [`unmap`], and then closes a port of ours, by one exit. What came of the two.
pub(crate) fn unmap_and_close(
    operations: &mut [UnmapGrantRef],
    port: Port,
) -> (Result<(), GrantError>, Result<(), Errno>) {
    let mut closing = evtchn_close { port: port.0 };
    let address = operations.as_mut_ptr().expose_provenance() as u64;
    let close_address = (&raw mut closing).expose_provenance() as u64;
    let mut entries = [
        multicall::entry(
            __HYPERVISOR_grant_table_op,
            [u64::from(UNMAP_GRANT_REF), address, operations.len() as u64],
        ),
        multicall::entry(
            __HYPERVISOR_event_channel_op,
            [u64::from(EVTCHNOP_close), close_address, 0],
        ),
    ];
    // SAFETY: the first is what `call_all` passes, the second what `event_channel::close` does; both
    // structures outlive the call.
    if let Err(errno) = unsafe { multicall::call_all(&mut entries) } {
        return (Err(GrantError::Hypercall(errno)), Err(errno));
    }
    let [unmapped, closed] = &entries;
    let unmapped = multicall::result(unmapped).map(drop).map_err(GrantError::Hypercall);
    (unmapped, multicall::result(closed).map(drop))
}

/// Whether a mapping that [`unmap`] was asked to undo is no more.
pub(crate) fn unmapped(operation: &UnmapGrantRef) -> Result<(), GrantError> {
    okay(operation.status)
}
