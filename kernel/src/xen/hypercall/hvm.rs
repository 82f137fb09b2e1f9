//! HVM parameters: where Xen's special pages and their event channels are.
//!
//! Layouts and numbers in [`crate::xen::abi::hvm`].

use xen_sys::__HYPERVISOR_hvm_op;

use super::{Errno, call, operation};
use crate::xen::abi::DOMID_SELF;
use crate::xen::abi::hvm::{CALLBACK_IRQ, GET_PARAM, Param, SET_PARAM};

/// A parameter to be read.
#[repr(transparent)]
struct Get(Param);

/// A parameter to be set, made by [`set_callback`] alone: others name memory that Xen then writes
/// (`HVM_PARAM_VM86_TSS`).
#[repr(transparent)]
struct Set(Param);

// `Operation`:
// 1. Integers, their layout asserted in `abi`.
// 2. Xen writes the value of a parameter that is read, and nothing else.
// 3. `set_callback` makes the only values that are set: an interrupt or a vector, not memory.
operation! {
    Get: __HYPERVISOR_hvm_op, GET_PARAM, HvmGetParam;
    Set: __HYPERVISOR_hvm_op, SET_PARAM, HvmSetParam;
}

/// Reads a parameter of this domain.
///
/// # Errors
/// As Xen says: there is no such parameter, or it may not be read.
pub fn param(index: u32) -> Result<u64, Errno> {
    let mut arg = Get(Param { domid: DOMID_SELF, pad: 0, index, value: 0 });
    call(&mut arg)?;
    Ok(arg.0.value)
}

/// Sets how event upcalls arrive: `HVM_PARAM_CALLBACK_IRQ`.
pub(crate) fn set_callback(value: u64) -> Result<(), Errno> {
    call(&mut Set(Param { domid: DOMID_SELF, pad: 0, index: CALLBACK_IRQ, value })).map(drop)
}
