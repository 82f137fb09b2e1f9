//! The xenstore decoder and the parsers of what it yields: a stream gives the same packets however
//! it is cut, and a payload that is taken is what its bytes say.

use xenbus::decoder::{Decoder, Progress};
use xenbus::reply::{Introduced, Rest};
use xenbus::wire::{HEADER_BYTES, Header, PAYLOAD_BYTES_MAX};
use xenbus::{Ended, Refusal, Reply, RequestKind, WatchEvent};

use super::spoil::{number, spoil};
use prng::Prng;

/// Feeds a piece of the stream, such as [`Decoder::feed`].
pub type Feed = fn(&mut Decoder, &[u8]) -> (usize, Result<Progress, Ended>);

/// Packets of one stream at most.
const PACKETS_MAX: u32 = 6;

/// What a stream holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    packets: Vec<(Header, Vec<u8>)>,
    /// The length that ended it.
    too_long: Option<u32>,
}

/// One input.
///
/// # Panics
/// If the decoder or a parser breaks a rule.
pub fn check(input: &[u8], feed: Feed) {
    check_payload(input);
    let mut chance = Prng::from_bytes(input);
    let stream = stream(&mut chance);
    let found = decode(&stream, feed, || chance.between(1, 40) as usize);
    assert_eq!(found, read(&stream), "a stream is what it is, however it is cut");
    for (_, payload) in &found.packets {
        check_payload(payload);
    }
}

/// Some packets, nearly good.
fn stream(chance: &mut Prng) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..chance.between(1, PACKETS_MAX.into()) {
        let payload = payload(chance);
        let length = match chance.below(8) {
            0 => number(chance),
            1 => PAYLOAD_BYTES_MAX as u32 + chance.below(2),
            _ => payload.len() as u32,
        };
        let header =
            Header { op: chance.below(24), request: number(chance), transaction: 0, length };
        stream.extend(header.emit());
        stream.extend(payload);
    }
    stream
}

/// What a daemon might answer, and what it should not.
fn payload(chance: &mut Prng) -> Vec<u8> {
    const PIECES: [&[u8]; 14] = [
        b"OK",
        b"\0",
        b"\0",
        b"T",
        b"F",
        b"17",
        b"4294967296",
        b"n0",
        b"b7",
        b"data/x",
        b"w0.1",
        b"EACCES",
        b"\xff",
        b"/local/domain/7",
    ];
    let mut payload = Vec::new();
    for _ in 0..chance.below(8) {
        payload.extend(*chance.pick(&PIECES));
    }
    spoil(chance, &mut payload);
    payload
}

/// The packets as the decoder gives them.
fn decode(stream: &[u8], feed: Feed, mut cut: impl FnMut() -> usize) -> Found {
    let (mut decoder, mut found) = (Decoder::new(), Found::default());
    let mut rest = stream;
    while !rest.is_empty() {
        let piece = &rest[..cut().min(rest.len())];
        let (taken, progress) = feed(&mut decoder, piece);
        assert!(taken <= piece.len(), "takes what there is");
        rest = &rest[taken..];
        match progress {
            Ok(Progress::Partial) => assert_eq!(taken, piece.len(), "takes all of a part"),
            Ok(Progress::Complete) => {
                found.packets.push((decoder.header(), decoder.payload().to_vec()));
                decoder.reset();
            }
            Err(Ended::PacketTooLong { bytes }) => {
                found.too_long = Some(bytes);
                break;
            }
            Err(other) => panic!("{other} is not the decoder's to say"),
        }
    }
    found
}

/// The packets by arithmetic on the whole stream.
fn read(stream: &[u8]) -> Found {
    let mut found = Found::default();
    let mut rest = stream;
    while let Some((header, after)) = rest.split_first_chunk::<HEADER_BYTES>() {
        let header = Header::parse(header);
        if header.length as usize > PAYLOAD_BYTES_MAX {
            found.too_long = Some(header.length);
            break;
        }
        let Some((payload, after)) = after.split_at_checked(header.length as usize) else { break };
        found.packets.push((header, payload.to_vec()));
        rest = after;
    }
    found
}

/// A payload as the answer to every kind of request, as an event, and as an error.
fn check_payload(payload: &[u8]) {
    for kind in RequestKind::ALL {
        if let Ok(reply) = Reply::parse(kind, payload) {
            check_reply(reply, payload);
        }
    }
    if let Some(event) = WatchEvent::parse(payload) {
        let said = format!("{}\0{}\0", event.path, event.token);
        assert!(payload.starts_with(said.as_bytes()), "an event is path and token");
    }
    assert!(Refusal::parse(payload).name().len() <= 24, "no name of an error is longer");
}

fn check_reply(reply: Reply<'_>, payload: &[u8]) {
    let first = payload.split(|byte| *byte == 0).next().unwrap_or_default();
    let without_empty = |names: &[u8]| -> Vec<String> {
        let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        names.map(|name| String::from_utf8(name.to_vec()).expect("names are ASCII")).collect()
    };
    match reply {
        Reply::Done => assert_eq!(first, b"OK"),
        Reply::Value(value) | Reply::Control(value) => assert_eq!(value, payload),
        Reply::Names(names) => {
            assert_eq!(names.map(String::from).collect::<Vec<_>>(), without_empty(payload));
        }
        Reply::Part(part) => {
            let names = payload.get(first.len() + 1..).expect("a NUL ends the generation");
            assert_eq!(core::str::from_utf8(first).map(str::parse), Ok(Ok(part.generation)));
            assert_eq!(part.names.map(String::from).collect::<Vec<_>>(), without_empty(names));
            let ends = names == b"\0" || names.ends_with(b"\0\0");
            assert_eq!(part.rest == Rest::Nothing, ends, "one more NUL ends the list");
        }
        Reply::Permissions(list) => {
            let entries = payload.iter().filter(|byte| **byte == 0).count();
            assert_eq!(list.count(), entries, "every entry counts");
            assert!(entries > 0, "a node has an owner");
        }
        Reply::Transaction(id) => {
            assert_eq!(core::str::from_utf8(first).map(str::parse), Ok(Ok(id.number())));
        }
        Reply::DomainPath(path) => assert_eq!(path.as_bytes(), first),
        Reply::Introduced(Introduced::Yes) => assert_eq!(first, b"T"),
        Reply::Introduced(Introduced::No) => assert_eq!(first, b"F"),
    }
}
