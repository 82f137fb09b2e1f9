//! The granting side on real Xen: page sets out of the heap, grants, an unbound port; and how all of
//! that is given back or goes into quarantine (docs/protocol.md §7, §11).

use channel::platform::{
    ClosingWord, Fence, GrantRefs, Observation, Offer, PrepareError, Released, Terms,
};
use channel::{Epoch, GrantRef, LinkId, Number, Port};
use grant::{Closing, FrontConnection, FrontView, OpenRefusal, PageSet, SharedPages};

use super::{Side, XenPlatform, header_terms, words};
use crate::grants::OwnPages;
use crate::hypercall::Errno;
use crate::hypercall::event_channel;

impl<S: Side> XenPlatform<S> {
    pub(super) fn prepare_front(
        &mut self,
        link: LinkId,
        terms: &Terms,
    ) -> Result<Offer, PrepareError> {
        assert!(self.ends[link.index()].front.is_none(), "one connection a link");
        let set = self.take_pages(terms.pages)?;
        let peer = grant::DomId(terms.peer.0);
        let header = header_terms(terms);
        let opened =
            FrontConnection::open(set, peer, &header, &mut self.table, &mut self.quarantine);
        let connection = opened.map_err(|error| {
            self.spare.extend(error.set);
            match error.why {
                OpenRefusal::QuarantineFull => PrepareError::QuarantineFull,
                OpenRefusal::Grant(_) => PrepareError::NoGrants,
            }
        })?;
        let port = match event_channel::alloc_unbound(terms.peer.0) {
            Ok(port) => port,
            Err(errno) => {
                self.give_up(connection);
                return Err(match errno {
                    Errno::EPERM | Errno::EACCES => PrepareError::Denied,
                    _ => PrepareError::NoPorts,
                });
            }
        };
        let mut refs = GrantRefs::EMPTY;
        for r in connection.refs() {
            // A page set has at most as many pages as the list has places.
            refs.push(GrantRef(r.0)).expect("a reference for each page");
        }
        let ring_bytes = connection.ring_bytes();
        let end = &mut self.ends[link.index()];
        end.front = Some(connection);
        end.open_port(port);
        Ok(Offer { port: Port(port.0), ring_bytes, features: 0, refs })
    }

    pub(super) fn release_front(&mut self, link: LinkId) -> Released {
        let Some(connection) = self.ends[link.index()].front.take() else {
            return Released::Freed;
        };
        // The fence first, while the peer can still be told; the port before the grants, so that a
        // reused domid cannot take it up.
        connection.fence();
        self.close_port(link);
        self.give_up(connection)
    }

    /// Tries to end the grants of everything in quarantine again. Pages there before and after.
    pub(super) fn sweep_front(&mut self) -> (usize, usize) {
        let before = self.quarantine.state().pages;
        let spare = &mut self.spare;
        (before, self.quarantine.sweep(&mut self.table, |set| spare.push(set)).pages)
    }

    fn give_up(&mut self, connection: FrontConnection<OwnPages>) -> Released {
        match connection.release(&mut self.table, &mut self.quarantine) {
            grant::Released::Freed(set) => {
                self.spare.push(set);
                Released::Freed
            }
            grant::Released::Quarantined { pages } => {
                Released::Quarantined { pages: u16::try_from(pages).unwrap_or(u16::MAX) }
            }
        }
    }

    /// A free page set of this many pages: a spare one, or fresh from the heap.
    fn take_pages(&mut self, pages: u16) -> Result<PageSet<OwnPages>, PrepareError> {
        let wanted = usize::from(pages);
        if let Some(at) = self.spare.iter().position(|set| set.pages().pages() == wanted) {
            return Ok(self.spare.swap_remove(at));
        }
        if self.quarantine.state().sets + self.quarantine.state().reserved >= self.page_sets {
            return Err(PrepareError::QuarantineFull);
        }
        OwnPages::allocate(wanted).ok_or(PrepareError::NoPages)
    }
}

/// What the front sees of the back, as the driver has it. Its own fence is open while it is
/// connected: it closes it by releasing.
pub(super) fn observation(view: &FrontView) -> Observation {
    Observation {
        stamp: (Epoch::from_bytes(view.stamp.epoch.0), Number(view.stamp.number)),
        words: words(view.words),
        closing: match view.closing {
            Closing::Asked => ClosingWord::Set,
            Closing::NotAsked => ClosingWord::Clear,
        },
        fence: Fence::Open,
    }
}
