//! What Xen gives a domain: hypercalls, shared info, event channels, time, special pages, the window,
//! xenstore's ring and grants.

pub mod abi;
pub(crate) mod boot_error;
pub mod clock;
pub mod events;
pub mod grants;
pub mod hypercall;
pub(crate) mod shared_info;
pub(crate) mod special_page;
pub mod store;
pub(crate) mod window;

// The page of the processor is that of Xen's interfaces.
const _: () = assert!(abi::PAGE_BYTES == crate::mem::PAGE_BYTES);
