//! The model checker on bounds that are complete in seconds: the shipped session is right in every
//! state, and machines that are wrong on purpose are found out. Larger bounds are for the command
//! `check-model`.

use tests::model::apply::Wrong;
use tests::model::{Bounds, Broken, Finding, Granting, check};

const SMALL: Bounds = Bounds {
    messages: 0,
    crashes: [0; 2],
    faults: 0,
    granting: Granting::AtOnce,
    states: 1_000_000,
};

fn found(broken: Broken) -> Option<Finding> {
    let (messages, faults) = broken.shows_within();
    let bounds = Bounds { messages, faults, ..SMALL };
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
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release --test model")]
fn permissions_set_only_once_may_be_void_for_ever() {
    assert_eq!(found(Broken::PermitsOnce), Some(Finding::Stuck));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release --test model")]
fn up_without_an_echo_writes_for_ever() {
    assert_eq!(found(Broken::IgnoresTo), Some(Finding::WritesForEver));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release --test model")]
fn answering_every_register_writes_for_ever() {
    assert_eq!(found(Broken::AnswersAll), Some(Finding::WritesForEver));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release --test model")]
fn an_acknowledgement_off_by_one_is_seen_at_once() {
    let found = found(Broken::AckOffByOne);
    assert!(matches!(found, Some(Finding::Unsafe(Wrong::Acknowledged))), "{found:?}");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release --test model")]
fn a_message_taken_twice_is_seen_at_once() {
    let found = found(Broken::Redelivers);
    assert!(matches!(found, Some(Finding::Unsafe(Wrong::Delivered(_)))), "{found:?}");
}
