//! A write over the quota is refused by name, and leaves the node as it was.
//!
//! The name differs between daemons and versions (ENOSPC, E2BIG, EQUOTA); the cause must not.

use xenbus::Cause;

use super::DIRECTORY;
use super::failed::{Failed, hold, store};
use crate::machine::Machine;

const NODE: &str = "data/selftest/quota";
/// Fits a packet, but no node.
const TOO_LONG: usize = 4000;

pub(super) fn run(machine: &mut Machine) -> Result<(), Failed> {
    let mut client = machine.store.blocking();
    store("write", client.write(NODE, b"kept"))?;
    // Made at run time: as a constant it would be a tenth of the image.
    let refused = client.write(NODE, &core::hint::black_box([b'x'; TOO_LONG]));
    let mut room = [0; 8];
    let kept = store("read", client.read(NODE, &mut room)).map(|value| value == b"kept");
    store("remove", client.remove(DIRECTORY))?;
    hold("value-kept", kept?)?;
    match refused {
        Err(error) if error.cause() == Cause::Quota => {
            log::debug!("over quota: {error}");
            Ok(())
        }
        Err(error) => Err(Failed::Store("refused-as-quota", error)),
        Ok(()) => Err(Failed::Not("over-quota-refused")),
    }
}
