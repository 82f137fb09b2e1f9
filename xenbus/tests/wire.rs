//! What every request looks like on the wire, byte for byte (docs/misc/xenstore.txt), what each
//! kind of reply is read as, and what is refused before anything is sent.

mod common;

use common::{Bench, packet};
use xenbus::error::Malformed;
use xenbus::path::{PathError, TokenError};
use xenbus::reply::{Introduced, Names, Part, Rest};
use xenbus::wire::{Header, op};
use xenbus::{
    Access, Client, DomId, Outcome, Permission, Reply, Request, RequestKind, SubmitError,
    TransactionId, WatchEvent,
};

#[track_caller]
fn travels_as(request: Request<'_>, op: u32, payload: &[u8]) {
    let mut bench = Bench::new();
    let id = bench.submit(request);
    bench.round();
    assert_eq!(bench.daemon_reads(), packet(op, id.number(), payload));
    assert_eq!(request.kind().op(), op);
}

#[test]
fn every_request_travels_as_the_protocol_says() {
    travels_as(Request::Read { path: "a/b" }, 2, b"a/b\0");
    travels_as(Request::Write { path: "a", value: b"v\0w" }, 11, b"a\0v\0w");
    travels_as(Request::Write { path: "a", value: b"" }, 11, b"a\0");
    travels_as(Request::MakeDirectory { path: "a" }, 12, b"a\0");
    travels_as(Request::Remove { path: "a" }, 13, b"a\0");
    travels_as(Request::Directory { path: "/" }, 1, b"/\0");
    travels_as(Request::DirectoryPart { path: "a", offset: 0 }, 22, b"a\x000\0");
    travels_as(Request::DirectoryPart { path: "a", offset: u32::MAX }, 22, b"a\x004294967295\0");
    travels_as(Request::GetPermissions { path: "a" }, 3, b"a\0");
    let permissions = [
        Permission::owner(DomId(1)),
        Permission::both(DomId(65535)),
        Permission::read(DomId(20)),
        Permission { domain: DomId(3), access: Access::Write },
    ];
    let path = "a";
    travels_as(
        Request::SetPermissions { path, permissions: &permissions },
        14,
        b"a\0n1\0b65535\0r20\0w3\0",
    );
    travels_as(
        Request::Watch { path: "@releaseDomain", token: "t 1" },
        4,
        b"@releaseDomain\0t 1\0",
    );
    travels_as(Request::Unwatch { path: "a", token: "" }, 5, b"a\0\0");
    travels_as(Request::ResetWatches, 21, b"\0");
    travels_as(Request::TransactionStart, 6, b"\0");
    travels_as(Request::GetDomainPath(DomId(0)), 10, b"0\0");
    travels_as(Request::IsDomainIntroduced(DomId(7)), 17, b"7\0");
    travels_as(Request::Control(&["print", "x y"]), 0, b"print\0x y\0");
}

#[test]
fn the_header_is_four_little_endian_words_with_the_transaction_third() {
    let mut bench = Bench::new();
    let transaction = TransactionId::of_number(0x0a0b_0c0d).unwrap();
    let id = bench.submit_in(transaction, Request::TransactionEnd(Outcome::Commit));
    assert_eq!(id.number(), 0x7000_0001);
    bench.round();
    let expected = [7, 0, 0, 0, 1, 0, 0, 0x70, 0x0d, 0x0c, 0x0b, 0x0a, 2, 0, 0, 0, b'T', 0];
    assert_eq!(bench.daemon_reads(), expected);
    bench.submit_in(transaction, Request::TransactionEnd(Outcome::Abort));
    bench.round();
    assert_eq!(bench.daemon_reads().split_off(16), b"F\0");
}

#[test]
fn a_header_survives_being_written_and_read() {
    for word in [0, 1, 0x0102_0304, u32::MAX] {
        let header = Header { op: word, request: !word, transaction: word ^ 5, length: word / 3 };
        assert_eq!(Header::parse(&header.emit()), header);
    }
}

#[test]
fn the_operations_have_their_numbers_and_kinds_their_places() {
    let expected = [2, 11, 12, 13, 1, 22, 3, 14, 4, 5, 21, 6, 7, 10, 17, 0];
    for (place, (kind, number)) in RequestKind::ALL.into_iter().zip(expected).enumerate() {
        assert_eq!(kind as usize, place);
        assert_eq!(kind.op(), number, "{}", kind.name());
    }
    assert_eq!((op::WATCH_EVENT, op::ERROR), (15, 16));
}

#[track_caller]
fn refused(transaction: TransactionId, request: Request<'_>, error: SubmitError) {
    let mut bench = Bench::new();
    assert_eq!(bench.client.submit(transaction, request), Err(error));
    bench.round();
    assert_eq!(bench.daemon_reads(), [], "nothing of a refused request is sent");
    assert_eq!(bench.client.in_flight(), 0);
}

#[test]
fn what_is_no_request_is_refused_before_anything_is_sent() {
    let none = TransactionId::NONE;
    let some = TransactionId::of_number(1).unwrap();
    let path = SubmitError::Path(PathError::TrailingSlash);
    refused(none, Request::Read { path: "a/" }, path);
    refused(
        none,
        Request::SetPermissions { path: "a", permissions: &[] },
        SubmitError::NoPermissions,
    );
    let nul = SubmitError::Token(TokenError::Nul { at: 1 });
    refused(none, Request::Watch { path: "a", token: "t\0" }, nul);
    refused(none, Request::Control(&["a\0b"]), nul);
    refused(none, Request::TransactionEnd(Outcome::Commit), SubmitError::NoTransaction);
    // The last of these crashed daemons (XSA-484).
    refused(some, Request::TransactionStart, SubmitError::InTransaction);
    refused(some, Request::Watch { path: "a", token: "t" }, SubmitError::InTransaction);
    refused(some, Request::ResetWatches, SubmitError::InTransaction);
}

#[test]
fn a_payload_of_4096_bytes_is_sent_and_one_byte_more_is_not() {
    let mut client = Client::new();
    client.start(1);
    let write = |value| Request::Write { path: "a", value };
    let longest = vec![b'x'; 4094];
    assert!(client.submit(TransactionId::NONE, write(&longest)).is_ok());
    let longer = vec![b'x'; 4095];
    let error = client.submit(TransactionId::NONE, write(&longer));
    assert_eq!(error, Err(SubmitError::TooLong { bytes: 4097 }));
    let absurd = vec![b'x'; 1 << 20];
    let error = client.submit(TransactionId::NONE, write(&absurd));
    assert_eq!(error, Err(SubmitError::TooLong { bytes: 2 + (1 << 20) }));
}

#[test]
fn a_client_that_was_not_started_says_so() {
    let mut client = Client::new();
    let error = client.submit(TransactionId::NONE, Request::ResetWatches);
    assert_eq!(error, Err(SubmitError::NotStarted));
}

#[test]
fn replies_are_read_as_what_was_asked_for() {
    use RequestKind as Kind;
    let parse = |kind, payload| Reply::parse(kind, payload);
    assert_eq!(parse(Kind::Read, b"any\0\xff"), Ok(Reply::Value(b"any\0\xff")));
    assert_eq!(parse(Kind::Write, b"OK\0"), Ok(Reply::Done));
    assert_eq!(parse(Kind::Write, b"KO\0"), Err(Malformed::Acknowledgement));
    assert_eq!(parse(Kind::Write, b""), Err(Malformed::Acknowledgement));
    assert_eq!(parse(Kind::Directory, b""), Ok(Reply::Names(Names::EMPTY)));
    assert_eq!(parse(Kind::Directory, b"a\0b"), Err(Malformed::Names));
    assert_eq!(parse(Kind::Directory, b"\xe9\0"), Err(Malformed::Names));
    let transaction = TransactionId::of_number(17).unwrap();
    assert_eq!(parse(Kind::TransactionStart, b"17\0"), Ok(Reply::Transaction(transaction)));
    for number in [&b"0\0"[..], b"\0", b"-1\0", b"4294967296\0", b"1 \0"] {
        assert_eq!(parse(Kind::TransactionStart, number), Err(Malformed::Number));
    }
    assert_eq!(parse(Kind::GetDomainPath, b"/local\0"), Ok(Reply::DomainPath("/local")));
    assert_eq!(parse(Kind::GetDomainPath, b"\x80\0"), Err(Malformed::Path));
    assert_eq!(parse(Kind::IsDomainIntroduced, b"T\0"), Ok(Reply::Introduced(Introduced::Yes)));
    assert_eq!(parse(Kind::IsDomainIntroduced, b"F\0"), Ok(Reply::Introduced(Introduced::No)));
    assert_eq!(parse(Kind::IsDomainIntroduced, b"?\0"), Err(Malformed::Answer));
    assert_eq!(parse(Kind::Control, b"\x01"), Ok(Reply::Control(b"\x01")));
}

#[test]
fn permissions_are_read_whole_or_not_at_all() {
    let Ok(Reply::Permissions(list)) = Reply::parse(RequestKind::GetPermissions, b"n1\0b2\0")
    else {
        panic!("a valid list");
    };
    assert!(list.eq([Permission::owner(DomId(1)), Permission::both(DomId(2))]));
    for bad in [&b""[..], b"\0", b"n1", b"n1\0x2\0", b"n\0", b"n65536\0", b"n1\0\0"] {
        let error = Reply::parse(RequestKind::GetPermissions, bad);
        assert_eq!(error, Err(Malformed::Permissions), "{bad:?}");
    }
}

#[test]
fn a_part_knows_whether_more_follows() {
    let part = Part::parse(b"12\0a\0b\0").unwrap();
    assert_eq!((part.generation, part.rest), (12, Rest::More));
    assert!(part.names.eq(["a", "b"]));
    let last = Part::parse(b"18446744073709551615\0a\0\0").unwrap();
    assert_eq!((last.generation, last.rest), (u64::MAX, Rest::Nothing));
    assert!(last.names.eq(["a"]));
    let none = Part::parse(b"3\0\0").unwrap();
    assert_eq!((none.names.count(), none.rest), (0, Rest::Nothing));
    // Nothing at all behind the generation would be asked for again for ever.
    assert_eq!(Part::parse(b"3\0"), Err(Malformed::Names));
    assert_eq!(Part::parse(b"3"), Err(Malformed::Names));
    assert_eq!(Part::parse(b""), Err(Malformed::Number));
}

#[test]
fn an_event_is_a_path_and_a_token_and_nothing_less() {
    let event = WatchEvent { path: "a/b", token: "" };
    assert_eq!(WatchEvent::parse(b"a/b\0\0"), Some(event));
    for bad in [&b""[..], b"a", b"a\0", b"a\0t", b"\xff\0t\0"] {
        assert_eq!(WatchEvent::parse(bad), None, "{bad:?}");
    }
}
