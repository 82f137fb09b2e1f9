//! The store's operations as the self-tests use them, each once in the image.
//!
//! The synchronous client is generic, so that each use of it would be compiled anew; a dozen tests
//! with several uses each are where that shows.

use xenbus::Cause;
use xenbus::blocking::Store;

use super::failed::{Failed, hold, store};
use crate::xen::store::StoreRing;

/// The directory in the own home where the store tests work. Not below `data/tether`, which is the
/// channel's, and removed by each test that made it.
const DIRECTORY: &str = "data/selftest";

/// The synchronous client over this domain's ring.
pub(super) type TestClient<'a> = Store<'a, StoreRing>;

/// Longest value that a test reads here.
const VALUE_BYTES_MAX: usize = 64;

/// Writes a node.
#[inline(never)]
pub(super) fn write(client: &mut TestClient<'_>, path: &str, value: &[u8]) -> Result<(), Failed> {
    store("write", client.write(path, value))
}

/// Writes a node, which may be refused.
#[inline(never)]
pub(super) fn try_write(
    client: &mut TestClient<'_>,
    path: &str,
    value: &[u8],
) -> Result<(), Cause> {
    client.write(path, value).map_err(|error| {
        crate::say!(Debug, "{} bytes: {error}", value.len());
        error.cause()
    })
}

/// Reads a node, which must have this value.
#[inline(never)]
pub(super) fn expect(client: &mut TestClient<'_>, path: &str, value: &[u8]) -> Result<(), Failed> {
    let mut room = [0; VALUE_BYTES_MAX];
    let read = store("read", client.read(path, &mut room))?;
    hold("same-value", read == value)
}

/// Reads a node, which must not be there.
#[inline(never)]
pub(super) fn expect_absent(client: &mut TestClient<'_>, path: &str) -> Result<(), Failed> {
    match client.read(path, &mut [0; VALUE_BYTES_MAX]) {
        Err(error) if error.cause() == Cause::Absent => Ok(()),
        Err(error) => Err(Failed::found("absent", &error)),
        Ok(_) => Err(Failed::not("absent")),
    }
}

/// Removes what the tests have written.
#[inline(never)]
pub(super) fn clean_up(client: &mut TestClient<'_>) -> Result<(), Failed> {
    store("remove", client.remove(DIRECTORY))
}
