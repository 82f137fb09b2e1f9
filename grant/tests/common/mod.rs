//! Two domains on a strict fake machine, and the steps that most tests share. Every test ends with
//! `machine.assert_clean()`: nothing granted, nothing mapped.
#![allow(dead_code, reason = "each test binary uses its own part")]

use grant::fake::{FakeDomain, FakeEntries, FakeMachine, FakeMapper, FakePages};
use grant::{
    BackConnection, ConnectionId, DomId, Epoch, FrontConnection, GrantRef, GrantTable, LinkTag,
    PageSet, Quarantine, StillMapped, Terms, Window,
};

/// Grant entries of the front.
pub(crate) const ENTRIES: u32 = 64;

/// The back's epoch in all tests.
pub(crate) const BACK_EPOCH: Epoch = Epoch::from_bytes(*b"back-epoch-00001");

/// Two domains and what each keeps for life.
pub(crate) struct World {
    pub(crate) machine: FakeMachine,
    pub(crate) front: FakeDomain,
    pub(crate) back: FakeDomain,
    pub(crate) table: GrantTable<FakeEntries>,
    pub(crate) quarantine: Quarantine<FakePages>,
    pub(crate) window: Window,
    pub(crate) mapper: FakeMapper,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_entries(ENTRIES)
    }

    pub(crate) fn with_entries(entries: u32) -> Self {
        let machine = FakeMachine::new();
        let front = machine.create(DomId(3), entries);
        let back = machine.create(DomId(5), ENTRIES);
        Self {
            table: GrantTable::new(front.entries()),
            mapper: back.mapper(),
            quarantine: Quarantine::new(2),
            window: Window::new(16),
            machine,
            front,
            back,
        }
    }

    /// Fresh pages of the front, their frames beginning at `first`.
    pub(crate) fn pages(&self, first: u32, count: u32) -> PageSet<FakePages> {
        let frames: Vec<u32> = (first..first + count).collect();
        self.front.page_set(&frames)
    }

    #[track_caller]
    pub(crate) fn open(
        &mut self,
        set: PageSet<FakePages>,
        terms: &Terms,
    ) -> FrontConnection<FakePages> {
        let opened = FrontConnection::open(
            set,
            self.back.domid(),
            terms,
            &mut self.table,
            &mut self.quarantine,
        );
        opened.expect("the connection opens")
    }

    #[track_caller]
    pub(crate) fn map(&mut self, refs: &[GrantRef]) -> BackConnection<FakePages> {
        let back = self.back.clone();
        let peer = self.front.domid();
        let view = |run: &_| back.window_pages(run);
        BackConnection::map(&mut self.window, &mut self.mapper, peer, refs, view)
            .expect("the offer can be mapped")
    }

    /// A connection on `count` fresh pages, stamped and ready for data.
    #[track_caller]
    pub(crate) fn connect(&mut self, first: u32, count: u32) -> Pair {
        let terms = terms(1);
        let set = self.pages(first, count);
        let front = self.open(set, &terms);
        let refs: Vec<GrantRef> = front.refs().collect();
        let mut back = self.map(&refs);
        back.verify(&terms).expect("the header is the announced one");
        back.stamp(BACK_EPOCH);
        Pair { front, back }
    }

    pub(crate) fn unmap(&mut self, back: BackConnection<FakePages>) {
        back.unmap(&mut self.window, &mut self.mapper).expect("Xen unmaps");
    }

    pub(crate) fn release(
        &mut self,
        front: FrontConnection<FakePages>,
    ) -> Result<PageSet<FakePages>, StillMapped> {
        front.release(&mut self.table, &mut self.quarantine)
    }

    /// Both sides give up in the right order; nothing is left.
    #[track_caller]
    pub(crate) fn disconnect(&mut self, pair: Pair) -> PageSet<FakePages> {
        self.unmap(pair.back);
        freed(self.release(pair.front))
    }
}

/// Both sides of a connection.
pub(crate) struct Pair {
    pub(crate) front: FrontConnection<FakePages>,
    pub(crate) back: BackConnection<FakePages>,
}

/// Terms of connection `number` on link "a".
pub(crate) fn terms(number: u32) -> Terms {
    let link = LinkTag::new("a").expect("a valid name");
    Terms { epoch: Epoch::from_bytes(*b"front-epoch-0001"), number: ConnectionId(number), link }
}

/// The page set, if all grants could be ended.
#[track_caller]
pub(crate) fn freed(released: Result<PageSet<FakePages>, StillMapped>) -> PageSet<FakePages> {
    match released {
        Ok(set) => set,
        Err(StillMapped { pages }) => panic!("{pages} pages are still mapped"),
    }
}
