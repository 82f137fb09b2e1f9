//! A watch: it fires once when it is set, once more when the node changes, and can be taken back.
//!
//! Events may come more often than that; only their absence is a failure.

use core::time::Duration;

use xenbus::blocking::Store;

use super::DIRECTORY;
use super::failed::{Failed, hold, store};
use crate::machine::Machine;
use crate::store::StoreRing;

const NODE: &str = "data/selftest/watched";
/// Long enough for a daemon that is being updated.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let mut client = machine.store.blocking();
    let watch = store("watch", client.watch(NODE))?;
    let result = observe(&mut client);
    store("unwatch", client.unwatch(watch, NODE))?;
    store("remove", client.remove(DIRECTORY))?;
    result
}

fn observe(client: &mut Store<'_, StoreRing>) -> Result<(), Failed> {
    hold("fires-when-set", store("change", client.change(PATIENCE))?.is_some())?;
    store("write", client.write(NODE, b"changed"))?;
    hold("fires-when-written", store("change", client.change(PATIENCE))?.is_some())
}
