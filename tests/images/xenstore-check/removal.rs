//! Removing nodes: one, with all below it, one of several, one that is not there. The first two are
//! those of Xen's test-xenstore (`rm node`, `rm dir`).

use xenbus::Errno;

use super::answer::{Outcome, held, ok, refused, same};
use super::bench::{Bench, NONE, WORK};
use super::case::Case;

pub(crate) const CASES: &[Case] = &[
    Case::new("remove-node", node),
    Case::new("remove-tree", tree),
    Case::new("remove-child", child),
    Case::new("remove-absent", absent),
];

fn node(bench: &mut Bench) -> Outcome {
    ok("remove", bench.remove(WORK))?;
    refused("read", bench.read(NONE, WORK, &mut [0; 1]), Errno::Enoent)?;
    held()
}

fn tree(bench: &mut Bench) -> Outcome {
    let leaves = ["data/check/w/a", "data/check/w/b", "data/check/w/b/c"];
    for path in leaves {
        ok("write", bench.write(NONE, path, b"x"))?;
    }
    ok("remove", bench.remove(WORK))?;
    for path in leaves {
        refused("read", bench.read(NONE, path, &mut [0; 1]), Errno::Enoent)?;
    }
    held()
}

/// Its sibling and its parent stay.
fn child(bench: &mut Bench) -> Outcome {
    ok("write", bench.write(NONE, "data/check/w/a", b"1"))?;
    ok("write", bench.write(NONE, "data/check/w/b", b"2"))?;
    ok("remove", bench.remove("data/check/w/a"))?;
    refused("read", bench.read(NONE, "data/check/w/a", &mut [0; 1]), Errno::Enoent)?;
    let mut room = [0; 8];
    same("sibling", ok("read", bench.read(NONE, "data/check/w/b", &mut room))?, b"2")?;
    let mut buffer = [0; 8];
    let names = ok("directory", bench.access.blocking().directory(WORK, &mut buffer))?;
    same("children", names.as_bytes(), b"b\0")?;
    held()
}

/// Below a parent that is there it is no error: whoever wants it gone has it gone.
fn absent(bench: &mut Bench) -> Outcome {
    ok("remove", bench.remove("data/check/w/nowhere"))?;
    let deeper = bench.remove("data/check/w/nowhere/deeper");
    refused("remove-deeper", deeper, Errno::Enoent)?;
    held()
}
