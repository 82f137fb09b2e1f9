//! A transaction that commits: both nodes are there afterwards, and neither before.
//!
//! The channel itself uses none; toolstacks do, and their writers meet ours.

use xenbus::Cause;
use xenbus::blocking::StoreError;

use super::failed::{Failed, hold};
use super::nodes::{self, TestClient};
use crate::image::machine::Machine;
use crate::mem::random;

const ONE: &str = "data/selftest/one";
const TWO: &str = "data/selftest/two";
const THREE: &str = "data/selftest/three";
const NOWHERE: &str = "data/selftest/nowhere";

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let client = &mut machine.store.blocking();
    hold("committed", transact(client, write_both).is_ok())?;
    let one = nodes::expect(client, ONE, b"1");
    let two = nodes::expect(client, TWO, b"2");
    let abandoned = transact(client, write_and_fail);
    let three = nodes::expect_absent(client, THREE);
    nodes::clean_up(client)?;
    one?;
    two?;
    hold("failed-work-reported", abandoned == Err(Cause::Absent))?;
    three
}

/// Does some work in a transaction. A plain function, so that this is compiled once.
#[inline(never)]
fn transact(
    client: &mut TestClient<'_>,
    work: fn(&mut TestClient<'_>) -> Result<(), StoreError>,
) -> Result<(), Cause> {
    // The pauses between attempts are spread; a source that fails spreads them less, no more.
    let done = client.transaction(&mut || random::draw().unwrap_or(0) as u32, work);
    done.map_err(|error| error.cause())
}

fn write_both(client: &mut TestClient<'_>) -> Result<(), StoreError> {
    client.write(ONE, b"1")?;
    client.write(TWO, b"2")
}

fn write_and_fail(client: &mut TestClient<'_>) -> Result<(), StoreError> {
    client.write(THREE, b"3")?;
    client.read(NOWHERE, &mut [0; 1]).map(drop)
}
