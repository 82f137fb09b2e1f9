//! Grant table operations: size, version, and mapping another domain's pages into the window.
//!
//! Layouts and numbers in [`crate::xen::abi::grant_table`]. Entries are written in shared memory, not by
//! hypercall: see [`crate::xen::grants`].

use xen_sys::{
    __HYPERVISOR_event_channel_op, __HYPERVISOR_grant_table_op, EVTCHNOP_close, evtchn_close,
};

use super::event_channel::Port;
use super::{Counted, Errno, count, multicall, require_page};
use crate::xen::abi::grant_table::{
    GENERAL_ERROR, HOST_MAP, MAP_GRANT_REF, MapGrantRef, OKAY, SET_VERSION, SetVersion,
    UNMAP_GRANT_REF, UnmapGrantRef,
};
use crate::xen::window::WindowFrame;

/// An operation on the grant table: each call makes any number of one kind.
///
/// # Safety
/// As for [`super::Operation`], of each structure of the array that is handed over.
unsafe trait GrantOperation {
    /// `GNTTABOP_*`.
    const COMMAND: u32;
    /// How it is counted.
    const COUNTED: Counted;
}

/// One page of another domain to be mapped, for reading and writing, in a frame of the window. The
/// command replaces what the frame had, so [`Map::new`] alone makes a value.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Map(MapGrantRef);

/// One mapping to be undone.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Unmap(UnmapGrantRef);

// SAFETY:
// 1. Integers, their layout asserted in `abi`.
// 2. Xen writes the fields that the header calls OUT, and nothing else of this domain's memory.
// 3. `Map::new` makes the only values, and names a frame of the window, which never had RAM: what is
//    replaced is no Rust object. `HOST_MAP` alone is asked for, so Xen makes no mapping elsewhere.
unsafe impl GrantOperation for Map {
    const COMMAND: u32 = MAP_GRANT_REF;
    const COUNTED: Counted = Counted::GrantMap;
}

// SAFETY: 1 and 2 as above.
// 3. `Unmap::new` makes the only values, and names a frame of the window. Xen refuses where the frame
//    has no such mapping.
unsafe impl GrantOperation for Unmap {
    const COMMAND: u32 = UNMAP_GRANT_REF;
    const COUNTED: Counted = Counted::GrantUnmap;
}

// SAFETY: 1 and 2 as above.
// 3. What changes is how Xen reads the grant table, not memory; it refuses while grants are active.
unsafe impl GrantOperation for SetVersion {
    const COMMAND: u32 = SET_VERSION;
    const COUNTED: Counted = Counted::GrantSetVersion;
}

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

/// One hypercall for all of `arguments`. Xen gives each operation a status of its own.
fn call_all<T: GrantOperation>(arguments: &mut [T]) -> Result<(), GrantError> {
    count(T::COUNTED);
    require_page().map_err(GrantError::Hypercall)?;
    let address = arguments.as_mut_ptr().expose_provenance() as u64;
    let operations = arguments.len() as u64;
    // SAFETY: 1 and 3 as in `super::call`.
    // 2. Xen reads and writes as many structures as the slice has, which is borrowed for the call, and
    //    changes no other memory: `T` is a `GrantOperation`.
    let result = unsafe {
        xen_sys::hypercall_3(
            __HYPERVISOR_grant_table_op,
            u64::from(T::COMMAND),
            address,
            operations,
        )
    };
    Errno::check(result).map(drop).map_err(GrantError::Hypercall)
}

fn okay(status: i16) -> Result<(), GrantError> {
    if status == OKAY { Ok(()) } else { Err(GrantError::Status(status)) }
}

/// Chooses version-1 entries.
pub(crate) fn choose_version_1() -> Result<(), GrantError> {
    call_all(&mut [SetVersion { version: 1 }])
}

impl Map {
    /// A page that `granter` has granted. Another mapping in the same frame would end the domain.
    pub(crate) fn new(granter: u16, reference: u32, frame: WindowFrame) -> Map {
        Map(MapGrantRef {
            host_addr: frame.address(),
            flags: HOST_MAP,
            reference,
            dom: granter,
            // What Xen does not come to is not mapped.
            status: GENERAL_ERROR,
            ..MapGrantRef::default()
        })
    }

    /// The handle of the page, once [`map`] was asked to map it.
    pub(crate) fn handle(&self) -> Result<u32, GrantError> {
        okay(self.0.status).map(|()| self.0.handle)
    }
}

impl Unmap {
    /// The mapping that has this handle and lies in this frame.
    pub(crate) fn new(handle: u32, frame: WindowFrame) -> Unmap {
        let host_addr = frame.address();
        Unmap(UnmapGrantRef { host_addr, dev_bus_addr: 0, handle, status: GENERAL_ERROR })
    }

    /// Whether the mapping is no more, once [`unmap`] was asked to undo it.
    pub(crate) fn outcome(&self) -> Result<(), GrantError> {
        okay(self.0.status)
    }
}

/// Maps pages, all by one hypercall. [`Map::handle`] tells what came of each.
pub(crate) fn map(operations: &mut [Map]) -> Result<(), GrantError> {
    call_all(operations)
}

/// Undoes mappings, all by one hypercall. [`Unmap::outcome`] tells what came of each.
pub(crate) fn unmap(operations: &mut [Unmap]) -> Result<(), GrantError> {
    call_all(operations)
}

/// [`unmap`], and then closes a port of ours, by one exit. What came of the two.
pub(crate) fn unmap_and_close(
    operations: &mut [Unmap],
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
    // SAFETY: the first is the call that `call_all` makes of the same slice, the second the one that
    // `event_channel::close` makes. Both are sound, and their structures outlive this call.
    if let Err(errno) = unsafe { multicall::call_all(&mut entries) } {
        return (Err(GrantError::Hypercall(errno)), Err(errno));
    }
    let [unmapped, closed] = &entries;
    let unmapped = multicall::result(unmapped).map(drop).map_err(GrantError::Hypercall);
    (unmapped, multicall::result(closed).map(drop))
}
