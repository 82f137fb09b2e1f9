//! What people read: every error says in words what went wrong, with its numbers, and sorts itself
//! under a cause and whose fault that is. These texts stand in logs that others search.

use std::collections::BTreeSet;

use xenbus::blocking::StoreError;
use xenbus::directory::ListError;
use xenbus::error::{Malformed, Reported};
use xenbus::path::{PathError, TOKEN_BYTES_MAX, TokenError};
use xenbus::stall::Stalled;
use xenbus::{Cause, Ended, Errno, Fault, Refusal, RequestKind, SubmitError};

const STALLED: Stalled = Stalled { waited_ns: 5_000_999_999, in_flight: 3 };

#[test]
fn every_kind_of_request_has_the_protocols_name() {
    let names = [
        "READ",
        "WRITE",
        "MKDIR",
        "RM",
        "DIRECTORY",
        "DIRECTORY_PART",
        "GET_PERMS",
        "SET_PERMS",
        "WATCH",
        "UNWATCH",
        "RESET_WATCHES",
        "TRANSACTION_START",
        "TRANSACTION_END",
        "GET_DOMAIN_PATH",
        "IS_DOMAIN_INTRODUCED",
        "CONTROL",
    ];
    assert_eq!(RequestKind::ALL.map(RequestKind::name), names);
    assert_eq!(RequestKind::WORDS.split_whitespace().collect::<Vec<_>>(), names);
}

#[test]
fn a_refused_hypercall_has_a_cause() {
    let causes = [
        (1, Cause::Isolation),
        (3, Cause::Absent),
        (12, Cause::Quota),
        (13, Cause::Permission),
        (16, Cause::Busy),
        (17, Cause::Exists),
        (22, Cause::Invalid),
        (28, Cause::Quota),
        (38, Cause::Unsupported),
        (99, Cause::Unknown),
    ];
    for (errno, cause) in causes {
        assert_eq!(Cause::of_hypercall(errno), cause, "errno {errno}");
    }
}

#[test]
fn every_cause_has_a_word_of_its_own_and_someone_who_can_change_it() {
    let causes = [
        (Cause::Invalid, "invalid", Fault::Caller),
        (Cause::Absent, "absent", Fault::Circumstance),
        (Cause::Exists, "exists", Fault::Circumstance),
        (Cause::Permission, "permission", Fault::Owner),
        (Cause::Privilege, "privilege", Fault::Configuration),
        (Cause::Isolation, "isolation", Fault::Configuration),
        (Cause::Quota, "quota", Fault::Configuration),
        (Cause::Conflict, "conflict", Fault::Circumstance),
        (Cause::Busy, "busy", Fault::Circumstance),
        (Cause::Unsupported, "unsupported", Fault::Configuration),
        (Cause::DaemonFailed, "daemon-failed", Fault::Daemon),
        (Cause::DaemonBrokeProtocol, "daemon-broke-protocol", Fault::Daemon),
        (Cause::Stalled, "stalled", Fault::Daemon),
        (Cause::Unknown, "unknown", Fault::Daemon),
    ];
    for (cause, word, fault) in causes {
        assert_eq!((cause.to_string().as_str(), cause.fault()), (word, fault));
    }
    let words: BTreeSet<_> = causes.iter().map(|(_, word, _)| word).collect();
    assert_eq!(words.len(), causes.len());
}

#[test]
fn every_errno_has_its_name_and_cause() {
    let causes = [
        (Errno::Einval, "EINVAL", Cause::Invalid),
        (Errno::Eacces, "EACCES", Cause::Permission),
        (Errno::Eexist, "EEXIST", Cause::Exists),
        (Errno::Eisdir, "EISDIR", Cause::Invalid),
        (Errno::Enoent, "ENOENT", Cause::Absent),
        (Errno::Enomem, "ENOMEM", Cause::DaemonFailed),
        (Errno::Enospc, "ENOSPC", Cause::Quota),
        (Errno::Eio, "EIO", Cause::DaemonFailed),
        (Errno::Enotempty, "ENOTEMPTY", Cause::Invalid),
        (Errno::Enosys, "ENOSYS", Cause::Unsupported),
        (Errno::Erofs, "EROFS", Cause::Permission),
        (Errno::Ebusy, "EBUSY", Cause::Busy),
        (Errno::Eagain, "EAGAIN", Cause::Conflict),
        (Errno::Eisconn, "EISCONN", Cause::Exists),
        (Errno::E2big, "E2BIG", Cause::Quota),
        (Errno::Eperm, "EPERM", Cause::Privilege),
        (Errno::Equota, "EQUOTA", Cause::Quota),
    ];
    assert_eq!(causes.map(|(errno, _, _)| errno), Errno::ALL);
    for (errno, name, cause) in causes {
        assert_eq!((errno.to_string().as_str(), errno.cause()), (name, cause));
        let refusal = Refusal::Errno(errno);
        assert_eq!(refusal.to_string(), format!("refused: {name} ({cause})"));
        assert_eq!(refusal.fault(), cause.fault());
    }
}

#[test]
fn a_reply_that_is_none_is_the_daemons_fault() {
    let refusal = Refusal::Malformed(Malformed::Names);
    assert_eq!(refusal.to_string(), "refused: malformed-reply (daemon-broke-protocol)");
    assert_eq!(refusal.fault(), Fault::Daemon);
}

#[test]
fn the_end_of_a_connection_is_named() {
    let ends = [
        (
            Ended::ReplyIndex { used: 1025 },
            "reply-index",
            "the daemon's reply index claims 1025 bytes in a ring of 1024",
            Cause::DaemonBrokeProtocol,
        ),
        (
            Ended::RequestIndex { used: 7 },
            "request-index",
            "the daemon's request index leaves 7 bytes in a ring of 1024",
            Cause::DaemonBrokeProtocol,
        ),
        (
            Ended::PacketTooLong { bytes: 4097 },
            "packet-too-long",
            "the daemon announced a payload of 4097 bytes",
            Cause::DaemonBrokeProtocol,
        ),
        (Ended::RingReset, "ring-reset", "ring-reset", Cause::Busy),
        (
            Ended::Reported(Reported::Communication),
            "reported-communication",
            "reported-communication",
            Cause::DaemonFailed,
        ),
        (
            Ended::Reported(Reported::RingIndex),
            "reported-ring-index",
            "reported-ring-index",
            Cause::Invalid,
        ),
        (
            Ended::Reported(Reported::Protocol),
            "reported-protocol",
            "reported-protocol",
            Cause::Invalid,
        ),
        (
            Ended::Reported(Reported::Other(9)),
            "reported-other",
            "the daemon reported error 9",
            Cause::DaemonFailed,
        ),
        (Ended::Flooded, "flooded", "flooded", Cause::DaemonBrokeProtocol),
    ];
    for (ended, word, text, cause) in ends {
        assert_eq!((ended.word(), ended.to_string().as_str(), ended.cause()), (word, text, cause));
    }
}

#[test]
fn what_the_client_refuses_by_itself_is_said() {
    let too_long = PathError::TooLong { bytes: 2049, limit: 2048 };
    let errors = [
        (SubmitError::Full, "too much is in flight"),
        (SubmitError::NotStarted, "the client has not been started"),
        (SubmitError::Ended(Ended::Flooded), "the connection is over: flooded"),
        (SubmitError::TooLong { bytes: 5000 }, "the request has 5000 bytes"),
        (SubmitError::NoPermissions, "the list of permissions is empty"),
        (SubmitError::InTransaction, "not allowed in a transaction"),
        (SubmitError::NoTransaction, "only allowed in a transaction"),
        (SubmitError::Path(PathError::Empty), "the path is empty"),
        (SubmitError::Path(too_long), "the path has 2049 bytes, at most 2048 are allowed"),
        (
            SubmitError::Path(PathError::Character { at: 3 }),
            "byte 3 of the path is not an allowed character",
        ),
        (SubmitError::Path(PathError::DoubleSlash { at: 4 }), "byte 4 of the path repeats a slash"),
        (SubmitError::Path(PathError::TrailingSlash), "the path ends with a slash"),
        (SubmitError::Token(TokenError::Nul { at: 1 }), "byte 1 of the token is NUL"),
    ];
    for (error, text) in errors {
        assert_eq!(error.to_string(), text);
    }
    assert_eq!(
        TokenError::TooLong { bytes: 2000 }.to_string(),
        format!("the token has 2000 bytes, at most {TOKEN_BYTES_MAX} are allowed")
    );
}

#[test]
fn an_operation_that_did_not_succeed_says_why_and_whose_fault_that_is() {
    let list = ListError::BufferTooSmall { needed: 300 };
    let errors = [
        (StoreError::Submit(SubmitError::Full), Cause::Busy, "too much is in flight"),
        (StoreError::Submit(SubmitError::NoPermissions), Cause::Invalid, "the list of perm"),
        (
            StoreError::Submit(SubmitError::Ended(Ended::RingReset)),
            Cause::Busy,
            "the connection is over: ring-reset",
        ),
        (StoreError::Refused(Refusal::Errno(Errno::Enoent)), Cause::Absent, "refused: ENOENT"),
        (StoreError::Ended(Ended::Flooded), Cause::DaemonBrokeProtocol, "flooded"),
        (StoreError::Stalled(STALLED), Cause::Stalled, "no answer to 3 requests for 5000 ms"),
        (
            StoreError::BufferTooSmall { needed: 9 },
            Cause::Invalid,
            "the buffer needs a length of 9",
        ),
        (StoreError::Conflict { attempts: 4 }, Cause::Conflict, "4 attempts ended in a conflict"),
        (StoreError::List(list), Cause::Invalid, "the list needs a buffer of 300 bytes or more"),
        (
            StoreError::List(ListError::TooLongForDaemon),
            Cause::Unsupported,
            "the list is longer than a packet and the daemon cannot send parts",
        ),
        (
            StoreError::List(ListError::Changing),
            Cause::Conflict,
            "the directory changes faster than it can be read",
        ),
        (
            StoreError::List(ListError::Refused(Refusal::Errno(Errno::Eacces))),
            Cause::Permission,
            "refused: EACCES (permission)",
        ),
        (StoreError::TooManyWatches, Cause::Invalid, "no room for another watch"),
    ];
    for (error, cause, text) in errors {
        assert_eq!((error.cause(), error.fault()), (cause, cause.fault()), "{error}");
        assert!(error.to_string().starts_with(text), "{error}");
    }
}
