//! What no honest image does to a connection.

use alloc::vec::Vec;

use channel::{LinkId, Platform};
use grant::{GrantRef, SharedPages};
use kernel::platform::XenPlatform;

/// Writes a word of the connection's pages, whatever it means. False without a connection.
pub(crate) fn scribble(xen: &mut XenPlatform, link: LinkId, at: usize, value: u32) -> bool {
    if let Some(front) = xen.front(link) {
        front.pages().store_u32(at, value);
    } else if let Some(back) = xen.back(link) {
        back.pages().store_u32(at, value);
    } else {
        return false;
    }
    true
}

/// Makes the grants of a connection invalid while the peer has mapped them. How many there were.
pub(crate) fn revoke_by_force(xen: &mut XenPlatform, link: LinkId) -> u32 {
    let refs: Vec<GrantRef> = xen.front(link).map_or(Vec::new(), |front| front.refs().collect());
    for r in &refs {
        xen.connections().xen().grants().invalidate(*r);
    }
    refs.len() as u32
}
