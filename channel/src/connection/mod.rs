//! The connections of one domain: the granted pages, the window slots that map a peer's pages, the
//! event channel port of each link, and the quarantine of pages that a peer still maps
//! (docs/protocol.md §7, §8, §11).
//!
//! This state belongs to the domain and survives the restart of an endpoint in place. A
//! [`Link`](crate::link::Link) decides *when* to perform an operation; this module defines how and
//! in which order, for images, simulator and tests. The state stays consistent after every error,
//! so [`Connections::release`] and [`Connections::unmap`] may be called in any state and
//! repeatedly.

mod event_storm;
mod outcome;
mod ports;

use alloc::vec::Vec;
use core::fmt;

use grant::{
    BackConnection, Fence, FrontConnection, MapError, Notify, OpenRefusal, PageWords, Quarantine,
    Stamp, Terms, VerifyError, Window, ring_bytes,
};
use xen_types::{DomId, Port};

use crate::ids::LinkId;
use crate::instant::Instant;
use crate::offer::{GrantRefs, Offer};
use event_storm::Meter;
pub use outcome::{Observation, PrepareError, Released};
pub use ports::{AllocPortError, BindError, EventChannels, Hypervisor, PeerState, PortState};

/// The connections of one domain.
pub struct Connections<X: Hypervisor> {
    xen: X,
    quarantine: Quarantine<X::OwnPages>,
    window: Window,
    ends: Vec<End<X>>,
}

/// This side's resources of one link's connection.
struct End<X: Hypervisor> {
    shared: Shared<X>,
    port: Option<Port>,
    /// The wake-up counters of the port.
    meter: Meter,
}

/// The pages that a link shares with its peer.
enum Shared<X: Hypervisor> {
    Nothing,
    Front(FrontConnection<X::OwnPages>),
    Back(BackConnection<X::ForeignPages>),
}

/// The numbers of resources that a domain holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceCounts {
    /// Window slots that map a peer's page.
    pub mappings: usize,
    /// Event channel ports of connections.
    pub ports: usize,
    /// Own pages that a peer still maps, and a peer's pages that Xen refused to unmap.
    pub quarantined: usize,
    /// The part of `quarantined` that are a peer's pages which Xen refused to unmap.
    pub stuck: usize,
}

impl<X: Hypervisor> Connections<X> {
    /// Creates the state without links. The pages of at most `page_sets` connections may be in use
    /// or in quarantine at the same time. The window has `window_slots` pages.
    pub fn new(xen: X, page_sets: usize, window_slots: usize) -> Self {
        Self {
            xen,
            quarantine: Quarantine::new(page_sets),
            window: Window::new(window_slots),
            ends: Vec::new(),
        }
    }

    /// Adds the next link, in the order of the driver's links.
    pub fn add_link(&mut self) {
        self.ends.push(End { shared: Shared::Nothing, port: None, meter: Meter::NEW });
    }

    /// The interface to Xen.
    pub const fn xen(&mut self) -> &mut X {
        &mut self.xen
    }

    /// Forgets the mappings and ports of a restored domain, which no longer exist. Call
    /// [`Driver::resumed`](crate::Driver::resumed) next.
    pub fn reset_after_restore(&mut self) {
        self.window.forget();
        for end in &mut self.ends {
            end.port = None;
        }
        // Sweep before any of the grant references is reused.
        self.sweep();
    }

    // The front.

    /// Rule C1: zeroes fresh pages, writes a header with `terms` and an open fence, grants the
    /// pages to `peer`, and allocates an unbound port.
    ///
    /// # Errors
    /// [`PrepareError`]. All resources are released, except pages in quarantine.
    ///
    /// # Panics
    /// If the link has a connection, or `pages` is not 1 to [`PAGES_MAX`](grant::PAGES_MAX).
    pub fn prepare(
        &mut self,
        link: LinkId,
        peer: DomId,
        pages: u16,
        terms: &Terms,
    ) -> Result<Offer, PrepareError> {
        assert!(
            matches!(self.end(link).shared, Shared::Nothing),
            "the link already has a connection"
        );
        if !self.quarantine.has_room() {
            return Err(PrepareError::QuarantineFull);
        }
        let set = self.xen.allocate(pages.into(), peer).ok_or(PrepareError::NoPages)?;
        let opened = FrontConnection::open(set, peer, terms, &mut self.xen, &mut self.quarantine);
        let connection = match opened {
            Ok(connection) => connection,
            Err(error) => {
                if let Some(set) = error.set {
                    self.xen.free(set);
                }
                return Err(match error.why {
                    OpenRefusal::QuarantineFull => PrepareError::QuarantineFull,
                    OpenRefusal::Grant(_) => PrepareError::NoGrants,
                });
            }
        };
        let port = match self.xen.alloc_unbound(peer) {
            Ok(port) => port,
            Err(error) => {
                self.give_up(connection);
                return Err(match error {
                    AllocPortError::NoPorts => PrepareError::NoPorts,
                    AllocPortError::Denied => PrepareError::Denied,
                });
            }
        };
        let mut refs = GrantRefs::EMPTY;
        for r in connection.refs() {
            // Both hold PAGES_MAX.
            refs.push(r).expect("one reference per page");
        }
        let ring_bytes = connection.ring_bytes();
        let end = self.end_mut(link);
        end.shared = Shared::Front(connection);
        end.open_port(port);
        Ok(Offer { port, ring_bytes, features: 0, refs })
    }

    /// Rules C4 and C5: closes the fence, so that the back stops after its current unit of work at
    /// the latest.
    pub fn fence(&mut self, link: LinkId) {
        if let Shared::Front(connection) = &self.end(link).shared {
            connection.fence();
        }
    }

    /// Rules C4 and C5: closes the port, then revokes each grant by compare-exchange. Pages that
    /// are still mapped go into quarantine.
    pub fn release(&mut self, link: LinkId) -> Released {
        let end = self.end_mut(link);
        let Shared::Front(connection) = core::mem::replace(&mut end.shared, Shared::Nothing) else {
            return Released::Freed;
        };
        connection.fence();
        // Close it before the grants end, so that a domain with the reused domid cannot bind the
        // port.
        self.close_port(link);
        self.give_up(connection)
    }

    // The back.

    /// Rule D2: maps all pages of the offer, or none.
    ///
    /// # Errors
    /// [`MapError`].
    ///
    /// # Panics
    /// If the link has a connection.
    pub fn map(&mut self, link: LinkId, peer: DomId, offer: &Offer) -> Result<(), MapError> {
        assert!(
            matches!(self.end(link).shared, Shared::Nothing),
            "the link already has a connection"
        );
        let refs = offer.refs.as_slice();
        if refs.is_empty() {
            return Err(MapError::PageCount { offered: 0 });
        }
        let expected = ring_bytes(refs.len());
        if offer.ring_bytes != expected {
            return Err(MapError::RingBytes { offered: offer.ring_bytes, expected });
        }
        let run = self.window.map(&mut self.xen, peer, refs)?;
        let pages = self.xen.foreign_pages(&run);
        self.end_mut(link).shared = Shared::Back(BackConnection::new(run, pages));
        Ok(())
    }

    /// Rule D3: checks that the header matches `terms` exactly and that the fence is open. Writes
    /// nothing.
    ///
    /// # Errors
    /// [`VerifyError`].
    ///
    /// # Panics
    /// If the link has no mapped pages.
    pub fn verify(&mut self, link: LinkId, terms: &Terms) -> Result<(), VerifyError> {
        self.back(link).expect("pages are mapped before they are verified").verify(terms)
    }

    /// Rule D4: binds a local port to the front's port.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(&mut self, link: LinkId, peer: DomId, port: Port) -> Result<(), BindError> {
        let local = self.xen.bind_interdomain(peer, port)?;
        self.end_mut(link).open_port(local);
        Ok(())
    }

    /// Rule D4: writes the stamp with the verified number, the epoch before the number.
    ///
    /// # Panics
    /// If the header was not verified.
    pub fn stamp(&mut self, link: LinkId, epoch: grant::Epoch) {
        self.back(link).expect("the header is verified before the stamp").stamp(epoch);
    }

    /// Rules D7 and D8: unmaps all pages of the link, including those left by an endpoint before
    /// its restart, *then* closes its port. Pages that Xen refuses to unmap count as quarantined;
    /// [`Self::sweep`] retries.
    pub fn unmap(&mut self, link: LinkId) -> Released {
        let end = &mut self.ends[link.index()];
        let mut port = end.port.take();
        let mut stuck = 0;
        if let Shared::Back(connection) = core::mem::replace(&mut end.shared, Shared::Nothing) {
            let xen = &mut self.xen;
            let unmapped =
                connection.unmap_with(&mut self.window, |mappings, outcomes| match port.take() {
                    Some(port) => xen.unmap_and_close(mappings, outcomes, port),
                    None => xen.unmap_run(mappings, outcomes),
                });
            stuck = unmapped.err().map_or(0, |error| error.stuck);
        }
        if let Some(port) = port {
            self.xen.close(port);
        }
        Released::of_mapped(stuck)
    }

    // Either side.

    /// Sends an event through the connection's port. Does nothing without a port.
    pub fn notify(&mut self, link: LinkId) {
        if let Some(port) = self.end(link).port {
            self.xen.send(port);
        }
    }

    /// Sends an event through the connection's port if the byte rings require it.
    pub fn notify_if(&mut self, link: LinkId, notify: Notify) {
        if notify == Notify::Due {
            self.notify(link);
        }
    }

    /// Publishes this side's words in the page header. Does nothing without a page.
    pub fn publish(&mut self, link: LinkId, words: PageWords) {
        match &self.end(link).shared {
            Shared::Front(front) => front.publish(words),
            Shared::Back(back) => back.publish(words),
            Shared::Nothing => {}
        }
    }

    /// Sets this side's closing word.
    pub fn set_closing(&mut self, link: LinkId) {
        match &self.end(link).shared {
            Shared::Front(front) => front.say_closing(),
            Shared::Back(back) => back.say_closing(),
            Shared::Nothing => {}
        }
    }

    /// Copies the peer's words from the page header. Returns `None` without a page.
    pub fn observe(&self, link: LinkId) -> Option<Observation> {
        match &self.end(link).shared {
            Shared::Front(front) => {
                let view = front.observe();
                Some(Observation {
                    stamp: view.stamp,
                    words: view.words,
                    closing: view.closing,
                    fence: Fence::Open,
                })
            }
            Shared::Back(back) => {
                let view = back.observe();
                Some(Observation {
                    stamp: Stamp::NONE,
                    words: view.words,
                    closing: view.closing,
                    fence: view.fence,
                })
            }
            Shared::Nothing => None,
        }
    }

    /// Queries the state of the link's port.
    pub fn port_state(&mut self, link: LinkId) -> PortState {
        match self.end(link).port {
            Some(port) => self.xen.status(port),
            None => PortState::Unknown,
        }
    }

    /// Retries to revoke each quarantined grant and to unmap each page that Xen refused to unmap.
    /// Returns the number of pages that are left.
    pub fn sweep(&mut self) -> usize {
        let Self { xen, quarantine, window, .. } = self;
        let own = quarantine.sweep(xen, |xen, set| xen.free(set)).pages;
        // Pages that Xen still refuses to unmap stay counted.
        let _ = window.sweep(xen);
        own + window.stuck()
    }

    // Data.

    /// The front's byte stream of a link, if connected.
    pub fn front(&mut self, link: LinkId) -> Option<&mut FrontConnection<X::OwnPages>> {
        match &mut self.end_mut(link).shared {
            Shared::Front(front) => Some(front),
            Shared::Back(_) | Shared::Nothing => None,
        }
    }

    /// The back's byte stream of a link, if connected.
    pub fn back(&mut self, link: LinkId) -> Option<&mut BackConnection<X::ForeignPages>> {
        match &mut self.end_mut(link).shared {
            Shared::Back(back) => Some(back),
            Shared::Front(_) | Shared::Nothing => None,
        }
    }

    // Waiting.

    /// The link's port, if there is one.
    pub fn port(&self, link: LinkId) -> Option<Port> {
        self.end(link).port
    }

    /// Appends the unmasked ports to `ports`, and returns when the next masked port is unmasked.
    pub fn add_ports(&mut self, now: Instant, ports: &mut Vec<Port>) -> Instant {
        let mut until = Instant::NEVER;
        for end in &mut self.ends {
            let Some(port) = end.port else { continue };
            end.meter.pass_time(now);
            if end.meter.is_masked() {
                until = until.min(end.meter.until());
            } else {
                ports.push(port);
            }
        }
        until
    }

    /// Clears the pending bits of all ports by `take_pending`, which returns whether one was set.
    /// Calls `storm` for a link when its port is masked for the first time.
    pub fn take_pending(
        &mut self,
        mut take_pending: impl FnMut(&mut X, Port) -> bool,
        mut storm: impl FnMut(LinkId),
    ) {
        for (index, end) in self.ends.iter_mut().enumerate() {
            let Some(port) = end.port else { continue };
            if take_pending(&mut self.xen, port) && end.count_event() {
                storm(LinkId::from_index(index));
            }
        }
    }

    // Getters.

    /// Whether any link has a connection, or is about to have one.
    pub fn has_connection(&self) -> bool {
        self.ends.iter().any(|end| end.port.is_some() || !matches!(end.shared, Shared::Nothing))
    }

    /// The numbers of held resources, for a leak check.
    pub fn counts(&self) -> ResourceCounts {
        ResourceCounts {
            mappings: self.window.mapped(),
            ports: self.ends.iter().filter(|end| end.port.is_some()).count(),
            quarantined: self.quarantined(),
            stuck: self.window.stuck(),
        }
    }

    /// Own pages that a peer still maps, and a peer's pages that Xen refused to unmap.
    pub fn quarantined(&self) -> usize {
        self.quarantine.state().pages + self.window.stuck()
    }

    fn give_up(&mut self, connection: FrontConnection<X::OwnPages>) -> Released {
        match connection.release(&mut self.xen, &mut self.quarantine) {
            Ok(set) => {
                self.xen.free(set);
                Released::Freed
            }
            Err(still) => Released::of_mapped(still.pages),
        }
    }

    fn close_port(&mut self, link: LinkId) {
        if let Some(port) = self.end_mut(link).port.take() {
            self.xen.close(port);
        }
    }

    fn end(&self, link: LinkId) -> &End<X> {
        &self.ends[link.index()]
    }

    fn end_mut(&mut self, link: LinkId) -> &mut End<X> {
        &mut self.ends[link.index()]
    }
}

impl<X: Hypervisor> fmt::Debug for Connections<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl<X: Hypervisor> End<X> {
    fn open_port(&mut self, port: Port) {
        (self.port, self.meter) = (Some(port), Meter::NEW);
    }

    /// Counts an event. Returns true when the port is masked for the first time.
    fn count_event(&mut self) -> bool {
        let accepted = match &self.shared {
            Shared::Front(front) => front.accepted(),
            Shared::Back(back) => back.accepted(),
            Shared::Nothing => [0; 2],
        };
        self.meter.count(accepted)
    }
}
