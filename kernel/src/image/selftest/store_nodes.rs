//! xenstore: write a node, read it, remove it, and find it gone.
//!
//! Below the own home, with a relative path, as everything here does.

use super::failed::Failed;
use super::nodes;
use crate::image::machine::Machine;

const NODE: &str = "data/selftest/node";
const VALUE: &[u8] = b"a value with blanks \x01 and odd bytes \xfe";

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let client = &mut machine.store.blocking();
    nodes::write(client, NODE, VALUE)?;
    nodes::expect(client, NODE, VALUE)?;
    nodes::write(client, NODE, b"")?;
    nodes::expect(client, NODE, b"")?;
    nodes::clean_up(client)?;
    nodes::expect_absent(client, NODE)
}
