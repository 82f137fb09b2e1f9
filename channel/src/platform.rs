//! What the driver needs of the domain it runs in: time, xenstore's ring, pages, ports. Implemented
//! by `kernel/` over `grant/` on real Xen, and by the simulator over the same `grant/` and a
//! simulated Xen.
//!
//! The driver decides *when* each of these is called (docs/protocol.md §7 to §11); an
//! implementation decides nothing. Calls for a front come for links added as
//! [`Role::Front`](crate::Role) only, and likewise for backs. Whatever a call returns, the
//! implementation keeps its own books, so that [`release`](Platform::release) and
//! [`unmap`](Platform::unmap) may come in any state and more than once.

use crate::epoch::{Epoch, EpochSource};
use crate::ids::{DomId, GrantRef, LinkId, Number, Port, Role};
use crate::instant::Instant;
use crate::limits::PAGES_MAX;
use crate::names::LinkName;
use crate::step::Step;

/// What a connection is about, agreed before its first byte: what the front writes into the page
/// header and what the back must find there (docs/protocol.md §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The link's name, for the header.
    pub link: LinkName,
    /// The other domain: whom to grant to and whose port to bind.
    pub peer: DomId,
    /// The *front's* epoch of this session, on both sides.
    pub epoch: Epoch,
    /// The connection's number.
    pub number: Number,
    /// Pages of the connection, 1 to [`PAGES_MAX`].
    pub pages: u16,
}

/// What a front offers in CONNECT: where the back finds pages and port. Untrusted on the back's
/// side but for its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Offer {
    /// The front's unbound port.
    pub port: Port,
    /// Bytes of each of the two rings.
    pub ring_bytes: u32,
    /// Optional features, bit by bit; 0 today. A back ignores bits it does not know.
    pub features: u32,
    /// The pages.
    pub refs: GrantRefs,
}

/// One to [`PAGES_MAX`] grant references in order. Unused places are kept zero, so that equal lists
/// are equal values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GrantRefs {
    refs: [GrantRef; PAGES_MAX],
    count: u8,
}

impl GrantRefs {
    /// No reference yet.
    pub const EMPTY: Self = Self { refs: [GrantRef(0); PAGES_MAX], count: 0 };

    /// Appends one; `Err` gives it back when the list is full.
    pub fn push(&mut self, reference: GrantRef) -> Result<(), GrantRef> {
        let place = self.refs.get_mut(usize::from(self.count)).ok_or(reference)?;
        *place = reference;
        self.count += 1;
        Ok(())
    }

    /// The references in order.
    pub fn as_slice(&self) -> &[GrantRef] {
        let count = usize::from(self.count);
        assert!(count <= PAGES_MAX);
        &self.refs[..count]
    }
}

/// Why a front could not prepare a connection. Nothing is left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrepareError {
    /// The quarantine holds all the pages that it may: the peer still maps old ones.
    QuarantineFull,
    /// No free page.
    NoPages,
    /// No free grant reference.
    NoGrants,
    /// No free event channel port.
    NoPorts,
    /// Xen forbids event channels or grants between the two domains (XSM, SILO): EPERM.
    Denied,
}

xenbus::words! {
    PrepareError,
    /// The word that is printed.
    fn word {
        QuarantineFull => "quarantine-full",
        NoPages => "no-pages",
        NoGrants => "no-grants",
        NoPorts => "no-ports",
        Denied => "denied-by-xen",
    }
}

/// Why a back could not map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapError {
    /// No room in the window of foreign frames, or more pages than this back takes.
    NoRoom,
    /// The ring size is not the one that so many pages give.
    RingSize,
    /// Xen refused a grant reference: ended, foreign or nonsense.
    BadGrant,
    /// Xen forbids it (XSM, SILO): EPERM.
    Denied,
}

/// What is wrong with a page header. Found before anything was written into the page (rule D3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerifyError {
    /// Not a Tether page, or not of this layout's version.
    MagicOrVersion,
    /// Another link, epoch, number or ring size: the page is not this connection's.
    NotThisConnection,
    /// The fence is not open for this connection.
    Fenced,
}

/// Why a back could not bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindError {
    /// No free local port.
    NoPorts,
    /// The front's port is not there, not unbound, or not for us.
    BadPort,
    /// Xen forbids it (XSM, SILO): EPERM.
    Denied,
}

/// What became of a released connection's pages (docs/protocol.md §11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Released {
    /// Every grant was ended by compare-exchange; the pages are free.
    Freed,
    /// So many pages are still mapped by somebody, and wait in quarantine.
    Quarantined {
        /// Pages newly quarantined, at least 1.
        pages: u16,
    },
}

/// The state of the quarantine after a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct QuarantineState {
    /// Pages that are still mapped: own ones by somebody, or a peer's by us against our will.
    pub pages: u32,
    /// Pages freed by this sweep.
    pub freed: u32,
}

/// What a side publishes in the page header (docs/protocol.md §9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PageWords {
    /// The beat counter.
    pub beat: u32,
    /// Last sequence number that a WRITE has put into the peer's mailbox.
    pub sent: u32,
    /// Last sequence number delivered from the peer: the acknowledgement while connected.
    pub delivered: u32,
}

/// The fence, as the back reads it. A front sees its own and reports [`Fence::Open`] while it did
/// not close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fence {
    /// Open for the connection's epoch and number.
    Open,
    /// Anything else.
    Closed,
}

/// The closing word of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClosingWord {
    /// Not set.
    Clear,
    /// The peer asks to end the connection.
    Set,
}

/// A copy of what the peer has in the page header. Every word is the peer's to write, at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Observation {
    /// The back's stamp: its epoch and the connection's number, number read first (it is written
    /// last).
    pub stamp: (Epoch, Number),
    /// The peer's published words.
    pub words: PageWords,
    /// The peer's closing word.
    pub closing: ClosingWord,
    /// The fence.
    pub fence: Fence,
}

/// EVTCHNOP_status of the own port (xen/include/public/event_channel.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortState {
    /// EVTCHNSTAT_interdomain: the other end is there.
    Bound,
    /// EVTCHNSTAT_unbound: nobody yet, or the other end closed or died.
    Unbound,
    /// No port of this link, or Xen would not say.
    Unknown,
}

/// EVTCHNOP_status of (peer, port ~0): -ESRCH or something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerState {
    /// There is a domain with that domid.
    Exists,
    /// ESRCH: there is none.
    Gone,
    /// Xen would not say.
    Unknown,
}

/// What the driver needs of the domain it runs in.
pub trait Platform: EpochSource {
    /// Xenstore's ring page.
    type Ring: xenbus::RingPage;

    /// The only role that links of this program have, if it is but one. The code that serves the
    /// other one is then left out of the program.
    const ONLY_ROLE: Option<Role> = None;

    /// The present moment of a clock that never steps back.
    fn now(&mut self) -> Instant;
    /// The own domid, which the permissions of the own mailbox name first.
    fn domid(&mut self) -> DomId;
    /// Xenstore's ring page.
    fn store_ring(&mut self) -> &mut Self::Ring;
    /// Sends the event that tells xenstored to look at the ring.
    fn ring_store_doorbell(&mut self);

    /// Front, rule C1: zeroes the pages, writes the header (open for `terms`), grants, allocates an
    /// unbound port. On an error nothing is left behind.
    fn prepare(&mut self, link: LinkId, terms: &Terms) -> Result<Offer, PrepareError>;
    /// Front, rules C4 and C5: closes the fence, closes the port, revokes each grant by
    /// compare-exchange; what is still mapped goes into quarantine. Called once for each successful
    /// `prepare`, and in doubt once more: then it frees nothing and says so.
    fn release(&mut self, link: LinkId) -> Released;

    /// Back, rule D2: maps all pages of the offer, or none.
    fn map(&mut self, link: LinkId, peer: DomId, offer: &Offer) -> Result<(), MapError>;
    /// Back, rule D3: the header must say exactly `terms`, fence open. Writes nothing.
    fn verify(&mut self, link: LinkId, terms: &Terms) -> Result<(), VerifyError>;
    /// Back, rule D4: binds a local port to the front's.
    fn bind(&mut self, link: LinkId, peer: DomId, port: Port) -> Result<(), BindError>;
    /// Back, rule D4: writes the stamp, epoch before number. The last thing that setting up does to
    /// the page.
    fn stamp(&mut self, link: LinkId, epoch: Epoch, number: Number);
    /// Back, rules D7 and D8: unmaps whatever the link has mapped, *then* closes its port. Idempotent;
    /// it also finds what a former life of the endpoint in this domain has left. Pages that Xen
    /// refuses to unmap count as quarantined here too: [`Platform::sweep_quarantine`] tries again.
    fn unmap(&mut self, link: LinkId) -> Released;

    /// Either: sends the connection's event. A missing port is no error.
    fn notify(&mut self, link: LinkId);
    /// Either: publishes the own words in the page header. Without a page nothing happens.
    fn publish(&mut self, link: LinkId, words: PageWords);
    /// Either: sets the own closing word and nothing else.
    fn say_closing(&mut self, link: LinkId);
    /// Either: copies what the peer has in the page header. `None` without a page.
    fn observe(&mut self, link: LinkId) -> Option<Observation>;
    /// Either: the state of the own port.
    fn port_state(&mut self, link: LinkId) -> PortState;
    /// Whether a domain with this domid exists. Never `Gone` while one still maps a page of it.
    fn peer_exists(&mut self, peer: DomId) -> PeerState;
    /// Tries to revoke each quarantined grant, and to unmap each page that Xen refused to unmap, again.
    /// What is left of both is counted.
    fn sweep_quarantine(&mut self) -> QuarantineState;

    /// `link` has just completed `step`. Nothing need be done.
    fn reached(&mut self, link: LinkId, step: Step) {
        let _ = (link, step);
    }
}

/// Whether links over this platform can have this role. Known when the program is compiled.
pub(crate) fn plays<P: Platform>(role: Role) -> bool {
    P::ONLY_ROLE.is_none_or(|only| only == role)
}
