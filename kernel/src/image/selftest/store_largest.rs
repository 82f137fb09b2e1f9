//! The largest value that this daemon lets a domU write, found by halving, and read back.
//!
//! It is longer than the ring, so both ways a packet goes through in pieces. The limit differs: C
//! xenstored counts the node's permissions too, oxenstored does not.

use xenbus::Cause;

use super::failed::{Failed, hold, store};
use super::nodes::{self, TestClient};
use crate::image::machine::Machine;

const NODE: &str = "data/selftest/value";
/// Every daemon must take this: a register of docs/protocol.md §3 and a little.
const LENGTH_MIN: usize = 1920;
/// No daemon takes this by default (quota `node_size` is 2048).
const LENGTH_MAX: usize = 4000;

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let value: [u8; LENGTH_MAX] = core::array::from_fn(|index| (index % 251) as u8);
    let client = &mut machine.store.blocking();
    let result = find(client, &value);
    nodes::clean_up(client)?;
    let length = result?;
    crate::say!(Info, "the largest value here is {length} bytes");
    Ok(())
}

fn find(client: &mut TestClient<'_>, value: &[u8; LENGTH_MAX]) -> Result<usize, Failed> {
    nodes::write(client, NODE, &value[..LENGTH_MIN])?;
    let (mut fits, mut too_long) = (LENGTH_MIN, LENGTH_MAX);
    // Each turn halves the distance: at most a dozen.
    while fits + 1 < too_long {
        let length = usize::midpoint(fits, too_long);
        match nodes::try_write(client, NODE, &value[..length]) {
            Ok(()) => fits = length,
            Err(Cause::Quota) => too_long = length,
            Err(cause) => return Err(Failed::found("refused-as-quota", &cause.word())),
        }
    }
    nodes::write(client, NODE, &value[..fits])?;
    let mut room = [0; LENGTH_MAX];
    let read = store("read-largest", client.read(NODE, &mut room))?;
    hold("same-value", read == &value[..fits])?;
    Ok(fits)
}
