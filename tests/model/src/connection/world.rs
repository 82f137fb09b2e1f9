//! What a front and a back stand in: domains that live or not, mailboxes, the front's pages with
//! their grants, and who maps them. [`super::apply`] moves it, [`super::glue`] joins its machines.

use channel::back::{Back, BackState};
use channel::endpoint::Endpoint;
use channel::front::{Front, FrontState};
use channel::ids::Number;
use channel::link::Machine;
use channel::platform::PageWords;
use channel::{Epoch, Instant};

use super::super::letter::Letter;
use super::super::session::world::{SIDES, Side};

/// The endpoint under test: as shipped, but for the sizes of its queues. Three words of a
/// connection fit, which must do (docs/protocol.md §6). They need but some seventy bytes; with
/// more than the longest message may take, acknowledgements ride as they do in an image.
pub type End = Endpoint<3, 1104>;

/// The moment at which everything happens: no beat has any length.
pub const NOW: Instant = Instant::START;

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
    /// Other faults in all: restart in place, false verdict, a map or a bind that fails.
    pub faults: u8,
}

/// The page header, as far as it decides anything (docs/protocol.md §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// The front's epoch.
    pub epoch: Epoch,
    /// The connection.
    pub number: Number,
    /// The fence.
    pub is_open: bool,
    /// The front's words; beats are steps of their own.
    pub front: PageWords,
    /// The front's closing word.
    pub is_leaving: bool,
    /// The back's stamp.
    pub stamp: Option<(Epoch, Number)>,
    /// The back's words.
    pub back: PageWords,
    /// The back's closing word.
    pub is_closing: bool,
    /// Units of work that the back has done since the fence was closed.
    pub late: u8,
}

/// What stands in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// Zeros.
    Nothing,
    /// Something of another link's, granted to the same domain.
    Another,
    /// A connection's header.
    Header(Header),
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

/// One page of the front's domain. Its grant reference is its place and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Page {
    /// What for.
    pub usage: Usage,
    /// What stands in it.
    pub content: Content,
    /// A dead back's domain still maps it: Xen takes its time.
    pub is_mapped_by_dead: bool,
    /// The back's domain maps it and has forgotten: only wrong machines do.
    pub is_forgotten: bool,
}

impl Page {
    /// A page of a domain that starts.
    pub const FREE: Self = Self {
        usage: Usage::Free,
        content: Content::Nothing,
        is_mapped_by_dead: false,
        is_forgotten: false,
    };
}

/// What a domain's books say of the link's page. It outlives the endpoint, not the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Held {
    /// Front: granted. Back: mapped.
    Page(usize),
    /// Back: mapped, and the front's domain has died since.
    Orphan,
}

/// One life of a domain, with one link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Life {
    /// The session.
    pub endpoint: End,
    /// The connection.
    pub machine: Machine,
    /// The link's page.
    pub held: Option<Held>,
    /// The machine was in a state with a live page when last looked at.
    pub has_page: bool,
    /// The peer's beat in it has been seen to move.
    pub is_moved: bool,
    /// The peer's beat in it is late.
    pub is_late: bool,
    /// Back: a unit of work was accepted, and is not finished.
    pub is_working: bool,
    /// For wrong machines: unmapping is still to be done, or the last session ended by news.
    pub mark: bool,
}

/// Everything.
#[derive(Clone, Debug)]
pub struct World {
    /// The front's and the back's domain.
    pub lives: [Option<Life>; 2],
    /// What the peer has written into each one's mailbox.
    pub boxes: [Option<Letter>; 2],
    /// The pages of the front's domain.
    pub pages: [Page; PAGES],
    /// What stands in the page that the back maps of a front that has died.
    pub orphan: Option<Header>,
    /// Deaths left.
    pub crashes: [u8; 2],
    /// Other faults left.
    pub faults: u8,
    /// The smallest epoch that is nowhere in this world.
    pub unused: u128,
}

impl Life {
    /// A domain that has just started.
    pub fn new(side: Side, epoch: Epoch) -> Self {
        let machine = match side {
            Side::A => Machine::Front(Front::IDLE),
            Side::B => Machine::Back(Back::LOST),
        };
        Self {
            endpoint: End::new(epoch, side.pace()),
            machine,
            held: None,
            has_page: false,
            is_moved: false,
            is_late: false,
            is_working: false,
            mark: false,
        }
    }

    /// The front's machine.
    ///
    /// # Panics
    /// On a back.
    pub fn front(&mut self) -> &mut Front {
        match &mut self.machine {
            Machine::Front(front) => front,
            Machine::Back(_) => panic!("a front is asked for"),
        }
    }

    /// The back's machine.
    ///
    /// # Panics
    /// On a front.
    pub fn back(&mut self) -> &mut Back {
        match &mut self.machine {
            Machine::Back(back) => back,
            Machine::Front(_) => panic!("a back is asked for"),
        }
    }

    /// The present connection's number.
    pub const fn number(&self) -> Number {
        match &self.machine {
            Machine::Front(front) => front.number(),
            Machine::Back(back) => back.number(),
        }
    }

    /// The front's state; `None` on a back.
    pub const fn front_state(&self) -> Option<FrontState> {
        match &self.machine {
            Machine::Front(front) => Some(front.state()),
            Machine::Back(_) => None,
        }
    }

    /// The back's state; `None` on a front.
    pub const fn back_state(&self) -> Option<BackState> {
        match &self.machine {
            Machine::Back(back) => Some(back.state()),
            Machine::Front(_) => None,
        }
    }

    /// Whether there is a page to say something in (as `channel/src/link/page.rs` has it).
    pub const fn has_live_page(&self) -> bool {
        match &self.machine {
            Machine::Front(front) => matches!(
                front.state(),
                FrontState::Connected | FrontState::Leaving | FrontState::Disconnecting
            ),
            Machine::Back(back) => matches!(
                back.state(),
                BackState::Stamped
                    | BackState::Serving
                    | BackState::WantsClose
                    | BackState::Closing
            ),
        }
    }

    /// Whether beats and acknowledgements may travel in it.
    pub const fn is_carried_by_page(&self) -> bool {
        match &self.machine {
            Machine::Front(front) => matches!(front.state(), FrontState::Connected),
            Machine::Back(_) => self.has_live_page(),
        }
    }
}

impl World {
    /// Before either domain has started.
    pub fn new(bounds: &Bounds) -> Self {
        Self {
            lives: [None, None],
            boxes: [None, None],
            pages: [Page::FREE; PAGES],
            orphan: None,
            crashes: bounds.crashes,
            faults: bounds.faults,
            unused: 0,
        }
    }

    /// The life of one side, if it lives.
    pub fn life(&self, side: Side) -> Option<&Life> {
        self.lives[side as usize].as_ref()
    }

    /// The life of one side.
    ///
    /// # Panics
    /// If it is dead.
    pub fn at(&mut self, side: Side) -> &mut Life {
        self.lives[side as usize].as_mut().expect("steps of a life come to the living")
    }

    /// Whether anybody maps a page.
    pub fn is_mapped(&self, page: usize) -> bool {
        let by_back = self.life(Side::B).is_some_and(|back| back.held == Some(Held::Page(page)));
        let Page { is_mapped_by_dead, is_forgotten, .. } = self.pages[page];
        by_back || is_mapped_by_dead || is_forgotten
    }

    /// The header in the page that this side holds, if it is one.
    pub fn header(&self, side: Side) -> Option<&Header> {
        match self.life(side)?.held? {
            Held::Orphan => self.orphan.as_ref(),
            Held::Page(page) => match &self.pages[page].content {
                Content::Header(header) => Some(header),
                Content::Nothing | Content::Another => None,
            },
        }
    }

    /// The same, to be written.
    pub fn header_mut(&mut self, side: Side) -> Option<&mut Header> {
        match self.life(side)?.held? {
            Held::Orphan => self.orphan.as_mut(),
            Held::Page(page) => match &mut self.pages[page].content {
                Content::Header(header) => Some(header),
                Content::Nothing | Content::Another => None,
            },
        }
    }

    /// Whether this side's header is that of its present connection.
    pub fn is_own(&self, side: Side, header: &Header) -> bool {
        let Some(life) = self.life(side) else { return false };
        let front = match side {
            Side::A => Some(life.endpoint.epoch()),
            Side::B => life.endpoint.peer_epoch(),
        };
        front == Some(header.epoch) && header.number == life.number()
    }

    /// Whether this side's peer beats in the page that this side looks at.
    pub fn is_beaten_for(&self, side: Side) -> bool {
        let (Some(life), Some(peer)) = (self.life(side), self.life(side.other())) else {
            return false;
        };
        life.has_live_page() && peer.has_live_page() && life.held == peer.held
    }

    /// Whether this side is in a session whose other half is gone: a verdict would be true.
    pub fn is_forsaken(&self, side: Side) -> bool {
        let peer = self.life(side.other()).map(|peer| peer.endpoint.epoch());
        self.life(side)
            .is_some_and(|life| life.endpoint.is_up() && life.endpoint.peer_epoch() != peer)
    }

    /// Both up in one session, everything said is known, the connection stands or there is none,
    /// and no page is out of use.
    pub fn is_settled(&self) -> bool {
        let are_one = SIDES.iter().all(|side| {
            let (Some(life), Some(peer)) = (self.life(*side), self.life(side.other())) else {
                return false;
            };
            life.endpoint.is_up()
                && life.endpoint.peer_epoch() == Some(peer.endpoint.epoch())
                && life.endpoint.all_acked()
                && peer.endpoint.delivered() == life.endpoint.sent()
                && !life.is_working
        });
        if !are_one {
            return false;
        }
        let front = self.life(Side::A).and_then(Life::front_state);
        let back = self.life(Side::B).and_then(Life::back_state);
        let connection = match (front, back) {
            (Some(FrontState::Idle), Some(BackState::Idle)) => true,
            (Some(FrontState::Connected), Some(BackState::Serving)) => {
                self.life(Side::A).map(Life::number) == self.life(Side::B).map(Life::number)
            }
            _ => false,
        };
        let is_given_back = |page: &Page| {
            page.usage != Usage::Quarantined && !page.is_mapped_by_dead && !page.is_forgotten
        };
        connection && self.pages.iter().all(is_given_back)
    }
}
