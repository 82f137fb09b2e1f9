//! What an image is given: the machine that boot found, checked and set up.
//!
//! Everything here is ready to use; what could not be set up has ended the run before.

use crate::boot::start_info::Boot;
use crate::image::options::Options;
use crate::xen::grants::OwnGrants;
use crate::xen::hypercall;
use crate::xen::store::StoreAccess;

/// The domain as its image sees it. An image may take it apart: each part stands alone.
pub struct Machine {
    /// The image's name.
    pub image: &'static str,
    /// The options of the command line.
    pub options: Options,
    /// xenstore.
    pub store: StoreAccess,
    /// This domain's grant table.
    pub grants: OwnGrants,
    pub(crate) boot: Boot,
}

impl Machine {
    /// This domain's number, by an exit; `None` where Xen does not tell it.
    pub fn domid(&self) -> Option<u16> {
        hypercall::domid()
    }

    /// RAM of the domain, KiB.
    pub fn memory_kib(&self) -> u64 {
        self.boot.ram_bytes() / 1024
    }
}
