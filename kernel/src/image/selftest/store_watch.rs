//! A watch: it fires once when it is set, once more when the node changes, and can be taken back.
//!
//! Events may come more often than that; only their absence is a failure.

use core::time::Duration;

use super::failed::{Failed, hold, store};
use super::nodes::{self, TestClient};
use crate::image::machine::Machine;

const NODE: &str = "data/selftest/watched";
/// Long enough for a daemon that is being updated.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let client = &mut machine.store.blocking();
    let watch = store("watch", client.watch(NODE))?;
    let result = observe(client);
    store("unwatch", client.unwatch(watch, NODE))?;
    nodes::clean_up(client)?;
    result
}

fn observe(client: &mut TestClient<'_>) -> Result<(), Failed> {
    hold("fires-when-set", fires(client)?)?;
    nodes::write(client, NODE, b"changed")?;
    hold("fires-when-written", fires(client)?)
}

#[inline(never)]
fn fires(client: &mut TestClient<'_>) -> Result<bool, Failed> {
    store("change", client.change(PATIENCE)).map(|change| change.is_some())
}
