//! What people read: every error says in words what went wrong, with its numbers. These texts stand
//! in logs that others search.

use grant::{
    ConnectionId, EndError, GrantError, GrantFlags, GrantRef, GrantStatus, MapError, MapRefused,
    OpenRefusal, RingError, TransferError, UnmapError, UnmapRefused, VerifyError,
};

/// `GNTST_*` of xen/include/public/grant_table.h.
const STATUSES: [(i16, &str); 15] = [
    (0, "okay"),
    (-1, "undefined error"),
    (-2, "no such domain"),
    (-3, "the reference grants us nothing"),
    (-4, "no such mapping"),
    (-5, "bad address"),
    (-6, "bad device address"),
    (-7, "no room in the device tables"),
    (-8, "permission denied"),
    (-9, "bad page"),
    (-10, "bad copy argument"),
    (-11, "address too big"),
    (-12, "not done, try again"),
    (-13, "no space for another mapping"),
    (-99, "unknown status"),
];

#[test]
fn every_status_of_xens_is_said_with_its_number() {
    for (status, meaning) in STATUSES {
        assert_eq!(GrantStatus(status).to_string(), format!("{meaning} ({status})"));
    }
    let named = [
        (GrantStatus::OKAY, 0),
        (GrantStatus::GENERAL_ERROR, -1),
        (GrantStatus::BAD_DOMAIN, -2),
        (GrantStatus::BAD_REF, -3),
        (GrantStatus::BAD_HANDLE, -4),
        (GrantStatus::BAD_ADDRESS, -5),
        (GrantStatus::PERMISSION_DENIED, -8),
        (GrantStatus::BAD_PAGE, -9),
    ];
    for (status, number) in named {
        assert_eq!(status.0, number);
    }
}

#[test]
fn what_xen_refused_is_said() {
    let denied = MapRefused::Status(GrantStatus::PERMISSION_DENIED);
    assert_eq!(denied.to_string(), "map refused: permission denied (-8)");
    assert_eq!(MapRefused::Hypercall(-38).to_string(), "map hypercall failed: -38");
    let kept = UnmapRefused::Status(GrantStatus::BAD_HANDLE);
    assert_eq!(kept.to_string(), "unmap refused: no such mapping (-4)");
    assert_eq!(UnmapRefused::Hypercall(-14).to_string(), "unmap hypercall failed: -14");
    let stuck = UnmapError { stuck: 2, why: kept };
    assert_eq!(stuck.to_string(), "2 pages stay mapped: unmap refused: no such mapping (-4)");
}

#[test]
fn an_offer_that_cannot_be_mapped_is_said() {
    let refused =
        MapError::Refused { r: GrantRef(9), why: MapRefused::Status(GrantStatus::BAD_REF) };
    let errors = [
        (MapError::PageCount { offered: 9 }, "the peer offers 9 pages; 1 to 8 are allowed"),
        (MapError::RepeatedRef(GrantRef(8)), "the peer offers reference 8 twice"),
        (MapError::WindowFull { wanted: 3 }, "no 3 free slots in the window"),
        (refused, "reference 9: map refused: the reference grants us nothing (-3)"),
    ];
    for (error, text) in errors {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_page_that_is_not_the_announced_one_is_said() {
    let errors = [
        (VerifyError::Magic { found: 0xff }, "wrong magic 0x000000ff"),
        (VerifyError::Version { found: 1 }, "wrong version 1, ours is 2"),
        (VerifyError::Link, "the page belongs to another link"),
        (VerifyError::Epoch, "the page belongs to another epoch"),
        (VerifyError::Number { found: ConnectionId(4) }, "the page belongs to connection 4"),
        (VerifyError::RingBytes { found: 64 }, "wrong ring size 64"),
        (VerifyError::Fenced, "the page is fenced"),
    ];
    for (error, text) in errors {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn grants_that_cannot_be_made_or_ended_are_said() {
    let full = GrantError::Exhausted { entries: 64 };
    assert_eq!(full.to_string(), "all 64 grant entries are in use");
    assert_eq!(OpenRefusal::Grant(full).to_string(), "all 64 grant entries are in use");
    assert_eq!(OpenRefusal::QuarantineFull.to_string(), "the quarantine is full");
    let mapped = EndError::InUse { flags: GrantFlags(0x19) };
    assert_eq!(mapped.to_string(), "the peer still maps the page (flags 0x19)");
    assert_eq!(EndError::NotGranted.to_string(), "the entry grants nothing");
}

#[test]
fn the_end_of_a_connections_data_is_said() {
    let lie = RingError::PeerIndex { found: 2000, believed: 100, reach: 1664 };
    let text = "the peer's ring index jumped from 100 to 2000, at most 1664 further is possible";
    assert_eq!(lie.to_string(), text);
    assert_eq!(TransferError::from(lie).to_string(), text);
    assert_eq!(TransferError::Fenced.to_string(), "the peer has fenced the page");
}
