//! xenstore: write a node, read it, remove it, and find it gone.
//!
//! Below the own home, with a relative path, as everything here does.

use xenbus::Errno;

use super::DIRECTORY;
use super::failed::{Failed, hold, store};
use crate::machine::Machine;

const VALUE: &[u8] = b"a value with blanks \x01 and odd bytes \xfe";

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let mut client = machine.store.blocking();
    let mut room = [0; 64];
    store("write", client.write("data/selftest/node", VALUE))?;
    hold("same-value", store("read", client.read("data/selftest/node", &mut room))? == VALUE)?;
    store("overwrite", client.write("data/selftest/node", b""))?;
    hold("empty-value", store("read", client.read("data/selftest/node", &mut room))?.is_empty())?;
    store("remove", client.remove(DIRECTORY))?;
    match client.read("data/selftest/node", &mut room) {
        Err(error) if error.is(Errno::Enoent) => Ok(()),
        Err(error) => Err(Failed::Store("gone-enoent", error)),
        Ok(_) => Err(Failed::Not("gone-once-removed")),
    }
}
