//! A transaction that commits: both nodes are there afterwards, and neither before.
//!
//! The channel itself uses none; toolstacks do, and their writers meet ours.

use xenbus::Errno;

use super::DIRECTORY;
use super::failed::{Failed, hold, store};
use crate::machine::Machine;
use crate::random;

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let mut client = machine.store.blocking();
    let mut room = [0; 8];
    // The pauses between attempts are spread; a source that fails spreads them less, no more.
    let mut spread = || random::draw().unwrap_or(0) as u32;
    let committed = client.transaction(&mut spread, |client| {
        client.write("data/selftest/one", b"1")?;
        client.write("data/selftest/two", b"2")
    });
    store("commit", committed)?;
    let one = store("read", client.read("data/selftest/one", &mut room))? == b"1";
    let two = store("read", client.read("data/selftest/two", &mut room))? == b"2";
    let abandoned = client.transaction(&mut spread, |client| {
        client.write("data/selftest/three", b"3")?;
        client.read("data/selftest/nowhere", &mut [0; 1]).map(drop)
    });
    let three = client.read("data/selftest/three", &mut room).map(drop);
    store("remove", client.remove(DIRECTORY))?;
    hold("committed-nodes-there", one && two)?;
    hold("failed-work-reported", abandoned.is_err_and(|error| error.is(Errno::Enoent)))?;
    hold("abandoned-node-absent", three.is_err_and(|error| error.is(Errno::Enoent)))
}
