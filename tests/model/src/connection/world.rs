//! What two links stand in: domains that live or not, mailboxes, requests under way, the front's
//! pages with their grants, mappings and ports. [`super::apply`] changes it.

use std::collections::VecDeque;
use std::rc::Rc;

use channel::back::BackState;
use channel::connection::PortState;
use channel::endpoint::WriteOutcome;
use channel::front::FrontState;
use channel::link::{Action, Link, Machine, Settings};
use channel::{ConnectionId, Duration, Epoch, Instant, LinkId, LinkName};
use grant::{PageWords, Stamp, Terms};

use crate::register_value::RegisterValue;
use crate::side::{SIDES, Side};

/// The link under test: as shipped, but for the sizes of its queues. Three messages of a connection
/// fit, which must do (docs/protocol.md §6). They need some seventy bytes; with more than the
/// longest message may take, acknowledgements ride as they do in an image.
pub type TestedLink = Link<3, 1104>;

/// The beat period.
pub const BEAT: Duration = Settings::DEFAULT.beat;

/// The moment at which everything happens but what is late. Long after the start, so that a silent
/// peer can have been silent for long.
pub const NOW: Instant = Instant::START.after(BEAT.times(100));

/// Most pages.
pub const PAGES: usize = 2;

/// How far the search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Pages that the front's domain has, 1 or 2. A connection takes one.
    pub pages: usize,
    /// Connections that the front's user asks for in each session.
    pub connects: u32,
    /// Deaths of the front's domain, and of the back's.
    pub crashes: [u8; 2],
    /// Other faults in all: restart in place, false verdict, something that Xen refuses.
    pub faults: u8,
    /// When a request is done and answered.
    pub requests: Requests,
    /// What surrounds the links.
    pub environment: Environment,
}

impl Bounds {
    /// One connection a session without faults: what a test starts from.
    pub const NONE: Self = Self {
        pages: 1,
        connects: 1,
        crashes: [0; 2],
        faults: 0,
        requests: Requests::AtOnce,
        environment: Environment::SHIPPED,
    };
}

/// Properties of what surrounds the links, which no change of a link could bring about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Units of work that may end after the fence was closed. One must be allowed: it may have been
    /// accepted just before (wrong reading 12).
    pub late_units_max: u8,
    /// Messages of the connection that may be unread in one direction (wrong reading 16).
    pub unread_max: u32,
    /// Whether a page still holds its last header when it is used again, as if the front did not
    /// clear it. The stamp's number must make up for that (wrong reading 10).
    pub keeps_old_stamps: bool,
}

impl Environment {
    /// As docs/protocol.md has it.
    pub const SHIPPED: Self = Self { late_units_max: 1, unread_max: 3, keeps_old_stamps: false };
}

/// When a READ or a WRITE is done and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requests {
    /// At once.
    AtOnce,
    /// At any time, in the order of asking.
    UnderWay,
}

/// The page header, as far as it decides anything (docs/protocol.md §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageHeader {
    /// The front's epoch.
    pub epoch: Epoch,
    /// The connection.
    pub number: ConnectionId,
    /// The fence.
    pub is_open: bool,
    /// The front's words.
    pub front: PageWords,
    /// The front's closing word.
    pub is_leaving: bool,
    /// The back's stamp.
    pub stamp: Option<(Epoch, ConnectionId)>,
    /// The back's words.
    pub back: PageWords,
    /// The back's closing word.
    pub is_closing: bool,
    /// Units of work that the back has done since the fence was closed.
    pub late: u8,
}

impl PageHeader {
    /// As a front writes it before it grants the page.
    pub fn new(terms: &Terms, stamp: Option<(Epoch, ConnectionId)>) -> Self {
        Self {
            epoch: terms.epoch,
            number: terms.number,
            is_open: true,
            front: PageWords::default(),
            is_leaving: false,
            stamp,
            back: PageWords::default(),
            is_closing: false,
            late: 0,
        }
    }

    /// The stamp as it stands in the page.
    pub fn stamp(&self) -> Stamp {
        self.stamp.map_or(Stamp::NONE, |(epoch, number)| Stamp { epoch, number })
    }

    /// Whether it is the header of this connection.
    pub fn is_of(&self, terms: &Terms) -> bool {
        (self.epoch, self.number) == (terms.epoch, terms.number)
    }
}

/// What stands in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// Zeros.
    Nothing,
    /// Something of another link's, granted to the same domain.
    Another,
    /// A connection's header.
    Header(PageHeader),
}

/// What a page is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Usage {
    /// Nothing; not granted.
    Free,
    /// A connection of this link; granted.
    Connection,
    /// Could not be revoked; granted still.
    Quarantined,
    /// Another link's connection; granted.
    Another,
}

/// One page of the front's domain. Its grant reference is its index and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Page {
    /// What for.
    pub usage: Usage,
    /// What stands in it.
    pub content: Content,
    /// A dead back's domain still maps it: Xen takes its time.
    pub is_mapped_by_dead: bool,
}

impl Page {
    /// A page of a domain that starts.
    pub const FREE: Self =
        Self { usage: Usage::Free, content: Content::Nothing, is_mapped_by_dead: false };
}

/// What a domain's books say of the link's page. It outlives the endpoint, not the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Held {
    /// Front: granted. Back: mapped.
    Page(usize),
    /// Back: mapped, and the front's domain has died since.
    Orphan,
}

/// A request to xenstored, or its answer, in the order of asking. At most one READ and one WRITE.
#[derive(Clone, Debug)]
pub enum Request {
    /// Asked for, not done.
    Read,
    /// Likewise.
    Write(RegisterValue),
    /// Done; the answer has not arrived, and may be old by then.
    ReadDone(Option<RegisterValue>),
    /// Likewise.
    WriteDone(WriteOutcome),
}

/// One life of a domain, with one link.
#[derive(Clone, Debug)]
pub struct Domain {
    /// The link.
    pub link: TestedLink,
    /// What it wants done next. It follows from the link.
    pub action: Option<Action>,
    /// The link's page.
    pub held: Option<Held>,
    /// The link's port.
    pub port: Option<PortState>,
    /// What is under way in xenstore.
    pub requests: VecDeque<Request>,
    /// Back: a unit of work was accepted, and is not finished.
    pub is_working: bool,
}

/// Everything.
#[derive(Clone, Debug)]
pub struct World {
    /// The front's and the back's domain, if they live. Shared between worlds until one changes.
    pub domains: [Option<Rc<Domain>>; 2],
    /// What the peer has written into each one's mailbox.
    pub mailboxes: [Option<RegisterValue>; 2],
    /// The pages of the front's domain.
    pub pages: [Page; PAGES],
    /// What stands in the page that the back maps of a front that has died.
    pub orphan: Option<PageHeader>,
    /// Deaths left.
    pub crashes: [u8; 2],
    /// Other faults left.
    pub faults: u8,
    /// The smallest epoch that is nowhere in this world.
    pub unused: u128,
    /// For the side that was changed last: the moment at which. [`NOW`] once the world is in its
    /// normal form.
    pub changed: [Option<Instant>; 2],
}

impl Domain {
    /// A domain that has just started.
    ///
    /// # Panics
    /// Never: the name is one.
    pub fn new(side: Side, epoch: Epoch) -> Self {
        let name = LinkName::new(b"link").expect("a name of letters");
        Self {
            link: TestedLink::new(
                LinkId::from_index(0),
                name,
                side.role(),
                Settings::DEFAULT,
                epoch,
            ),
            action: None,
            held: None,
            port: None,
            requests: VecDeque::new(),
            is_working: false,
        }
    }

    /// The present connection's number.
    pub const fn number(&self) -> ConnectionId {
        match self.link.machine() {
            Machine::Front(front) => front.number(),
            Machine::Back(back) => back.number(),
        }
    }

    /// The front's state; `None` on a back.
    pub const fn front_state(&self) -> Option<FrontState> {
        match self.link.machine() {
            Machine::Front(front) => Some(front.state()),
            Machine::Back(_) => None,
        }
    }

    /// The back's state; `None` on a front.
    pub const fn back_state(&self) -> Option<BackState> {
        match self.link.machine() {
            Machine::Back(back) => Some(back.state()),
            Machine::Front(_) => None,
        }
    }

    /// Whether a READ is under way.
    pub fn is_reading(&self) -> bool {
        self.requests.iter().any(|r| matches!(r, Request::Read | Request::ReadDone(_)))
    }
}

impl World {
    /// Before either domain has started.
    pub fn new(bounds: &Bounds) -> Self {
        Self {
            domains: [None, None],
            mailboxes: [None, None],
            pages: [Page::FREE; PAGES],
            orphan: None,
            crashes: bounds.crashes,
            faults: bounds.faults,
            unused: 0,
            changed: [None; 2],
        }
    }

    /// The domain of one side, if it lives.
    pub fn domain(&self, side: Side) -> Option<&Domain> {
        self.domains[side as usize].as_deref()
    }

    /// The domain of one side, to be changed.
    ///
    /// # Panics
    /// If it is dead.
    pub fn at(&mut self, side: Side) -> &mut Domain {
        self.changed[side as usize].get_or_insert(NOW);
        Rc::make_mut(self.domains[side as usize].as_mut().expect("only the living act"))
    }

    /// Whether any domain maps a page.
    pub fn is_mapped(&self, page: usize) -> bool {
        let by_back = self.domain(Side::B).is_some_and(|back| back.held == Some(Held::Page(page)));
        by_back || self.pages[page].is_mapped_by_dead
    }

    /// The header in the page that this side holds, if it is one.
    pub fn header(&self, side: Side) -> Option<&PageHeader> {
        match self.domain(side)?.held? {
            Held::Orphan => self.orphan.as_ref(),
            Held::Page(page) => match &self.pages[page].content {
                Content::Header(header) => Some(header),
                Content::Nothing | Content::Another => None,
            },
        }
    }

    /// The same, to be written.
    pub fn header_mut(&mut self, side: Side) -> Option<&mut PageHeader> {
        match self.domain(side)?.held? {
            Held::Orphan => self.orphan.as_mut(),
            Held::Page(page) => match &mut self.pages[page].content {
                Content::Header(header) => Some(header),
                Content::Nothing | Content::Another => None,
            },
        }
    }

    /// Whether the header that the back maps is that of its present connection.
    pub fn is_backs_own(&self, header: &PageHeader) -> bool {
        self.domain(Side::B).is_some_and(|back| {
            back.link.endpoint().peer_epoch() == Some(header.epoch)
                && header.number == back.number()
        })
    }

    /// Closes this side's port, if it has one. The other end is unbound then.
    pub fn close_port(&mut self, side: Side) {
        if self.domain(side).is_none_or(|domain| domain.port.is_none()) {
            return;
        }
        if self.at(side).port.take() == Some(PortState::Bound) {
            self.unbind(side.other());
        }
    }

    /// The other end of this side's port is gone.
    pub fn unbind(&mut self, side: Side) {
        if self.domain(side).is_some_and(|domain| domain.port == Some(PortState::Bound)) {
            self.at(side).port = Some(PortState::Unbound);
        }
    }

    /// Whether this side's peer beats in the page that this side looks at.
    pub fn is_beaten_for(&self, side: Side) -> bool {
        let (Some(domain), Some(peer)) = (self.domain(side), self.domain(side.other())) else {
            return false;
        };
        domain.link.has_live_page() && peer.link.has_live_page() && domain.held == peer.held
    }

    /// Whether this side is in a session whose other half is gone: a verdict would be true.
    pub fn is_forsaken(&self, side: Side) -> bool {
        let peer = self.domain(side.other()).map(|peer| peer.link.endpoint().epoch());
        self.domain(side).is_some_and(|domain| {
            let endpoint = domain.link.endpoint();
            endpoint.is_up() && endpoint.peer_epoch() != peer
        })
    }

    /// Both up in one session, everything sent is known to be delivered, the connection stands or
    /// there is none, and no page is out of use.
    pub fn is_settled(&self) -> bool {
        let are_one = SIDES.iter().all(|side| {
            let (Some(domain), Some(peer)) = (self.domain(*side), self.domain(side.other())) else {
                return false;
            };
            let (own, peers) = (domain.link.endpoint(), peer.link.endpoint());
            own.is_up()
                && own.peer_epoch() == Some(peers.epoch())
                && own.all_acked()
                && peers.delivered() == own.sent()
                && domain.action.is_none()
                && !domain.is_working
        });
        if !are_one {
            return false;
        }
        let front = self.domain(Side::A).and_then(Domain::front_state);
        let back = self.domain(Side::B).and_then(Domain::back_state);
        let connection = match (front, back) {
            (Some(FrontState::Idle), Some(BackState::Idle)) => true,
            (Some(FrontState::Connected), Some(BackState::Serving)) => {
                self.domain(Side::A).map(Domain::number) == self.domain(Side::B).map(Domain::number)
            }
            _ => false,
        };
        let is_given_back =
            |page: &Page| page.usage != Usage::Quarantined && !page.is_mapped_by_dead;
        connection && self.pages.iter().all(is_given_back)
    }
}
