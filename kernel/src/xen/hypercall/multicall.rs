//! Several hypercalls by one exit: xen/include/public/xen.h, `struct multicall_entry`, through
//! xen-sys' type. Xen makes one after the other, whatever came of those before.

use xen_sys::{__HYPERVISOR_multicall, multicall_entry};

use super::{Counted, Errno, count, require_page};

/// One of the calls: the operation and its arguments.
pub(super) fn entry(op: u32, arguments: [u64; 3]) -> multicall_entry {
    let [first, second, third] = arguments;
    multicall_entry { op: op.into(), result: 0, args: [first, second, third, 0, 0, 0] }
}

/// Makes all calls, counted as one; what came of each is in the entry, see [`result`].
///
/// # Errors
/// None was made.
///
/// # Safety
/// Each entry's arguments are what its operation expects, and the call would be sound by itself.
pub(super) unsafe fn call_all(entries: &mut [multicall_entry]) -> Result<(), Errno> {
    count(Counted::Multicall);
    require_page()?;
    let address = entries.as_mut_ptr().expose_provenance() as u64;
    let number = entries.len() as u64;
    // SAFETY: 1 and 3 as in `super::call`.
    // 2. Xen reads the entries, as many as the slice has, and writes each one's result. Whatever else
    //    it does is what the calls in them do, which is sound by the caller's promise.
    Errno::check(unsafe { xen_sys::hypercall_2(__HYPERVISOR_multicall, address, number) }).map(drop)
}

/// What came of one call.
pub(super) fn result(entry: &multicall_entry) -> Result<u64, Errno> {
    Errno::check(entry.result.cast_signed())
}
