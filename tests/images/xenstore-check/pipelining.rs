//! Many requests under way at once: one doorbell for all, each answer to its own request, a bound,
//! and more bytes than the ring holds.

use alloc::string::String;

use xenbus::blocking::StoreError;
use xenbus::stall::STALL_BOUND_NS;
use xenbus::{Errno, IN_FLIGHT_MAX, Refusal, Reply, Request, RequestId, SubmitError};

use super::answer::{Outcome, Wrong, equal, held, noted, ok, some, text, wrong};
use super::bench::{Bench, NONE, WORK};
use super::case::Case;
use kernel::hypercall::{self, COUNTED_NAMES};

pub(crate) const CASES: &[Case] = &[
    Case::new("eight-reads-behind-one-doorbell", eight),
    Case::new("sixteen-in-flight-and-no-more", sixteen),
    Case::new("answers-find-their-requests", mixed),
    Case::new("more-in-flight-than-the-ring-holds", more_than_a_ring),
];

/// The nodes are named by a letter, and hold it.
fn path_of(number: usize) -> String {
    text(format_args!("{WORK}/{}", char::from(b'a' + number as u8)))
}

fn prepare(bench: &mut Bench, count: usize) -> Result<(), Wrong> {
    for number in 0..count {
        ok("write", bench.write(NONE, &path_of(number), &[b'a' + number as u8]))?;
    }
    Ok(())
}

/// How often Xen was told to ring the daemon, by Xen's own interface.
fn doorbells_by_hypercall() -> u64 {
    let names = COUNTED_NAMES.split_ascii_whitespace();
    let counts = names.zip(hypercall::counts());
    counts.filter(|(name, _)| *name == "evtchn.send").map(|(_, count)| count).sum()
}

/// Waits until so many are answered, each with the value of its own node.
fn collect(bench: &mut Bench, ids: &[Option<RequestId>]) -> Result<(), Wrong> {
    let start = bench.now();
    let mut right = 0;
    let mut answered = 0;
    loop {
        bench.round(|id, result| {
            let number = ids.iter().position(|known| *known == Some(id));
            let expected = number.map(|number| b'a' + number as u8);
            answered += 1;
            if let (Ok(Reply::Value(&[letter])), Some(expected)) = (result, expected) {
                right += u32::from(letter == expected);
            }
        });
        if answered >= ids.len() {
            return equal("right-values", right as usize, ids.len());
        }
        if bench.access.client.ended().is_some() || bench.now() - start > STALL_BOUND_NS {
            return Err(wrong("answers", ids.len(), answered));
        }
        bench.sleep(start + STALL_BOUND_NS);
    }
}

fn eight(bench: &mut Bench) -> Outcome {
    const READS: usize = 8;
    prepare(bench, READS)?;
    // Nothing is owed to the console daemon any more: its doorbell would be counted too.
    kernel::console::flush();
    let (told, sent) = (bench.counts().doorbells, doorbells_by_hypercall());
    let mut ids = [None; READS];
    for (number, id) in ids.iter_mut().enumerate() {
        let request = Request::Read { path: &path_of(number) };
        *id = Some(ok("submit", bench.submit(NONE, request))?);
    }
    collect(bench, &ids)?;
    equal("doorbells", bench.counts().doorbells - told, 1)?;
    equal("event-channel-sends", doorbells_by_hypercall() - sent, 1)?;
    held()
}

fn sixteen(bench: &mut Bench) -> Outcome {
    prepare(bench, IN_FLIGHT_MAX)?;
    let mut ids = [None; IN_FLIGHT_MAX];
    for (number, id) in ids.iter_mut().enumerate() {
        let request = Request::Read { path: &path_of(number) };
        *id = Some(ok("submit", bench.submit(NONE, request))?);
    }
    match bench.submit(NONE, Request::Read { path: WORK }) {
        Err(StoreError::Submit(SubmitError::Full)) => {}
        Err(error) => return Err(wrong("one-more", "refused-as-full", error)),
        Ok(_) => return Err(wrong("one-more", "refused-as-full", "OK")),
    }
    collect(bench, &ids)?;
    ok("after", bench.read(NONE, WORK, &mut [0; 8]).map(drop))?;
    held()
}

/// Every other node is absent: refusals and values come back mixed.
fn mixed(bench: &mut Bench) -> Outcome {
    const READS: usize = 8;
    for number in (0..READS).step_by(2) {
        ok("write", bench.write(NONE, &path_of(number), b"x"))?;
    }
    let mut ids = [None; READS];
    for (number, id) in ids.iter_mut().enumerate() {
        let request = Request::Read { path: &path_of(number) };
        *id = Some(ok("submit", bench.submit(NONE, request))?);
    }
    // Asked for from the last to the first: each has been kept apart from the others.
    let mut answers = [None; READS];
    let last = some("ids", "requests", ids[READS - 1])?;
    let bound_ns = STALL_BOUND_NS;
    let start = bench.now();
    let mut done = false;
    while !done {
        bench.round(|id, result| {
            if let Some(number) = ids.iter().position(|known| *known == Some(id)) {
                answers[number] = Some(match result {
                    Ok(_) => None,
                    Err(Refusal::Errno(errno)) => Some(errno),
                    Err(_) => Some(Errno::Eio),
                });
            }
            done |= id == last;
        });
        if bench.access.client.ended().is_some() || bench.now() - start > bound_ns {
            return Err(wrong("answers", "all", "too-few"));
        }
        if !done {
            bench.sleep(start + bound_ns);
        }
    }
    for (number, answer) in answers.into_iter().enumerate() {
        let expected = (number % 2 == 1).then_some(Errno::Enoent);
        equal("answer", answer == Some(expected), true)?;
    }
    held()
}

/// Four values of 900 bytes at once: the ring holds one of them.
fn more_than_a_ring(bench: &mut Bench) -> Outcome {
    const WRITES: usize = 4;
    let value = [b'v'; 900];
    let mut accepted = 0;
    let mut last = None;
    for number in 0..WRITES {
        let request = Request::Write { path: &path_of(number), value: &value };
        match bench.submit(NONE, request) {
            Ok(id) => {
                last = Some(id);
                accepted += 1;
            }
            // Back-pressure by bytes: the client keeps a packet and a bit, and says so.
            Err(StoreError::Submit(SubmitError::Full)) => break,
            Err(error) => return Err(wrong("submit", "OK-or-full", error)),
        }
    }
    let last = some("accepted", "at-least-one", last)?;
    let answer = bench.answer(last, STALL_BOUND_NS, |result| result.is_ok());
    equal("written", ok("answer", answer)?, true)?;
    let mut room = [0; 1024];
    let read = ok("read", bench.read(NONE, &path_of(accepted - 1), &mut room))?;
    equal("bytes", read.len(), value.len())?;
    equal("more-than-one", accepted > 1, true)?;
    noted(format_args!("{accepted}-at-once"))
}
