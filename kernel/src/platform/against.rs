//! What no honest image does to a connection: for the image `hostile` alone.

use channel::{LinkId, Platform};
use grant::{GrantEntries, GrantRef, SharedPages};

use super::{Side, XenPlatform};

impl<S: Side> XenPlatform<S> {
    /// Writes a word of the connection's pages, whatever it means. False without a connection.
    pub(crate) fn scribble(&mut self, link: LinkId, at: usize, value: u32) -> bool {
        if let Some(front) = self.front(link) {
            front.pages().store_u32(at, value);
        } else if let Some(back) = self.back(link) {
            back.pages().store_u32(at, value);
        } else {
            return false;
        }
        true
    }

    /// Takes the grants of a connection away with a plain write, which Xen forbids while they are in
    /// use and does not prevent (grant_table.h, "Invalidating an in-use r/w entry"). How many.
    pub(crate) fn revoke_by_force(&mut self, link: LinkId) -> u32 {
        let mut refs = [GrantRef(0); grant::PAGES_MAX];
        let mut count = 0;
        if let Some(front) = self.front(link) {
            for (place, r) in refs.iter_mut().zip(front.refs()) {
                *place = r;
                count += 1;
            }
        }
        for r in &refs[..count] {
            self.connections().xen().table.entries_mut().set_flags(*r, 0);
        }
        count as u32
    }
}
