//! The longest values and paths that go through, both ways: packets far longer than the ring.

use xenbus::blocking::StoreError;
use xenbus::path::{PathError, RELATIVE_PATH_BYTES_MAX};
use xenbus::{Cause, SubmitError};

use super::answer::{Outcome, equal, name, noted, ok, refused_for, same, wrong};
use super::bench::{Bench, Daemon, NONE};
use super::case::Case;

pub(crate) const CASES: &[Case] = &[
    Case::new("largest-value", largest_value),
    Case::new("largest-value-from-dom0", from_dom0).in_company(),
    Case::new("longest-path", longest_path),
];

const NODE: &str = "data/check/w/a";
/// Every daemon takes so much from a guest.
const FITS: usize = 1920;
/// What dom0's script writes, and no daemon takes from a guest.
const DOM0_BYTES: usize = 4000;

fn pattern<const BYTES: usize>() -> [u8; BYTES] {
    core::array::from_fn(|index| b'a' + (index % 26) as u8)
}

/// Found by halving: the largest value, which is then read back whole.
fn largest_value(bench: &mut Bench) -> Outcome {
    let value: [u8; DOM0_BYTES] = pattern();
    ok("write", bench.write(NONE, NODE, &value[..FITS]))?;
    let (mut fits, mut too_long) = (FITS, DOM0_BYTES);
    while fits + 1 < too_long {
        let length = usize::midpoint(fits, too_long);
        match bench.write(NONE, NODE, &value[..length]) {
            Ok(()) => fits = length,
            refused => {
                refused_for("write", refused, Cause::Quota)?;
                too_long = length;
            }
        }
    }
    ok("write-largest", bench.write(NONE, NODE, &value[..fits]))?;
    let mut room = [0; DOM0_BYTES];
    same("read", ok("read", bench.read(NONE, NODE, &mut room))?, &value[..fits])?;
    noted(format_args!("{fits}-bytes"))
}

/// dom0 has no quota under C xenstored; under oxenstored the limit is for everybody, and the script
/// writes what it may.
fn from_dom0(bench: &mut Bench) -> Outcome {
    let mut room = [0; DOM0_BYTES + 1];
    let value = ok("read", bench.read(NONE, "data/check/dom0/large", &mut room))?;
    let length = match bench.daemon {
        Daemon::C => DOM0_BYTES,
        Daemon::Ocaml => FITS,
    };
    same("read", value, &pattern::<DOM0_BYTES>()[..length])?;
    noted(format_args!("{length}-bytes"))
}

/// The protocol's longest relative path reaches the daemon, which may have a lower limit of its
/// own; one byte more is refused by the client, and nothing is sent.
fn longest_path(bench: &mut Bench) -> Outcome {
    let bytes = [b'p'; RELATIVE_PATH_BYTES_MAX + 1];
    let path = core::str::from_utf8(&bytes).unwrap_or_default();
    let longest = &path[..RELATIVE_PATH_BYTES_MAX];
    let answer = match bench.read(NONE, longest, &mut [0; 1]) {
        // A path over oxenstored's `path-max` makes no sense to it.
        Err(error) if matches!(error.cause(), Cause::Absent | Cause::Invalid) => error,
        Err(error) => return Err(wrong("read", "absent-or-invalid", error)),
        Ok(_) => return Err(wrong("read", "absent-or-invalid", "OK")),
    };
    let before = bench.counts().requests_total();
    match bench.read(NONE, path, &mut [0; 1]) {
        Err(StoreError::Submit(SubmitError::Path(PathError::TooLong { .. }))) => {}
        Err(error) => return Err(wrong("one-byte-more", "refused-by-client", error)),
        Ok(_) => return Err(wrong("one-byte-more", "refused-by-client", "OK")),
    }
    equal("requests-sent", bench.counts().requests_total(), before)?;
    noted(name(&answer))
}
