//! A grant that nobody maps: made, seen in the table, ended by one compare-exchange.
//!
//! The peer is ourselves, who does not map it.

use grant::{DomId, EndError};

use super::failed::{Failed, hold, own_number};
use crate::image::machine::Machine;
use crate::mem::pages::Pages;

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let page = Pages::allocate(1).ok_or(Failed::not("page"))?;
    let peer = DomId(own_number(machine)?);
    let table = &mut machine.grants.0;
    let before = table.active().count();
    let reference = table.grant_frame(peer, page.frame(0)).map_err(|_| Failed::not("grant"))?;
    hold("grant-active", table.active().count() == before + 1)?;
    hold("grant-ended", table.end_grant(reference).is_ok())?;
    hold("ended-once", table.end_grant(reference) == Err(EndError::NotGranted))?;
    page.give_back();
    hold("table-as-before", table.active().count() == before)
}
