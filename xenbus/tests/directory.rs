//! Long lists: joined only from parts of one generation, begun anew when the node changed, given
//! up when it never holds still, and both ways round where a daemon lacks one of the requests.

use xenbus::directory::{ListError, Listing, RESTARTS_MAX, Step};
use xenbus::error::Malformed;
use xenbus::reply::{Names, Part};
use xenbus::{Errno, Refusal, Reply, Request};

fn part(payload: &[u8]) -> Result<Reply<'_>, Refusal> {
    Ok(Reply::Part(Part::parse(payload).unwrap()))
}

fn refusal(errno: Errno) -> Result<Reply<'static>, Refusal> {
    Err(Refusal::Errno(errno))
}

const fn asks_for_part(offset: u32) -> Request<'static> {
    Request::DirectoryPart { path: "d", offset }
}

#[test]
fn parts_of_one_generation_are_joined() {
    let mut buffer = [0; 64];
    let mut listing = Listing::new("d");
    assert_eq!(listing.request(), Request::Directory { path: "d" });
    assert_eq!(listing.answer(refusal(Errno::E2big), &mut buffer), Ok(Step::Ask));
    assert_eq!(listing.request(), asks_for_part(0));
    assert_eq!(listing.answer(part(b"7\0aa\0b\0"), &mut buffer), Ok(Step::Ask));
    assert_eq!(listing.request(), asks_for_part(5));
    assert_eq!(listing.answer(part(b"7\0c\0\0"), &mut buffer), Ok(Step::Complete));
    assert!(listing.names(&buffer).eq(["aa", "b", "c"]));
}

#[test]
fn a_list_that_ends_exactly_with_a_part_is_complete() {
    let mut buffer = [0; 64];
    let mut listing = Listing::in_parts("d");
    assert_eq!(listing.answer(part(b"7\0a\0"), &mut buffer), Ok(Step::Ask));
    assert_eq!(listing.answer(part(b"7\0\0"), &mut buffer), Ok(Step::Complete));
    assert!(listing.names(&buffer).eq(["a"]));
}

#[test]
fn a_change_in_between_begins_the_list_anew() {
    let mut buffer = [0; 64];
    let mut listing = Listing::in_parts("d");
    assert_eq!(listing.answer(part(b"7\0old\0"), &mut buffer), Ok(Step::Ask));
    assert_eq!(listing.answer(part(b"8\0er\0\0"), &mut buffer), Ok(Step::Ask));
    assert_eq!(listing.request(), asks_for_part(0), "nothing of two generations is joined");
    assert_eq!(listing.answer(part(b"8\0new\0\0"), &mut buffer), Ok(Step::Complete));
    assert!(listing.names(&buffer).eq(["new"]));
}

#[test]
fn a_list_that_never_holds_still_is_given_up() {
    let mut buffer = [0; 64];
    let mut listing = Listing::in_parts("d");
    for restart in 0..=RESTARTS_MAX {
        assert_eq!(listing.answer(part(b"7\0a\0"), &mut buffer), Ok(Step::Ask));
        let expected =
            if restart < RESTARTS_MAX { Ok(Step::Ask) } else { Err(ListError::Changing) };
        assert_eq!(listing.answer(part(b"8\0b\0\0"), &mut buffer), expected);
    }
}

#[test]
fn a_daemon_without_parts_is_asked_for_the_whole() {
    let mut buffer = [0; 64];
    let mut listing = Listing::in_parts("d");
    assert_eq!(listing.answer(refusal(Errno::Enosys), &mut buffer), Ok(Step::Ask));
    assert_eq!(listing.request(), Request::Directory { path: "d" });
    let whole = Ok(Reply::Names(Names::parse(b"a\0").unwrap()));
    assert_eq!(listing.answer(whole, &mut buffer), Ok(Step::Complete));
    assert!(listing.names(&buffer).eq(["a"]));
}

#[test]
fn a_list_that_neither_request_can_fetch_is_given_up() {
    let (too_long, no_parts) = (refusal(Errno::E2big), refusal(Errno::Enosys));
    for mut listing in [Listing::new("d"), Listing::in_parts("d")] {
        let first = match listing.request() {
            Request::Directory { .. } => [too_long, no_parts],
            _ => [no_parts, too_long],
        };
        assert_eq!(listing.answer(first[0], &mut []), Ok(Step::Ask));
        assert_eq!(listing.answer(first[1], &mut []), Err(ListError::TooLongForDaemon));
    }
}

#[test]
fn refusals_and_replies_of_another_kind_are_passed_on() {
    let error = Listing::new("d").answer(refusal(Errno::Enoent), &mut []);
    assert_eq!(error, Err(ListError::Refused(Refusal::Errno(Errno::Enoent))));
    let error = Listing::new("d").answer(Ok(Reply::Done), &mut []);
    assert_eq!(error, Err(ListError::Refused(Refusal::Malformed(Malformed::Names))));
}
