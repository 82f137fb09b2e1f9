//! A simulated domain's window for foreign pages, with few slots or with many: their number is a
//! type's in `grant`, and a world's here.

use grant::{BackConnection, DomId, GrantRef, MapError, UnmapError, Window};

use super::xen::{Life, MapFailure, SimPages, Sizes, WindowMapper, Xen};

/// Which slots hold what, and who maps into them.
#[derive(Debug)]
pub struct Slots {
    books: Books,
    mapper: WindowMapper,
}

#[derive(Debug)]
enum Books {
    Few(Window<{ Sizes::FEW.slots }>),
    Many(Box<Window<{ Sizes::MANY.slots }>>),
}

/// The same words for the books of either kind.
macro_rules! with_books {
    ($books:expr, $window:ident => $work:expr) => {
        match $books {
            Books::Few($window) => $work,
            Books::Many(boxed) => {
                let $window = &mut **boxed;
                $work
            }
        }
    };
}

impl Slots {
    /// A domain's, with as many as its Xen gives.
    ///
    /// # Panics
    /// If that is neither few nor many.
    pub fn new(xen: &Xen, life: Life) -> Self {
        let books = match xen.sizes().slots {
            few if few == Sizes::FEW.slots => Books::Few(Window::new()),
            many if many == Sizes::MANY.slots => Books::Many(Box::new(Window::new())),
            other => panic!("a window of {other} slots"),
        };
        Slots { books, mapper: xen.window(life) }
    }

    /// Maps what a peer offers.
    ///
    /// # Errors
    /// As [`Window::map`] has them.
    pub fn map(
        &mut self,
        peer: DomId,
        refs: &[GrantRef],
    ) -> Result<BackConnection<SimPages>, MapError> {
        let mapper = &mut self.mapper;
        let switchboard = mapper.switchboard();
        let view = |run: &grant::SlotRun| switchboard.view(run.first() as usize, run.count());
        with_books!(&mut self.books, window => {
            BackConnection::map(window, mapper, peer, refs, view)
        })
    }

    /// Undoes it.
    ///
    /// # Errors
    /// As [`Window::unmap`] has them.
    pub fn unmap(&mut self, connection: BackConnection<SimPages>) -> Result<(), UnmapError> {
        with_books!(&mut self.books, window => connection.unmap(window, &mut self.mapper))
    }

    /// Tries again to undo what Xen refused to undo.
    ///
    /// # Errors
    /// As [`Window::sweep`] has them.
    pub fn sweep(&mut self) -> Result<(), UnmapError> {
        with_books!(&mut self.books, window => window.sweep(&mut self.mapper))
    }

    /// Pages whose mapping Xen refused to undo.
    pub fn stuck(&self) -> usize {
        match &self.books {
            Books::Few(window) => window.stuck(),
            Books::Many(window) => window.stuck(),
        }
    }

    /// Makes the next operation of a kind fail once.
    pub fn fail_next(&mut self, failure: MapFailure) {
        self.mapper.fail_next(failure);
    }
}
