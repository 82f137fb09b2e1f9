//! Other domains' pages in the window: mapping them, and reading and writing what is mapped.
//!
//! The frames behind the grant table's are for this. They never held RAM, so mapping loses nothing,
//! and [`grant::Window`] never names a slot twice, which Xen would answer by ending the domain.

use grant::{
    DomId, GrantRef, GrantStatus, MapHandle, MapRefused, Mapper, Mapping, PAGES_MAX, SlotRun,
    UnmapRefused,
};
use heapless::Vec;

use super::frames::FRAMES_MAX;
use super::shared::shared_pages;
use crate::mem::untyped::Untyped;
use crate::xen::hypercall::Errno;
use crate::xen::hypercall::event_channel::Port;
use crate::xen::hypercall::grant_table::{self, GrantError, Map, Unmap};
use crate::xen::window::{self, WindowFrame};

/// The window's slot of `grant/`'s slot 0: behind shared info and the grant frames.
const FIRST_SLOT: u32 = 1 + FRAMES_MAX;

/// Maps and unmaps by hypercall.
pub struct WindowMapper;

impl Mapper for WindowMapper {
    fn map(&mut self, peer: DomId, r: GrantRef, window_slot: u32) -> Result<MapHandle, MapRefused> {
        let mut outcome = [Ok(MapHandle(0))];
        self.map_run(peer, &[r], window_slot, &mut outcome);
        outcome[0]
    }

    fn unmap(&mut self, handle: MapHandle, window_slot: u32) -> Result<(), UnmapRefused> {
        let mut outcome = [Ok(())];
        self.unmap_run(&[Mapping { window_slot, handle }], &mut outcome);
        outcome[0]
    }

    fn map_run(
        &mut self,
        peer: DomId,
        refs: &[GrantRef],
        first_slot: u32,
        outcomes: &mut [Result<MapHandle, MapRefused>],
    ) {
        assert!(refs.len() <= PAGES_MAX);
        let of = |(r, slot): (&GrantRef, u32)| Map::new(peer.0, r.0, window_frame(slot));
        let mut operations: Vec<Map, PAGES_MAX> = refs.iter().zip(first_slot..).map(of).collect();
        let called = grant_table::map(&mut operations);
        for (operation, outcome) in operations.iter().zip(outcomes) {
            let why = |error| match said(called, error) {
                GrantError::Status(status) => MapRefused::Status(GrantStatus(status)),
                GrantError::Hypercall(errno) => MapRefused::Hypercall(errno.negative()),
            };
            *outcome = operation.handle().map(MapHandle).map_err(why);
        }
    }

    fn unmap_run(&mut self, mappings: &[Mapping], outcomes: &mut [Result<(), UnmapRefused>]) {
        unmap(mappings, outcomes, None);
    }
}

/// As [`Mapper::unmap_run`] of [`WindowMapper`]; closes `port` by the same exit to Xen, right after it.
/// What closing said, if there was a port.
pub(crate) fn unmap(
    mappings: &[Mapping],
    outcomes: &mut [Result<(), UnmapRefused>],
    port: Option<Port>,
) -> Option<Result<(), Errno>> {
    assert!(mappings.len() <= PAGES_MAX);
    let of = |of: &Mapping| Unmap::new(of.handle.0, window_frame(of.window_slot));
    let mut operations: Vec<Unmap, PAGES_MAX> = mappings.iter().map(of).collect();
    let (called, closed) = match port {
        None => (grant_table::unmap(&mut operations), None),
        Some(port) => {
            let (called, closed) = grant_table::unmap_and_close(&mut operations, port);
            (called, Some(closed))
        }
    };
    for (operation, outcome) in operations.iter().zip(outcomes) {
        let why = |error| match said(called, error) {
            GrantError::Status(status) => UnmapRefused::Status(GrantStatus(status)),
            GrantError::Hypercall(errno) => UnmapRefused::Hypercall(errno.negative()),
        };
        *outcome = operation.outcome().map_err(why);
    }
    closed
}

/// What to say of an operation that was not done: the hypercall's refusal where there was one.
/// The operation's own status still decides whether it was done.
fn said(called: Result<(), GrantError>, operation: GrantError) -> GrantError {
    called.err().unwrap_or(operation)
}

/// The frame of a slot.
fn window_frame(window_slot: u32) -> WindowFrame {
    window::window_frame(FIRST_SLOT + window_slot)
}

/// Mapped pages. Whoever unmaps the run drops this first; a late access would be answered with all
/// ones, not with a fault.
pub struct ForeignPages {
    memory: Untyped,
}

impl ForeignPages {
    /// The pages of a mapped run.
    pub fn of(run: &SlotRun) -> ForeignPages {
        ForeignPages { memory: window::window(FIRST_SLOT + run.first(), run.count()) }
    }
}

shared_pages!(ForeignPages, |pages| pages.memory);
