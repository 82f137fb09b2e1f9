//! The model checker on bounds that are complete in seconds: the shipped machines are right in
//! every state. Larger bounds are for the command `check-model`; the wrong readings of
//! docs/protocol.md are mutations (tests/mutations/list/), except for two that only the environment
//! can show.

#[path = "model/alike.rs"]
mod alike;

use model::connection::Connection;
use model::session::Session;
use model::session::world::MESSAGES_UNBOUNDED;
use model::side::UNBOUNDED;
use model::{Finding, SearchResult, Wrong, check, connection, session};

/// More states than any search here needs.
const LIMIT: usize = 16_000_000;

/// Two endpoints without faults.
const ONE_SESSION: Session = Session { bounds: session::Bounds::NONE };
/// Two links without faults.
const ONE_CONNECTION: Connection = Connection { bounds: connection::Bounds::NONE };

#[track_caller]
fn assert_right(outcome: &SearchResult) {
    assert_eq!(outcome.finding, None);
    assert!(outcome.is_complete, "{} states and more", outcome.states);
    assert!(outcome.settled > 0, "no world is a good end: the search has not got there");
}

#[test]
fn two_endpoints_always_come_up_and_never_write_for_ever() {
    let outcome = check(&ONE_SESSION, LIMIT, |_| {});
    assert_right(&outcome);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn two_endpoints_come_up_after_a_busy_daemon_and_after_a_mailbox_that_vanishes() {
    let mut model = ONE_SESSION;
    model.bounds.upsets = 1;
    assert_right(&check(&model, LIMIT, |_| {}));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn any_number_of_messages_each_way_arrive_in_order_and_once() {
    let mut model = ONE_SESSION;
    model.bounds.messages = MESSAGES_UNBOUNDED;
    assert_right(&check(&model, LIMIT, |_| {}));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn two_endpoints_come_up_after_any_number_of_restarts_and_false_verdicts() {
    let mut model = ONE_SESSION;
    model.bounds.faults = UNBOUNDED;
    assert_right(&check(&model, LIMIT, |_| {}));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn two_endpoints_come_up_after_a_death_of_one() {
    let mut model = ONE_SESSION;
    model.bounds.crashes = [1, 0];
    assert_right(&check(&model, LIMIT, |_| {}));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn a_connection_without_faults_is_made_and_ended_and_nothing_stays_behind() {
    let outcome = check(&ONE_CONNECTION, LIMIT, |_| {});
    assert_right(&outcome);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn a_connection_outlives_any_number_of_deaths_and_faults_without_harm() {
    let mut model = ONE_CONNECTION;
    model.bounds.crashes = [UNBOUNDED; 2];
    model.bounds.faults = UNBOUNDED;
    assert_right(&check(&model, LIMIT, |_| {}));
}

#[test]
#[ignore = "ten minutes and 5 GB: check-model connection --unbounded --connects 2"]
fn two_connections_of_a_session_outlive_any_number_of_deaths_and_faults() {
    let mut model = ONE_CONNECTION;
    model.bounds.connects = 2;
    model.bounds.crashes = [UNBOUNDED; 2];
    model.bounds.faults = UNBOUNDED;
    assert_right(&check(&model, LIMIT, |_| {}));
}

/// Properties of the environment, not of a link: no text of the shipped code could be changed so that
/// these searches find something.
#[test]
fn reading_12_no_work_at_all_after_the_fence_cannot_be_had() {
    let mut model = ONE_CONNECTION;
    model.bounds.faults = 1;
    model.bounds.environment.late_units_max = 0;
    let found = check(&model, LIMIT, |_| {}).finding.map(|(finding, _)| finding);
    assert_eq!(found, Some(Finding::Unsafe(Wrong::WorkedAfterFence)));
}

#[test]
fn reading_16_a_window_of_two_has_no_room_for_the_next_connections_end() {
    let mut model = ONE_CONNECTION;
    (model.bounds.connects, model.bounds.faults) = (2, 1);
    model.bounds.environment.unread_max = 2;
    let found = check(&model, LIMIT, |_| {}).finding.map(|(finding, _)| finding);
    assert_eq!(found, Some(Finding::Unsafe(Wrong::WindowFull)));
}
