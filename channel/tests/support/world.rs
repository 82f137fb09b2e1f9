//! Domains that run the shipped driver over a simulated store and simulated pages, with a clock
//! that jumps to the next deadline. Only [`World::run`] and its variants make progress; a world
//! that does not settle fails its test.

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use channel::connection::Released;
use channel::driver::StoreEvent;
use channel::event::{ConnectRefused, DetectedBy, DownReason, End, Event, Notice};
use channel::{Driver, Duration, Epoch, Instant, LinkId, LinkName, Role, Settings};

use super::store::home;
use super::xen::{TestPlatform, Xen};

/// An event in a form that tests can compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    Waiting,
    Introduced(u16),
    Up(Epoch, Epoch),
    Down(DownReason, DetectedBy, u16),
    Unknown(Vec<u8>),
    Message(Vec<u8>),
    Connected(u32),
    Closing(u32),
    Disconnected(u32, End, Released),
    Refused(u32, ConnectRefused),
    Notice(Notice),
    Store(StoreEvent),
}

impl From<Event<'_>> for Happened {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Waiting => Self::Waiting,
            Event::Introduced { peer, .. } => Self::Introduced(peer.0),
            Event::Up { epoch, peer_epoch } => Self::Up(epoch, peer_epoch),
            Event::Down { reason, detected_by, unknown } => {
                Self::Down(reason, detected_by, unknown)
            }
            Event::Unknown(bytes) => Self::Unknown(bytes.to_vec()),
            Event::Message(bytes) => Self::Message(bytes.to_vec()),
            Event::Connected { number } => Self::Connected(number.0),
            Event::Closing { number } => Self::Closing(number.0),
            Event::Disconnected { number, end, released } => {
                Self::Disconnected(number.0, end, released)
            }
            Event::Refused { number, reason } => Self::Refused(number.0, reason),
            Event::Notice(notice) => Self::Notice(notice),
            _ => unreachable!("an event that the tests do not know"),
        }
    }
}

pub struct Domain {
    pub driver: Driver,
    pub platform: TestPlatform,
    pub events: Vec<(LinkId, Happened)>,
    pub is_paused: bool,
    pub steps: u64,
}

pub struct World {
    pub xen: Rc<RefCell<Xen>>,
    pub domains: BTreeMap<u16, Domain>,
    pub settings: Settings,
    /// The most page sets of a front in use or in quarantine.
    pub page_sets: usize,
    introductions: u32,
}

/// The domids in tests with one front and one back.
pub const FRONT: u16 = 1;
pub const BACK: u16 = 2;
pub const LINK: LinkId = LinkId::from_index(0);

/// The default number of links of a domain.
const PLACES: usize = 4;
/// The number of steps without time passing after which a test fails as a busy loop.
const STEPS_AT_ONCE_MAX: u32 = 400;

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            xen: Rc::new(RefCell::new(Xen::new(seed))),
            domains: BTreeMap::new(),
            settings: Settings::DEFAULT,
            page_sets: 64,
            introductions: 0,
        }
    }

    /// Creates one front and one back that are introduced and up.
    pub fn up(seed: u64) -> Self {
        let mut world = Self::new(seed);
        world.bring_up();
        world
    }

    /// Creates one front and one back, introduces them and waits until they are up.
    pub fn bring_up(&mut self) {
        self.create(FRONT, Role::Front, "a");
        self.create(BACK, Role::Back, "a");
        self.introduce(FRONT, BACK, "a");
        self.settle();
        assert!(self.is_up(FRONT) && self.is_up(BACK), "{:?}", self.all_events());
    }

    /// Creates one front and one back that are connected.
    pub fn connected(seed: u64) -> Self {
        let mut world = Self::up(seed);
        world.connect();
        world.settle();
        assert!(world.has(FRONT, &Happened::Connected(1)));
        assert!(world.has(BACK, &Happened::Connected(1)));
        world
    }

    pub fn create(&mut self, domid: u16, role: Role, link: &str) {
        self.create_with(domid, role, &[link]);
    }

    /// Creates a domain with these links.
    pub fn create_with(&mut self, domid: u16, role: Role, links: &[&str]) {
        let ring = self.xen.borrow_mut().store.add_domain(domid);
        let mut platform = TestPlatform::new(domid, Rc::clone(&self.xen), ring, self.page_sets);
        let mut driver = Driver::new();
        for link in links {
            let name = LinkName::new(link.as_bytes()).unwrap();
            driver.add_link(name, role, self.settings, &mut platform).unwrap();
        }
        let domain = Domain { driver, platform, events: Vec::new(), is_paused: false, steps: 0 };
        self.domains.insert(domid, domain);
    }

    pub fn destroy(&mut self, domid: u16) {
        self.domains.remove(&domid).expect("a domain");
        self.xen.borrow_mut().remove_domain(domid);
    }

    /// Introduces two domains, the back's home first, like `toolstack/introduce`.
    pub fn introduce(&mut self, front: u16, back: u16, link: &str) {
        self.introduce_one(back, front, link);
        self.introduce_one(front, back, link);
    }

    pub fn introduce_one(&mut self, own: u16, peer: u16, link: &str) {
        self.introductions += 1;
        let name = LinkName::new(link.as_bytes()).unwrap();
        let node = format!("{}/{}", home(own), name.introduction().as_str());
        let mailbox = format!("{}/{}", home(own), name.mailbox().as_str());
        let mut xen = self.xen.borrow_mut();
        if xen.store.value(&mailbox).is_none() {
            let (digit, _) = node.rsplit_once('/').unwrap();
            let (root, _) = digit.rsplit_once('/').unwrap();
            for path in [root, digit] {
                if xen.store.value(path).is_none() {
                    xen.store.put(path, b"", own);
                }
            }
            if xen.store.value(&node).is_none() {
                xen.store.put(&node, b"", own);
            }
            xen.store.put(&mailbox, b"", own);
        }
        xen.store.permit(&mailbox, peer);
        let value = format!("{peer} {}", self.introductions);
        xen.store.poke(&node, value.as_bytes());
    }

    pub fn mailbox(own: u16, link: &str) -> String {
        let name = LinkName::new(link.as_bytes()).unwrap();
        format!("{}/{}", home(own), name.mailbox().as_str())
    }

    pub fn connect(&mut self) {
        let domain = self.domain(FRONT);
        let now = domain.now();
        domain.driver.connect(now, LINK, &mut domain.platform).unwrap();
    }

    pub fn disconnect(&mut self, domid: u16) {
        let domain = self.domain(domid);
        let now = domain.now();
        domain.driver.disconnect(now, LINK, &mut domain.platform).unwrap();
    }

    pub fn disconnect_if_connected(&mut self) {
        if self.has(FRONT, &Happened::Connected(1)) {
            let domain = self.domain(FRONT);
            let now = domain.now();
            let _ = domain.driver.disconnect(now, LINK, &mut domain.platform);
        }
    }

    pub fn domain(&mut self, domid: u16) -> &mut Domain {
        self.domains.get_mut(&domid).expect("a domain")
    }

    pub fn is_up(&self, domid: u16) -> bool {
        self.domains[&domid].driver.link(LINK).endpoint().is_up()
    }

    pub fn requests(&self, domid: u16) -> u64 {
        self.domains[&domid].driver.counts().requests_total()
    }

    pub fn requests_of_all(&self) -> u64 {
        self.domains.keys().map(|domid| self.requests(*domid)).sum()
    }

    pub fn has(&self, domid: u16, happened: &Happened) -> bool {
        self.domains[&domid].events.iter().any(|(_, event)| event == happened)
    }

    pub fn events(&self, domid: u16) -> Vec<Happened> {
        self.domains[&domid].events.iter().map(|(_, event)| event.clone()).collect()
    }

    pub fn take_events(&mut self, domid: u16) -> Vec<Happened> {
        let events = core::mem::take(&mut self.domain(domid).events);
        events.into_iter().map(|(_, event)| event).collect()
    }

    pub fn all_events(&self) -> Vec<(u16, Vec<Happened>)> {
        self.domains.keys().map(|domid| (*domid, self.events(*domid))).collect()
    }

    /// Runs until nothing is left to do without time passing.
    pub fn settle(&mut self) {
        for _ in 0..STEPS_AT_ONCE_MAX {
            if !self.turn() {
                return;
            }
        }
        panic!("the world spins: {:?}", self.all_events());
    }

    /// Runs for this duration.
    pub fn run(&mut self, span: Duration) {
        let end = self.xen.borrow().now + span.nanoseconds();
        loop {
            self.settle();
            let next = self.next_deadline();
            let now = self.xen.borrow().now;
            assert!(next > now, "a deadline that has passed is no reason to stop");
            if next > end {
                self.xen.borrow_mut().now = end;
                return;
            }
            self.xen.borrow_mut().now = next;
        }
    }

    pub fn run_seconds(&mut self, seconds: u64) {
        self.run(Duration::from_milliseconds(seconds * 1000));
    }

    /// Runs until the condition holds, and returns the seconds that it took.
    pub fn run_until(&mut self, seconds_max: u64, done: impl Fn(&Self) -> bool) -> u64 {
        let begin = self.xen.borrow().now;
        for _ in 0..seconds_max * 10 {
            self.settle();
            if done(self) {
                return (self.xen.borrow().now - begin) / 1_000_000_000;
            }
            self.run(Duration::from_milliseconds(100));
        }
        panic!("not within {seconds_max} s: {:?}", self.all_events());
    }

    fn next_deadline(&self) -> u64 {
        self.domains
            .values()
            .filter(|domain| !domain.is_paused)
            .map(|domain| domain.driver.deadline().nanoseconds())
            .min()
            .unwrap_or(u64::MAX)
    }

    /// Runs each domain that has work. Returns `false` if there is none.
    pub fn turn(&mut self) -> bool {
        let woken = self.xen.borrow_mut().store.serve();
        let rung = core::mem::take(&mut self.xen.borrow_mut().rung);
        let now = self.xen.borrow().now;
        let mut moved = false;
        let mut rung_later = Vec::new();
        for (domid, domain) in &mut self.domains {
            let is_rung = rung.contains(domid);
            if domain.is_paused {
                if is_rung {
                    rung_later.push(*domid);
                }
                continue;
            }
            let is_due = domain.driver.deadline().nanoseconds() <= now;
            if is_due || is_rung || woken.contains(domid) {
                domain.step();
                moved = true;
            }
        }
        self.xen.borrow_mut().rung.extend(rung_later);
        moved
    }
}

impl Domain {
    pub fn now(&self) -> Instant {
        Instant::from_nanoseconds(self.platform.xen.borrow().now)
    }

    pub fn step(&mut self) {
        self.steps += 1;
        let now = self.now();
        self.driver.step(now, &mut self.platform).expect("all events were taken");
        self.drain();
    }

    pub fn drain(&mut self) {
        while let Some((link, event)) = self.driver.poll_event() {
            let happened = Happened::from(event);
            self.events.push((link, happened));
        }
        while let Some(event) = self.driver.poll_store_event() {
            self.events.push((LinkId::from_index(0), Happened::Store(event)));
        }
    }
}
