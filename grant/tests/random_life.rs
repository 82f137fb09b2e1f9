//! Random lives of a front and a back: connections opened, mapped, fenced, released and unmapped in
//! any order, the back killed and restarted on its old number, Xen refusing now and then. The fakes
//! fail on the spot if a page or reference is reused while mapped (I1); at the end nothing may be
//! left (I4). Cases are replayed as those of tests/ring.rs.

mod common;

use common::{BACK_EPOCH, World, terms};
use grant::fake::FakePages;
use grant::{
    BackConnection, FrontConnection, GrantRef, GrantStatus, MapRefused, PageSet, StillMapped,
    Terms, TransferError, Window,
};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any};
use proptest::sample::Index;
use proptest::{prop_assert_eq, prop_oneof, proptest};

/// Frames of the front's page sets.
const SETS: [(u32, u32); 3] = [(0x100, 1), (0x200, 3), (0x300, 8)];

#[derive(Clone, Debug)]
enum Action {
    Open,
    Map(Index),
    Transfer(Index),
    Fence(Index),
    Release(Index),
    Unmap(Index),
    Sweep,
    KillBack,
    RefuseMap(usize),
    RefuseUnmaps(usize),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => any::<()>().prop_map(|()| Action::Open),
        4 => any::<Index>().prop_map(Action::Map),
        4 => any::<Index>().prop_map(Action::Transfer),
        1 => any::<Index>().prop_map(Action::Fence),
        3 => any::<Index>().prop_map(Action::Release),
        3 => any::<Index>().prop_map(Action::Unmap),
        2 => any::<()>().prop_map(|()| Action::Sweep),
        1 => any::<()>().prop_map(|()| Action::KillBack),
        1 => (0..9_usize).prop_map(Action::RefuseMap),
        1 => (0..4_usize).prop_map(Action::RefuseUnmaps),
    ]
}

struct Front {
    connection: FrontConnection<FakePages>,
    terms: Terms,
}

struct Life {
    world: World,
    free: Vec<PageSet<FakePages>>,
    fronts: Vec<Front>,
    backs: Vec<BackConnection<FakePages>>,
    number: u32,
}

impl Life {
    fn new() -> Self {
        let world = World::new();
        let free = SETS.iter().map(|&(first, count)| world.pages(first, count)).collect();
        Self { world, free, fronts: vec![], backs: vec![], number: 0 }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Open => self.open(),
            Action::Map(which) => self.map(which),
            Action::Transfer(which) => self.transfer(which),
            Action::Fence(which) => {
                if let Some(front) = pick(&mut self.fronts, which) {
                    self.fronts[front].connection.fence();
                }
            }
            Action::Release(which) => {
                if let Some(front) = pick(&mut self.fronts, which) {
                    let front = self.fronts.swap_remove(front);
                    self.release(front);
                }
            }
            Action::Unmap(which) => {
                if let Some(back) = pick(&mut self.backs, which) {
                    let back = self.backs.swap_remove(back);
                    let _ = back.unmap(&mut self.world.window, &mut self.world.mapper);
                }
            }
            Action::Sweep => self.sweep(),
            Action::KillBack => self.kill_back(),
            Action::RefuseMap(good) => {
                let why = MapRefused::Status(GrantStatus::GENERAL_ERROR);
                self.world.back.refuse_map_after(good, why);
            }
            Action::RefuseUnmaps(count) => self.world.back.refuse_unmaps(count),
        }
    }

    fn open(&mut self) {
        let Some(set) = self.free.pop() else { return };
        self.number += 1;
        let terms = terms(self.number);
        let peer = self.world.back.domid();
        let (table, quarantine) = (&mut self.world.table, &mut self.world.quarantine);
        match FrontConnection::open(set, peer, &terms, table, quarantine) {
            Ok(connection) => self.fronts.push(Front { connection, terms }),
            Err(refused) => self.free.extend(refused.set),
        }
    }

    /// The back maps a connection, be it its first attempt or one too many.
    fn map(&mut self, which: Index) {
        let Some(front) = pick(&mut self.fronts, which) else { return };
        let terms = self.fronts[front].terms;
        let refs: Vec<GrantRef> = self.fronts[front].connection.refs().collect();
        let (domain, peer) = (self.world.back.clone(), self.world.front.domid());
        let (window, mapper) = (&mut self.world.window, &mut self.world.mapper);
        let view = |run: &_| domain.window_pages(run);
        domain.allow_double_maps();
        let Ok(mut back) = BackConnection::map(window, mapper, peer, &refs, view) else { return };
        match back.verify(&terms) {
            Ok(()) => {
                back.stamp(BACK_EPOCH);
                self.backs.push(back);
            }
            Err(_) => {
                let _ = back.unmap(window, mapper);
            }
        }
    }

    fn transfer(&mut self, which: Index) {
        if let Some(back) = pick(&mut self.backs, which) {
            let back = &mut self.backs[back];
            let mut bytes = [0; 100];
            match back.read(&mut bytes) {
                Ok(count) => assert!(bytes[..count].iter().all(|&byte| byte == 7)),
                // Two backs on one ring, if the reference was mapped twice, confuse each other.
                Err(TransferError::Fenced | TransferError::Ring(_)) => {}
            }
            let _ = back.write(&[9; 50]);
        }
        if let Some(front) = pick(&mut self.fronts, which) {
            let _ = self.fronts[front].connection.write(&[7; 60]);
            let _ = self.fronts[front].connection.flush();
        }
    }

    fn release(&mut self, front: Front) {
        let (table, quarantine) = (&mut self.world.table, &mut self.world.quarantine);
        match front.connection.release(table, quarantine) {
            Ok(set) => self.free.push(set),
            Err(StillMapped { pages }) => assert!(pages > 0),
        }
    }

    fn sweep(&mut self) {
        let _ = self.world.window.sweep(&mut self.world.mapper);
        let free = &mut self.free;
        let state = self.world.quarantine.sweep(&mut self.world.table, |_, set| free.push(set));
        assert_eq!(state.pages == 0, state.sets == 0);
        assert_eq!(state.reserved, self.fronts.len());
    }

    fn kill_back(&mut self) {
        self.world.back.destroy();
        self.backs.clear();
        self.world.back = self.world.machine.create(self.world.back.domid(), 64);
        self.world.mapper = self.world.back.mapper();
        self.world.window = Window::new(16);
    }

    /// Everybody gives up, Xen refuses nothing any more.
    fn end(mut self) -> usize {
        self.world.back.refuse_unmaps(0);
        for front in core::mem::take(&mut self.fronts) {
            self.release(front);
        }
        for back in core::mem::take(&mut self.backs) {
            self.world.unmap(back);
        }
        self.sweep();
        assert_eq!(self.world.window.mapped(), 0);
        self.world.machine.assert_clean();
        self.free.len()
    }
}

fn pick<T>(from: &mut [T], which: Index) -> Option<usize> {
    (!from.is_empty()).then(|| which.index(from.len()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_page_is_reused_while_mapped_and_nothing_is_left(actions in vec(action(), 1..200)) {
        let mut life = Life::new();
        for action in actions {
            life.act(action);
        }
        prop_assert_eq!(life.end(), SETS.len(), "a page set is lost");
    }
}
