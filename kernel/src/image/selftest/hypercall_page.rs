//! The hypercall page: Xen filled it, and a call through it arrives.
//!
//! The call is an unknown HVM parameter, which Xen refuses with EINVAL: an answer that nothing but
//! Xen would give.

use super::failed::{Failed, hold};
use crate::image::machine::Machine;
use crate::xen::hypercall::{self, Errno, hvm};

/// No such parameter (xen/include/public/hvm/params.h, HVM_NR_PARAMS is far lower).
const NO_PARAM: u32 = 0xffff;

pub(super) fn run(_: &mut Machine) -> Result<(), Failed> {
    hold("page-filled", hypercall::page_is_filled())?;
    match hvm::param(NO_PARAM) {
        Err(Errno::EINVAL) => Ok(()),
        Err(errno) => Err(Failed::found("unknown-param-einval", &errno)),
        Ok(value) => Err(Failed::found("unknown-param-refused", &value)),
    }
}
