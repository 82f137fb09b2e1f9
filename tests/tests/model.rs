//! The model checker on bounds that are complete in seconds: the shipped session is right in every
//! state, and machines that are wrong on purpose are found out. Larger bounds are for the command
//! `check-model`.

use tests::model::{Bounds, Broken, Finding, Granting, check};

const SMALL: Bounds =
    Bounds { messages: 0, crashes: 0, faults: 0, granting: Granting::AtOnce, states: 1_000_000 };

fn found(broken: Broken) -> Option<Finding> {
    let (messages, crashes, faults) = broken.shows_within();
    let bounds = Bounds { messages, crashes, faults, ..SMALL };
    check(&bounds, broken, |_| {}).finding.map(|(finding, _)| finding)
}

#[test]
fn two_endpoints_always_come_up_and_never_write_for_ever() {
    let outcome = check(&SMALL, Broken::Nothing, |_| {});
    assert_eq!(outcome.finding, None);
    assert!(outcome.is_complete);
    assert!(outcome.settled > 0, "no world is a good end: the search has not got there");
}

#[test]
fn a_new_epoch_for_each_news_of_the_peer_never_comes_up() {
    assert_eq!(found(Broken::RedrawsOnNews), Some(Finding::Stuck));
}

#[test]
fn permissions_set_only_once_may_be_void_for_ever() {
    assert_eq!(found(Broken::PermitsOnce), Some(Finding::Stuck));
}

#[test]
fn up_without_an_echo_writes_for_ever() {
    assert_eq!(found(Broken::IgnoresTo), Some(Finding::WritesForEver));
}

#[test]
fn answering_every_register_writes_for_ever() {
    assert_eq!(found(Broken::AnswersAll), Some(Finding::WritesForEver));
}
