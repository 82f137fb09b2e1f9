//! Tests of the printed names of events: unique, short and stable, because logs and reports are
//! searched for them.

use std::collections::BTreeSet;

use channel::ConnectionId;
use channel::connection::{BindError, PrepareError};
use channel::event::{Breach, ConnectRefused, DetectedBy, DownReason, Notice};
use channel::message::RefuseReason;
use grant::{GrantRef, GrantStatus, MapError, MapRefused, VerifyError};

/// Checks each text, and that all are different.
fn check(words: &[(&'static str, &'static str)]) {
    for (word, expected) in words {
        assert_eq!(word, expected);
    }
    let different: BTreeSet<_> = words.iter().map(|(word, _)| word).collect();
    assert_eq!(different.len(), words.len());
}

#[test]
fn why_a_session_went_down() {
    check(&[
        (DownReason::BeatsMissed.word(), "beats-missed"),
        (DownReason::PeerRestarted.word(), "peer-restarted"),
        (DownReason::Reintroduced.word(), "reintroduced"),
        (DownReason::WriteRefused.word(), "write-refused"),
        (DownReason::PortUnbound.word(), "port-unbound"),
        (DownReason::PeerGone.word(), "peer-gone"),
        (DownReason::Fenced.word(), "fenced"),
        (DownReason::Restarted.word(), "restarted"),
        (DownReason::Resumed.word(), "resumed"),
        (DownReason::Protocol(Breach::AckBeyondSent).word(), "protocol-ack-beyond-sent"),
        (DownReason::Protocol(Breach::Gap).word(), "protocol-gap"),
        (DownReason::Protocol(Breach::BadMessage).word(), "protocol-bad-message"),
        (DownReason::Protocol(Breach::UnexpectedConnect).word(), "protocol-unexpected-connect"),
        (DownReason::Protocol(Breach::WrongRole).word(), "protocol-wrong-role"),
        (DownReason::Protocol(Breach::NumbersSpent).word(), "numbers-spent"),
    ]);
}

#[test]
fn who_says_so() {
    check(&[
        (DetectedBy::Register.word(), "register"),
        (DetectedBy::Page.word(), "page"),
        (DetectedBy::Introduction.word(), "introduction"),
        (DetectedBy::Store.word(), "store"),
        (DetectedBy::Port.word(), "port"),
        (DetectedBy::Hypervisor.word(), "hypervisor"),
        (DetectedBy::Own.word(), "own"),
    ]);
}

#[test]
fn what_is_noticed() {
    check(&[
        (Notice::GarbageMailbox.word(), "mailbox-holds-garbage"),
        (Notice::GarbageIntroduction.word(), "introduction-is-garbage"),
        (Notice::MailboxAbsent.word(), "mailbox-absent"),
        (Notice::MailboxKeepsVanishing.word(), "mailbox-keeps-vanishing"),
        (Notice::StrayNodes.word(), "stray-nodes-removed"),
        (Notice::PeerNotReady.word(), "peer-not-ready"),
        (Notice::Quota.word(), "store-quota"),
        (Notice::StoreRefused.word(), "store-refused-own-node"),
        (Notice::UnmapRefused.word(), "unmap-refused"),
    ]);
}

#[test]
fn why_a_connect_was_refused_and_by_whom() {
    let here = |error| ConnectRefused::Here(error).word();
    check(&[
        (here(PrepareError::QuarantineFull), "quarantine-full"),
        (here(PrepareError::NoPages), "no-pages"),
        (here(PrepareError::NoGrants), "no-grants"),
        (here(PrepareError::NoPorts), "no-ports"),
        (here(PrepareError::Denied), "denied-by-xen"),
        (ConnectRefused::ByBack(RefuseReason::BadGrant).word(), "bad-grant"),
    ]);
}

#[test]
fn what_the_backs_platform_refused_is_the_reason_that_its_peer_reads() {
    let refused = |why| MapError::Refused { r: GrantRef(9), why };
    let status = |status| refused(MapRefused::Status(status));
    let found = ConnectionId(2);
    for (reason, word) in [
        (RefuseReason::from(MapError::WindowFull { wanted: 1 }).word(), "no-room"),
        (RefuseReason::from(MapError::PageCount { offered: 9 }).word(), "no-room"),
        (RefuseReason::from(MapError::RingBytes { offered: 1, expected: 2 }).word(), "ring-size"),
        (RefuseReason::from(MapError::RepeatedRef(GrantRef(9))).word(), "bad-grant"),
        (RefuseReason::from(status(GrantStatus::BAD_REF)).word(), "bad-grant"),
        (RefuseReason::from(status(GrantStatus::PERMISSION_DENIED)).word(), "denied-by-xen"),
        (RefuseReason::from(refused(MapRefused::Hypercall(-1))).word(), "denied-by-xen"),
        (RefuseReason::from(VerifyError::Magic { found: 1 }).word(), "magic-or-version"),
        (RefuseReason::from(VerifyError::Version { found: 9 }).word(), "magic-or-version"),
        (RefuseReason::from(VerifyError::Link).word(), "header"),
        (RefuseReason::from(VerifyError::Epoch).word(), "header"),
        (RefuseReason::from(VerifyError::Number { found }).word(), "header"),
        (RefuseReason::from(VerifyError::RingBytes { found: 9 }).word(), "header"),
        (RefuseReason::from(VerifyError::Fenced).word(), "fenced"),
        (RefuseReason::from(BindError::NoPorts).word(), "no-ports"),
        (RefuseReason::from(BindError::BadPort).word(), "bad-port"),
        (RefuseReason::from(BindError::Denied).word(), "denied-by-xen"),
    ] {
        assert_eq!(reason, word);
    }
}
