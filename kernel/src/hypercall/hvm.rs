//! HVM parameters: where Xen's special pages and their event channels are.
//!
//! Layouts and numbers in [`crate::abi::hvm`].

use xen_sys::__HYPERVISOR_hvm_op;

use super::{Argument, Counted, Errno, call};
use crate::abi::DOMID_SELF;
use crate::abi::hvm::{GET_PARAM, Param, SET_PARAM};

// SAFETY: plain `repr(C)` integers, asserted against the header's layout.
unsafe impl Argument for Param {}

/// Reads a parameter of this domain.
pub(crate) fn param(index: u32) -> Result<u64, Errno> {
    let mut arg = Param { domid: DOMID_SELF, pad: 0, index, value: 0 };
    call(Counted::HvmGetParam, __HYPERVISOR_hvm_op, GET_PARAM, &mut arg)?;
    Ok(arg.value)
}

/// Sets a parameter of this domain.
pub(crate) fn set_param(index: u32, value: u64) -> Result<(), Errno> {
    let mut arg = Param { domid: DOMID_SELF, pad: 0, index, value };
    call(Counted::HvmSetParam, __HYPERVISOR_hvm_op, SET_PARAM, &mut arg).map(drop)
}
