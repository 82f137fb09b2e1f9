//! What an image is given: the machine that boot found, checked and set up.
//!
//! Everything here is ready to use; what could not be set up has ended the run before.

use crate::boot::start_info::Boot;
use crate::cpu::{self, RandomError};
use crate::options::Options;
use crate::store::StoreAccess;

/// The domain as its image sees it.
pub struct Machine {
    pub(crate) image: &'static str,
    pub(crate) domid: u16,
    pub(crate) boot: Boot,
    pub(crate) options: Options,
    pub(crate) store: StoreAccess,
}

impl Machine {
    /// The image's name.
    pub fn image(&self) -> &'static str {
        self.image
    }

    /// This domain's number.
    pub fn domid(&self) -> u16 {
        self.domid
    }

    /// RAM of the domain, KiB.
    pub fn memory_kib(&self) -> u64 {
        self.boot.ram_bytes() / 1024
    }

    /// The options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// xenstore.
    pub fn store(&mut self) -> &mut StoreAccess {
        &mut self.store
    }

    /// 64 random bits from the processor.
    ///
    /// # Errors
    /// [`RandomError::Exhausted`]; that there is RDRAND at all was checked at boot.
    pub fn random(&self) -> Result<u64, RandomError> {
        cpu::random()
    }
}
