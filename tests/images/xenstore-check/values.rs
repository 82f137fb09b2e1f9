//! Values of nodes: written, read, replaced, absent. The first four are those of Xen's own
//! test-xenstore (tools/tests/xenstore/test-xenstore.c, `read 1` to `write 2000`).

use xenbus::Errno;

use super::answer::{Outcome, held, noted, ok, refused, same, words};
use super::bench::{Bench, NONE};
use super::case::Case;

pub(crate) const CASES: &[Case] = &[
    Case::new("read-1", |bench| read(bench, 1)),
    Case::new("read-2000", |bench| read(bench, 2000)),
    Case::new("write-1", |bench| write(bench, 1)),
    Case::new("write-2000", |bench| write(bench, 2000)),
    Case::new("read-absent", read_absent),
    Case::new("value-of-any-byte", any_byte),
    Case::new("value-of-any-length", any_length),
    Case::new("path-relative-or-absolute", relative_or_absolute),
];

const NODE: &str = "data/check/w/a";
/// The larger of the two lengths, which both daemons let a guest write.
const LARGE: usize = 2000;

fn read(bench: &mut Bench, length: usize) -> Outcome {
    let value = [b'a'; LARGE];
    ok("write", bench.write(NONE, NODE, &value[..length]))?;
    let mut room = [0; LARGE + 1];
    same("read", ok("read", bench.read(NONE, NODE, &mut room))?, &value[..length])?;
    held()
}

fn write(bench: &mut Bench, length: usize) -> Outcome {
    let (old, new) = ([b'o'; LARGE], [b'n'; LARGE]);
    ok("write", bench.write(NONE, NODE, &old[..length]))?;
    ok("overwrite", bench.write(NONE, NODE, &new[..length]))?;
    let mut room = [0; LARGE + 1];
    same("read", ok("read", bench.read(NONE, NODE, &mut room))?, &new[..length])?;
    held()
}

fn read_absent(bench: &mut Bench) -> Outcome {
    refused("read", bench.read(NONE, "data/check/w/nowhere", &mut [0; 1]), Errno::Enoent)?;
    held()
}

fn any_byte(bench: &mut Bench) -> Outcome {
    let value: [u8; 256] = core::array::from_fn(|index| index as u8);
    ok("write", bench.write(NONE, NODE, &value))?;
    let mut room = [0; 257];
    same("read", ok("read", bench.read(NONE, NODE, &mut room))?, &value)?;
    held()
}

/// Lengths in steps that no power of two divides: packets are cut by the ring's end at any byte.
fn any_length(bench: &mut Bench) -> Outcome {
    const STEP: usize = 37;
    let value: [u8; LARGE] = core::array::from_fn(|index| (index % 251) as u8);
    let mut room = [0; LARGE];
    let mut lengths = 0;
    for length in (0..LARGE).step_by(STEP) {
        ok("write", bench.write(NONE, NODE, &value[..length]))?;
        same("read", ok("read", bench.read(NONE, NODE, &mut room))?, &value[..length])?;
        lengths += 1;
    }
    noted(format_args!("{lengths}-lengths"))
}

fn relative_or_absolute(bench: &mut Bench) -> Outcome {
    ok("write", bench.write(NONE, NODE, b"same"))?;
    let absolute = words(format_args!("/local/domain/{}/{NODE}", bench.domid));
    let mut room = [0; 8];
    same("read-absolute", ok("read", bench.read(NONE, &absolute, &mut room))?, b"same")?;
    held()
}
