//! A grant that is mapped: ending it must be refused until it is unmapped. This is what keeps a
//! page from being reused under a peer's eyes (I1).
//!
//! The peer is ourselves again. Mapping a page of one's own takes the page's frame out of its place
//! and does not put it back, so the page is not given back either: one of a few hundred.

use grant::{DomId, EndError, SharedPages, Window};

use super::failed::{Failed, hold, own_number};
use crate::image::machine::Machine;
use crate::mem::pages::Pages;
use crate::xen::grants::{ForeignPages, WindowMapper};

/// What the page holds before it is mapped, and must hold where it is mapped.
const MARK: u32 = 0x7e7e_0b5e;

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let page = Pages::allocate(1).ok_or(Failed::not("page"))?;
    page.memory().store(0, MARK);
    let frame = page.frame(0);
    let peer = DomId(own_number(machine)?);
    let table = &mut machine.grants.0;
    let reference = table.grant_frame(peer, frame).map_err(|_| Failed::not("grant"))?;
    let mut window = Window::new(1);
    let run = window
        .map(&mut WindowMapper, peer, &[reference])
        .map_err(|error| Failed::found("map", &error))?;
    let seen = ForeignPages::of(&run).load_u32(0) == MARK;
    let while_mapped = table.end_grant(reference);
    window.unmap(&mut WindowMapper, run).map_err(|error| Failed::found("unmap", &error))?;
    let once_unmapped = table.end_grant(reference);
    hold("page-seen-through-window", seen)?;
    hold("refused-while-mapped", matches!(while_mapped, Err(EndError::InUse { .. })))?;
    hold("ended-once-unmapped", once_unmapped.is_ok())
}
