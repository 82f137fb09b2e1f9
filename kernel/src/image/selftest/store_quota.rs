//! A write over the quota is refused by name, and leaves the node as it was.
//!
//! The name differs between daemons and versions (ENOSPC, E2BIG, EQUOTA); the cause must not.

use xenbus::Cause;

use super::failed::{Failed, hold};
use super::nodes;
use crate::image::machine::Machine;

const NODE: &str = "data/selftest/quota";
/// Fits a packet, but no node.
const TOO_LONG: usize = 4000;

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let client = &mut machine.store.blocking();
    nodes::write(client, NODE, b"kept")?;
    // Made at run time: as a constant it would be a tenth of the image.
    let refused = nodes::try_write(client, NODE, &core::hint::black_box([b'x'; TOO_LONG]));
    let kept = nodes::expect(client, NODE, b"kept");
    nodes::clean_up(client)?;
    kept?;
    hold("refused-as-quota", refused == Err(Cause::Quota))
}
