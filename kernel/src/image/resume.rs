//! Suspending the domain, and what is set up again when it is back under another number.
//!
//! Its memory is all that a restored domain has of its former life (docs/protocol.md, rule S0):
//! Xen's pages, the rings, ports, grants and mappings are new or gone. The order is the one of
//! [`super::start`].

use super::start::{self, GRANT_ENTRIES, NO_DOMAIN_NUMBER};
use crate::console;
use crate::xen::boot_error::BootError;
use crate::xen::grants::GrantFrames;
use crate::xen::hypercall::sched::{self, Suspended};
use crate::xen::store::StoreRing;
use crate::xen::{clock, events, hypercall};

/// What is new in a restored domain.
pub(crate) struct Restored {
    /// Its number.
    pub(crate) domid: u16,
    /// xenstore's ring, nothing asked yet.
    pub(crate) store: StoreRing,
    /// Its grant table, empty.
    pub(crate) grants: GrantFrames,
}

/// Suspends the domain. `None` if the toolstack let the same domain go on: all is as it was, but
/// that time has passed.
pub(crate) fn suspend() -> Result<Option<Restored>, BootError> {
    console::drain();
    match sched::suspend() {
        Ok(Suspended::Restored) => resume().map(Some),
        Ok(Suspended::Cancelled) => Ok(None),
        Err(errno) => {
            crate::say!(Warn, "Xen refuses to suspend this domain: {errno}");
            Ok(None)
        }
    }
}

fn resume() -> Result<Restored, BootError> {
    // The ring went with the former life: what is said before there is a new one, a refusal above all,
    // goes to Xen's console.
    let former = console::detach();
    hypercall::fill()?;
    start::begin_life()?;
    clock::go_on();
    events::forget_ports();
    console::attach(console::Ring::find()?, former);
    let store = StoreRing::find()?;
    let domid = hypercall::domid().ok_or(NO_DOMAIN_NUMBER)?;
    let grants = GrantFrames::of(GRANT_ENTRIES);
    grants.place()?;
    if let Err(errno) = events::advertise_shutdown() {
        crate::say!(Warn, "xl shutdown will not work: {errno}");
    }
    Ok(Restored { domid, store, grants })
}
