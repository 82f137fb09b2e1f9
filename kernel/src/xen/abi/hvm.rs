//! HVM parameters: xen/include/public/hvm/params.h and hvm/hvm_op.h.
//!
//! They tell a PVH guest where its special pages and their event channels are, and take the vector
//! on which event upcalls arrive.

use core::mem::{offset_of, size_of};

/// hvm_op.h, `HVMOP_set_param`.
pub const SET_PARAM: u32 = 0;
/// hvm_op.h, `HVMOP_get_param`.
pub const GET_PARAM: u32 = 1;
/// `HVM_PARAM_CALLBACK_IRQ`.
pub const CALLBACK_IRQ: u32 = 0;
/// `HVM_PARAM_STORE_PFN`.
pub const STORE_PFN: u32 = 1;
/// `HVM_PARAM_STORE_EVTCHN`.
pub const STORE_EVTCHN: u32 = 2;
/// `HVM_PARAM_CONSOLE_PFN`.
pub const CONSOLE_PFN: u32 = 17;
/// `HVM_PARAM_CONSOLE_EVTCHN`.
pub const CONSOLE_EVTCHN: u32 = 18;
/// `HVM_PARAM_CALLBACK_TYPE_VECTOR`, in the top byte of `CALLBACK_IRQ`: the rest is a vector.
pub const CALLBACK_TYPE_VECTOR: u64 = 2;
/// Where the type lies in `CALLBACK_IRQ` (`HVM_PARAM_CALLBACK_IRQ_TYPE_MASK` is the top byte).
pub const CALLBACK_TYPE_SHIFT: u32 = 56;

/// `struct xen_hvm_param`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Param {
    /// Whose; `DOMID_SELF`.
    pub domid: u16,
    /// Padding in the header.
    pub pad: u16,
    /// Which: `HVM_PARAM_*`.
    pub index: u32,
    /// In or out.
    pub value: u64,
}
const _: () = assert!(size_of::<Param>() == 16);
const _: () = assert!(offset_of!(Param, index) == 4);
const _: () = assert!(offset_of!(Param, value) == 8);
