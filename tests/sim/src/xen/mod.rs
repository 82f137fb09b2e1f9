//! A simulated hypervisor: domains, their memory and grants, and event channels.
//!
//! It is stricter than Xen on purpose. What Xen would let pass and what would end in silent
//! corruption there is a panic here: a page that is reused while somebody maps it, a mapping used
//! after it was undone, a frame mapped twice. Lies of a *peer* are refused as Xen refuses them.
//!
//! A domain number is reused; a [`Life`] never is. Everything is found by life.

mod events;
mod grants;
mod life;
mod pages;
mod port;

use core::cell::RefCell;
use std::rc::Rc;

use crate::base::page::Page;
pub use events::{BindError, PortInfo, SendError};
pub use grants::{Entries, MapFailure, Switchboard, WindowMapper};
pub use life::Life;
pub use pages::{Counter, SimPages};
use port::Port;

/// Entries of each grant table. Few, so that references come round again soon.
pub const GRANT_ENTRIES: u32 = 40;

/// How much of what connections take a domain has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Slots of its window for foreign pages.
    pub slots: usize,
    /// Its ports, number 0 included, which is none.
    pub ports: usize,
}

impl Sizes {
    /// Few, so that slots and numbers come round again soon.
    pub const FEW: Self = Sizes { slots: 12, ports: 10 };
    /// A slot and a port for each of 1,024 links and some more.
    pub const MANY: Self = Sizes { slots: 1100, ports: 1100 };
}

/// Whether a domain is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Being {
    /// It runs, or is paused.
    Alive,
    /// It was destroyed, but Xen still undoes its mappings.
    Ending,
    /// It is gone, but somebody maps its pages: its number is not free.
    Zombie,
    /// Nothing is left.
    Gone,
}

/// A page of the machine.
#[derive(Clone, Debug)]
struct Frame {
    page: Page,
    owner: Life,
    /// How many mappings show it.
    mapped: u32,
}

/// A version-1 grant entry, and how often it is mapped.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    flags: u16,
    domain: u16,
    frame: u32,
    pins: u32,
}

/// A foreign page in a domain's window.
#[derive(Clone, Debug)]
struct Mapping {
    handle: u32,
    granter: Life,
    reference: u32,
    frame: usize,
}

#[derive(Clone, Debug)]
struct Domain {
    domid: u16,
    being: Being,
    /// Guest frame number, less one, to machine frame.
    memory: Vec<usize>,
    entries: Vec<Entry>,
    window: Vec<Option<Mapping>>,
    ports: Vec<Port>,
}

#[derive(Debug)]
struct State {
    sizes: Sizes,
    frames: Vec<Frame>,
    domains: Vec<Domain>,
    next_handle: u32,
    counts: Counts,
    /// Lives whose vCPU an event has reached since they were last asked for.
    rung: Vec<Life>,
}

/// What happened, for the faults that must be shown to have happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Pages mapped.
    pub maps: u64,
    /// Maps refused.
    pub maps_refused: u64,
    /// Events sent to a port whose other end was gone.
    pub sends_to_nobody: u64,
    /// Ports that lost their other end without a word.
    pub silent_closes: u64,
    /// Pending bits that a bind sets for nothing.
    pub spurious_binds: u64,
    /// Grants that could not be ended because somebody mapped the page.
    pub revokes_refused: u64,
    /// Domain numbers that had to wait because somebody mapped the dead domain's pages.
    pub zombies: u64,
}

/// The hypervisor. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Xen(Rc<RefCell<State>>);

impl Xen {
    /// A machine without domains but domain 0.
    pub fn new(sizes: Sizes) -> Self {
        Xen(Rc::new(RefCell::new(State {
            sizes,
            frames: Vec::new(),
            domains: Vec::new(),
            next_handle: 0,
            counts: Counts::default(),
            rung: Vec::new(),
        })))
    }

    /// What each domain has.
    pub fn sizes(&self) -> Sizes {
        self.0.borrow().sizes
    }

    /// Whether a number could be given to a new domain.
    pub fn is_free(&self, domid: u16) -> bool {
        self.0.borrow().present(domid).is_none()
    }

    /// Starts a domain.
    ///
    /// # Panics
    /// If the number is taken: the toolstack's bug, that is, the world's.
    pub fn create(&self, domid: u16) -> Life {
        let mut state = self.0.borrow_mut();
        assert!(state.present(domid).is_none(), "domain {domid} exists");
        let Sizes { slots, ports } = state.sizes;
        state.domains.push(Domain {
            domid,
            being: Being::Alive,
            memory: Vec::new(),
            entries: vec![Entry::default(); GRANT_ENTRIES as usize],
            window: vec![None; slots],
            ports: vec![Port::CLOSED; ports],
        });
        Life(state.domains.len() - 1)
    }

    /// Ends a domain: its ports close at once; what it has mapped stays mapped until
    /// [`Xen::finish`], as Xen takes its time.
    pub fn destroy(&self, life: Life) {
        let mut state = self.0.borrow_mut();
        assert!(state.domains[life.0].being == Being::Alive, "a domain dies once");
        state.domains[life.0].being = Being::Ending;
        for port in 1..state.sizes.ports {
            state.close(life, port as u32);
        }
    }

    /// Undoes the mappings of a domain that was destroyed. What it has granted stays pinned as long
    /// as others map it.
    pub fn finish(&self, life: Life) {
        let mut state = self.0.borrow_mut();
        assert!(state.domains[life.0].being == Being::Ending, "finished once, after destroyed");
        for slot in 0..state.sizes.slots {
            state.unmap(life, slot);
        }
        let pinned = state.is_pinned(life);
        state.domains[life.0].being = if pinned { Being::Zombie } else { Being::Gone };
        state.counts.zombies += u64::from(pinned);
    }

    /// Whether the domain runs or is paused.
    pub fn is_alive(&self, life: Life) -> bool {
        self.0.borrow().domains[life.0].being == Being::Alive
    }

    /// Gives the domain a fresh page; its guest frame number.
    pub fn allocate(&self, life: Life) -> u32 {
        let mut state = self.0.borrow_mut();
        let frame = state.frames.len();
        state.frames.push(Frame { page: Page::new(), owner: life, mapped: 0 });
        let memory = &mut state.domains[life.0].memory;
        memory.push(frame);
        memory.len() as u32
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.0.borrow().counts
    }

    /// Domains that an event has reached since the last call, oldest first.
    pub fn take_rung(&self, into: &mut Vec<Life>) {
        into.append(&mut self.0.borrow_mut().rung);
    }

    /// Pages that a domain shares with another one: those that it maps, and its own that others
    /// map.
    pub fn shared_pages(&self, life: Life) -> Vec<Page> {
        let state = self.0.borrow();
        let mapped = state.domains[life.0].window.iter().flatten();
        let foreign = mapped.map(|mapping| &state.frames[mapping.frame]);
        let own = state.frames.iter().filter(|frame| frame.owner == life && frame.mapped > 0);
        foreign.chain(own).map(|frame| frame.page.clone()).collect()
    }

    /// What a domain holds.
    pub fn holdings(&self, life: Life) -> Holdings {
        let state = self.0.borrow();
        let domain = &state.domains[life.0];
        let reserved = grant::RESERVED_REFS as usize;
        Holdings {
            grants: domain.entries[reserved..].iter().filter(|entry| entry.flags != 0).count(),
            mappings: domain.window.iter().flatten().count(),
            ports: domain.ports.iter().filter(|port| port.is_open()).count(),
            frames: domain.memory.len(),
        }
    }
}

/// What a domain holds of what it must give back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Grant entries in use, the reserved ones aside.
    pub grants: usize,
    /// Foreign pages mapped.
    pub mappings: usize,
    /// Open ports.
    pub ports: usize,
    /// Pages of its own.
    pub frames: usize,
}

impl State {
    /// The life that has a number now, dead ones that still keep it included.
    fn present(&self, domid: u16) -> Option<Life> {
        let has = |domain: &Domain| domain.domid == domid && domain.being != Being::Gone;
        self.domains.iter().rposition(has).map(Life)
    }

    fn alive(&self, domid: u16) -> Option<Life> {
        self.present(domid).filter(|life| self.domains[life.0].being == Being::Alive)
    }

    fn is_pinned(&self, life: Life) -> bool {
        self.frames.iter().any(|frame| frame.owner == life && frame.mapped > 0)
    }

    /// Lets go of zombies that nobody maps any more.
    fn reap(&mut self, life: Life) {
        if self.domains[life.0].being == Being::Zombie && !self.is_pinned(life) {
            self.domains[life.0].being = Being::Gone;
        }
    }
}
