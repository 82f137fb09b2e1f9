//! Lists of children: short, long, longer than a packet.

use xenbus::blocking::StoreError;
use xenbus::directory::{ListError, Listing, Step};
use xenbus::reply::Names;
use xenbus::stall::STALL_BOUND_NS;
use xenbus::{Request, RequestKind};

use super::answer::{Outcome, Wrong, equal, held, noted, ok, same, text, wrong};
use super::bench::{Bench, Daemon, NONE, WORK};
use super::case::Case;

pub(crate) const CASES: &[Case] = &[
    Case::new("directory", ten),
    Case::new("directory-of-none", none),
    Case::new("make-directory", make_directory),
    Case::new("directory-of-300", three_hundred),
    Case::new("directory-longer-than-a-packet", longer_than_a_packet).in_company(),
];

/// Children of the long lists; C xenstored keeps their names in one node, which has a quota.
const MANY: usize = 300;
/// Room for the longest list: dom0's, of [`MANY`] names of 20 letters.
const LIST_BYTES: usize = 8192;

/// As in Xen's test-xenstore (`dir`): ten children, each listed once, and nothing else.
fn ten(bench: &mut Bench) -> Outcome {
    let letters = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    for letter in letters {
        let path = text(format_args!("{WORK}/{letter}"));
        ok("write", bench.write(NONE, &path, b"x"))?;
    }
    let mut buffer = [0; 64];
    let names = ok("directory", bench.access.blocking().directory(WORK, &mut buffer))?;
    equal("children", names.count(), letters.len())?;
    for letter in letters {
        equal(letter, names.filter(|name| *name == letter).count(), 1)?;
    }
    held()
}

fn none(bench: &mut Bench) -> Outcome {
    let mut buffer = [0; 8];
    let names = ok("directory", bench.access.blocking().directory(WORK, &mut buffer))?;
    equal("children", names.count(), 0)?;
    held()
}

/// It makes parents too, and leaves the value of what is there alone.
fn make_directory(bench: &mut Bench) -> Outcome {
    let path = "data/check/w/b/c";
    ok("make", bench.order(NONE, Request::MakeDirectory { path }))?;
    let mut room = [0; 8];
    same("read", ok("read", bench.read(NONE, path, &mut room))?, b"")?;
    ok("write", bench.write(NONE, path, b"kept"))?;
    ok("make-again", bench.order(NONE, Request::MakeDirectory { path }))?;
    same("read-again", ok("read", bench.read(NONE, path, &mut room))?, b"kept")?;
    held()
}

fn three_hundred(bench: &mut Bench) -> Outcome {
    for number in 0..MANY {
        let path = text(format_args!("{WORK}/{number:03}"));
        ok("write", bench.write(NONE, &path, b""))?;
    }
    let mut buffer = [0; LIST_BYTES];
    let names = ok("directory", bench.access.blocking().directory(WORK, &mut buffer))?;
    check_numbers(names, 3)?;
    // The same in parts, or, where the daemon has none, by falling back.
    let mut listing = Listing::in_parts(WORK);
    let before = bench.counts().requests_of(RequestKind::DirectoryPart);
    list(bench, &mut listing, &mut buffer).map_err(|error| wrong("in-parts", "OK", error))?;
    check_numbers(listing.names(&buffer), 3)?;
    let parts = bench.counts().requests_of(RequestKind::DirectoryPart) - before;
    noted(format_args!("asked-for-{parts}-parts"))
}

/// dom0 made it; its names are numbers of twenty digits.
fn longer_than_a_packet(bench: &mut Bench) -> Outcome {
    let path = "data/check/dom0/long";
    let mut buffer = [0; LIST_BYTES];
    let before = bench.counts().requests_of(RequestKind::DirectoryPart);
    let result = bench.access.blocking().directory(path, &mut buffer);
    let parts = bench.counts().requests_of(RequestKind::DirectoryPart) - before;
    match (bench.daemon, result) {
        (_, Ok(names)) => {
            check_numbers(names, 20)?;
            noted(format_args!("in-{parts}-parts"))
        }
        // oxenstored up to 4.20 lacks DIRECTORY_PART.
        (Daemon::Ocaml, Err(StoreError::List(ListError::TooLongForDaemon))) => {
            noted("refused:-the-daemon-has-no-parts")
        }
        (_, Err(error)) => Err(wrong("directory", "300-names", error)),
    }
}

/// Drives a listing to its end.
fn list(bench: &mut Bench, listing: &mut Listing<'_>, buffer: &mut [u8]) -> Result<(), StoreError> {
    loop {
        let id = bench.submit(NONE, listing.request())?;
        let step = bench.answer(id, STALL_BOUND_NS, |result| listing.answer(result, buffer))?;
        if step.map_err(StoreError::List)? == Step::Complete {
            return Ok(());
        }
    }
}

/// Every number below [`MANY`] once, in any order, as so many digits.
fn check_numbers(names: Names<'_>, digits: usize) -> Result<(), Wrong> {
    let mut seen = [false; MANY];
    for name in names {
        let number = name.parse::<usize>().ok().filter(|_| name.len() == digits);
        match number.and_then(|number| seen.get_mut(number)) {
            Some(place) if !*place => *place = true,
            _ => return Err(wrong("names", "each-number-once", name)),
        }
    }
    equal("children", seen.iter().filter(|seen| **seen).count(), MANY)
}
