//! The pages that Xen's toolstack sets up for a domain to talk to its daemons: xenstore's ring and
//! the console's. HVM parameters say in which frame each lies and which port goes with it.

use crate::mem::untyped::Untyped;
use crate::xen::boot_error::BootError;
use crate::xen::hypercall::event_channel::Port;
use crate::xen::hypercall::hvm;
use crate::xen::{shared_info, window};

/// Such a page.
pub(crate) struct SpecialPage {
    /// The page.
    pub(crate) page: Untyped,
    /// The port on which its daemon and this domain ring each other.
    pub(crate) port: Port,
}

impl SpecialPage {
    /// The page that the two parameters tell of. To be called once in each life of the domain.
    ///
    /// # Errors
    /// `name`, if Xen does not tell, or tells nonsense: a frame that is none, a port beyond all.
    pub(crate) fn find(
        name: &'static str,
        frame_param: u32,
        port_param: u32,
    ) -> Result<SpecialPage, BootError> {
        let untold = |errno| BootError::errno(name, errno);
        // Both by one multicall is an exit less and takes longer: 88 us, not 64, where it was counted.
        let frame = hvm::param(frame_param).map_err(untold)?;
        let port = hvm::param(port_param).map_err(untold)?;
        let port = u32::try_from(port).ok().filter(|&port| port < shared_info::PORTS);
        match (window::special_page(frame), port) {
            (Some(page), Some(port)) => Ok(SpecialPage { page, port: Port(port) }),
            _ => Err(BootError::hex(name, frame)),
        }
    }
}
