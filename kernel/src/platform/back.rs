//! The mapping side on real Xen: the peer's pages in the window of never-populated frames, and a
//! port bound to the peer's (docs/protocol.md §8).

use channel::platform::{
    BindError, ClosingWord, Fence, MapError, Observation, Offer, Released, Terms, VerifyError,
};
use channel::{DomId, Epoch, LinkId, Number, Port};
use grant::{BackConnection, BackView, Closing, GrantRef, GrantStatus, MapRefused, ring_bytes};

use super::{Side, XenPlatform, header_terms, words};
use crate::grants::ForeignPages;
use crate::hypercall::Errno;
use crate::hypercall::event_channel;

impl<S: Side> XenPlatform<S> {
    pub(super) fn map_back(
        &mut self,
        link: LinkId,
        peer: DomId,
        offer: &Offer,
    ) -> Result<(), MapError> {
        assert!(self.ends[link.index()].back.is_none(), "one connection a link");
        let offered = offer.refs.as_slice();
        if offer.ring_bytes != ring_bytes(offered.len()) {
            return Err(MapError::RingSize);
        }
        let mut refs = [GrantRef(0); channel::limits::PAGES_MAX];
        for (place, r) in refs.iter_mut().zip(offered) {
            *place = GrantRef(r.0);
        }
        let connection = BackConnection::map(
            &mut self.window,
            &mut self.mapper,
            grant::DomId(peer.0),
            &refs[..offered.len()],
            ForeignPages::of,
        )
        .map_err(|error| match error {
            grant::MapError::PageCount { .. } | grant::MapError::WindowFull { .. } => {
                MapError::NoRoom
            }
            grant::MapError::Refused { why, .. } if is_denial(why) => MapError::Denied,
            grant::MapError::RepeatedRef(_) | grant::MapError::Refused { .. } => MapError::BadGrant,
        })?;
        self.ends[link.index()].back = Some(connection);
        Ok(())
    }

    pub(super) fn verify_back(&mut self, link: LinkId, terms: &Terms) -> Result<(), VerifyError> {
        let connection = self.ends[link.index()].back.as_mut().expect("verified once mapped");
        connection.verify(&header_terms(terms)).map_err(|error| match error {
            grant::VerifyError::Magic { .. } | grant::VerifyError::Version { .. } => {
                VerifyError::MagicOrVersion
            }
            grant::VerifyError::Fenced => VerifyError::Fenced,
            grant::VerifyError::Link
            | grant::VerifyError::Epoch
            | grant::VerifyError::Number { .. }
            | grant::VerifyError::RingBytes { .. } => VerifyError::NotThisConnection,
        })
    }

    pub(super) fn bind_back(
        &mut self,
        link: LinkId,
        peer: DomId,
        port: Port,
    ) -> Result<(), BindError> {
        let bound = event_channel::bind_interdomain(peer.0, event_channel::Port(port.0));
        let local = bound.map_err(|errno| match errno {
            Errno::EPERM | Errno::EACCES => BindError::Denied,
            Errno::ENOSPC => BindError::NoPorts,
            _ => BindError::BadPort,
        })?;
        self.ends[link.index()].open_port(local);
        Ok(())
    }

    pub(super) fn stamp_back(&mut self, link: LinkId, epoch: Epoch, _number: Number) {
        // The number is the verified one: the connection keeps it.
        let connection = self.ends[link.index()].back.as_mut().expect("stamped once verified");
        connection.stamp(grant::Epoch(epoch.bytes()));
    }

    /// Tries again to unmap what Xen refused to. Slots stuck before and after.
    pub(super) fn sweep_back(&mut self) -> (usize, usize) {
        let before = self.window.stuck();
        // What is still refused stays counted.
        let _ = self.window.sweep(&mut self.mapper);
        (before, self.window.stuck())
    }

    pub(super) fn unmap_back(&mut self, link: LinkId) -> Released {
        let end = &mut self.ends[link.index()];
        let unmapped = match end.back.take() {
            Some(connection) => {
                self.mapper.close_with_unmapping(end.port.take());
                let unmapped = connection.unmap(&mut self.window, &mut self.mapper);
                end.port = self.mapper.take_unclosed();
                unmapped
            }
            None => Ok(()),
        };
        self.close_port(link);
        match unmapped {
            Ok(()) => Released::Freed,
            Err(error) => {
                crate::say!(Warn, "link {}: {error}; it is tried again", self.link_name(link));
                Released::Quarantined { pages: u16::try_from(error.stuck).unwrap_or(u16::MAX) }
            }
        }
    }
}

/// What the back sees of the front, as the driver has it.
pub(super) fn observation(view: &BackView) -> Observation {
    Observation {
        stamp: (Epoch::from_bits(0), Number(0)),
        words: words(view.words),
        closing: match view.closing {
            Closing::Asked => ClosingWord::Set,
            Closing::NotAsked => ClosingWord::Clear,
        },
        fence: match view.fence {
            grant::Fence::Open => Fence::Open,
            grant::Fence::Closed => Fence::Closed,
        },
    }
}

/// Whether Xen's security module said no (SILO forbids grants between two domUs).
fn is_denial(why: MapRefused) -> bool {
    why == MapRefused::Status(GrantStatus::PERMISSION_DENIED)
        || why == MapRefused::Hypercall(Errno::EPERM.negative())
}
