//! What no honest image does to a connection: for the image `hostile` alone.

use channel::LinkId;
use grant::{GrantEntries, GrantRef, SharedPages};

use super::{Connection, Side, XenPlatform};

impl<S: Side> XenPlatform<S> {
    /// Writes a word of the connection's pages, whatever it means. False without a connection.
    pub(crate) fn scribble(&self, link: LinkId, at: usize, value: u32) -> bool {
        match self.connection(link) {
            Connection::Front(front) => front.pages().store_u32(at, value),
            Connection::Back(back) => back.pages().store_u32(at, value),
            Connection::None => return false,
        }
        true
    }

    /// Takes the grants of a connection away with a plain write, which Xen forbids while they are in
    /// use and does not prevent (grant_table.h, "Invalidating an in-use r/w entry"). How many.
    pub(crate) fn revoke_by_force(&mut self, link: LinkId) -> u32 {
        let mut revoked = 0;
        if let Some(front) = &self.ends[link.index()].front {
            for GrantRef(r) in front.refs() {
                self.table.entries_mut().set_flags(GrantRef(r), 0);
                revoked += 1;
            }
        }
        revoked
    }
}
