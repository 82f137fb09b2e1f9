//! The model checker on bounds that are complete in seconds: the shipped machines are right in
//! every state, and each of the sixteen wrong readings of docs/protocol.md is found out, one test
//! for each with its number. Larger bounds are for the command `check-model`.

#[path = "model/alike.rs"]
mod alike;

use model::connection::Connection;
use model::session::Session;
use model::session::world::MESSAGES_UNBOUNDED;
use model::side::UNBOUNDED;
use model::{Finding, SearchResult, Wrong, check, connection, session};

/// More states than any search here needs.
const LIMIT: usize = 16_000_000;

fn session(mutation: session::Mutation) -> Option<Finding> {
    check(&Session::of(mutation), LIMIT, |_| {}).finding.map(|(finding, _)| finding)
}

fn connection(mutation: connection::Mutation) -> Option<Finding> {
    check(&Connection::of(mutation), LIMIT, |_| {}).finding.map(|(finding, _)| finding)
}

#[track_caller]
fn assert_right(outcome: &SearchResult) {
    assert_eq!(outcome.finding, None);
    assert!(outcome.is_complete, "{} states and more", outcome.states);
    assert!(outcome.settled > 0, "no world is a good end: the search has not got there");
}

#[test]
fn two_endpoints_always_come_up_and_never_write_for_ever() {
    let outcome = check(&Session::of(session::Mutation::Nothing), LIMIT, |_| {});
    assert_right(&outcome);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn two_endpoints_come_up_after_a_busy_daemon_and_after_a_mailbox_that_vanishes() {
    let mut model = Session::of(session::Mutation::Nothing);
    model.bounds.upsets = 1;
    assert_right(&check(&model, LIMIT, |_| {}));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn any_number_of_messages_each_way_arrive_in_order_and_once() {
    let mut model = Session::of(session::Mutation::Nothing);
    model.bounds.messages = MESSAGES_UNBOUNDED;
    assert_right(&check(&model, LIMIT, |_| {}));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn two_endpoints_come_up_after_any_number_of_restarts_and_false_verdicts() {
    let mut model = Session::of(session::Mutation::Nothing);
    model.bounds.faults = UNBOUNDED;
    assert_right(&check(&model, LIMIT, |_| {}));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn two_endpoints_come_up_after_a_death_of_one() {
    let mut model = Session::of(session::Mutation::Nothing);
    model.bounds.crashes = [1, 0];
    assert_right(&check(&model, LIMIT, |_| {}));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn a_connection_without_faults_is_made_and_ended_and_nothing_stays_behind() {
    let outcome = check(&Connection::of(connection::Mutation::Nothing), LIMIT, |_| {});
    assert_right(&outcome);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn a_connection_outlives_any_number_of_deaths_and_faults_without_harm() {
    let mut model = Connection::of(connection::Mutation::Nothing);
    model.bounds.crashes = [UNBOUNDED; 2];
    model.bounds.faults = UNBOUNDED;
    assert_right(&check(&model, LIMIT, |_| {}));
}

#[test]
#[ignore = "ten minutes and 5 GB: check-model connection --unbounded --connects 2"]
fn two_connections_of_a_session_outlive_any_number_of_deaths_and_faults() {
    let mut model = Connection::of(connection::Mutation::Nothing);
    model.bounds.connects = 2;
    model.bounds.crashes = [UNBOUNDED; 2];
    model.bounds.faults = UNBOUNDED;
    assert_right(&check(&model, LIMIT, |_| {}));
}

#[test]
fn reading_1_a_new_epoch_for_each_news_of_the_peer_never_comes_up() {
    assert_eq!(session(session::Mutation::RedrawsOnNews), Some(Finding::Stuck));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_2_up_without_an_echo_delivers_what_another_life_was_told() {
    let found = session(session::Mutation::IgnoresTo);
    assert!(matches!(found, Some(Finding::Unsafe(Wrong::Delivered(_)))), "{found:?}");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_2_up_without_an_echo_writes_for_ever() {
    let mut model = Session::of(session::Mutation::IgnoresTo);
    (model.bounds.messages, model.bounds.faults) = (0, 0);
    let found = check(&model, LIMIT, |_| {}).finding.map(|(finding, _)| finding);
    assert_eq!(found, Some(Finding::WritesForEver));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_3_an_epoch_kept_after_a_timeout_delivers_twice() {
    let found = session(session::Mutation::KeepsEpoch);
    assert!(matches!(found, Some(Finding::Unsafe(Wrong::Delivered(_)))), "{found:?}");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_4_an_epoch_kept_at_news_delivers_twice_where_reads_overtake() {
    let found = session(session::Mutation::KeepsEpochOnNews);
    assert!(matches!(found, Some(Finding::Unsafe(Wrong::Delivered(_)))), "{found:?}");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_5_an_introduction_that_wipes_the_mailbox_makes_both_wait_for_ever() {
    assert_eq!(session(session::Mutation::WipesMailbox), Some(Finding::Stuck));
    assert_eq!(session(session::Mutation::RestsOnceLanded), None, "it is the wiping");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_6_permissions_set_only_once_may_be_void_for_ever() {
    assert_eq!(session(session::Mutation::PermitsOnce), Some(Finding::Stuck));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_7_up_without_a_source_of_beats_is_up_for_ever() {
    assert_eq!(session(session::Mutation::SilentWhileUp), Some(Finding::Stuck));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_8_answering_every_register_writes_for_ever() {
    assert_eq!(session(session::Mutation::AnswersAll), Some(Finding::WritesForEver));
}

#[test]
fn reading_9_a_header_not_looked_at_lets_the_back_stamp_another_links_page() {
    let found = connection(connection::Mutation::NoVerify);
    assert_eq!(found, Some(Finding::Unsafe(Wrong::WroteElsewhere)));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_10_a_stamp_before_the_bind_connects_a_front_that_is_refused() {
    let found = connection(connection::Mutation::StampsBeforeBind);
    assert!(matches!(found, Some(Finding::Unsafe(Wrong::EndedWithoutCause(_)))), "{found:?}");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_10_an_old_stamp_without_a_number_connects_a_front_to_nobody() {
    let found = connection(connection::Mutation::StampWithoutNumber);
    assert!(matches!(found, Some(Finding::Unsafe(Wrong::EndedWithoutCause(_)))), "{found:?}");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_11_no_request_at_all_while_connected_makes_a_lost_event_last_for_ever() {
    assert_eq!(connection(connection::Mutation::NoHint), Some(Finding::Stuck));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_11_closing_without_a_word_in_the_page_may_never_be_seen() {
    assert_eq!(connection(connection::Mutation::NoClosingWord), Some(Finding::Stuck));
}

#[test]
fn reading_12_no_work_at_all_after_the_fence_cannot_be_had() {
    let found = connection(connection::Mutation::NoLateUnit);
    assert_eq!(found, Some(Finding::Unsafe(Wrong::WorkedAfterFence)));
}

#[test]
fn reading_12_one_look_at_the_fence_for_several_units_is_not_enough() {
    let found = connection(connection::Mutation::ChecksOnce);
    assert_eq!(found, Some(Finding::Unsafe(Wrong::WorkedAfterFence)));
}

#[test]
fn reading_13_a_front_that_trusts_disconnected_frees_a_mapped_page() {
    let found = connection(connection::Mutation::TrustsAnswer);
    assert_eq!(found, Some(Finding::Unsafe(Wrong::FreedWhileMapped)));
}

#[test]
fn reading_13_a_front_that_trusts_a_new_epoch_frees_a_page_that_the_dead_one_maps() {
    let found = connection(connection::Mutation::TrustsNewEpoch);
    assert_eq!(found, Some(Finding::Unsafe(Wrong::FreedWhileMapped)));
}

#[test]
fn reading_13_disconnected_before_the_unmapping_is_a_lie() {
    let found = connection(connection::Mutation::AnswersBeforeUnmap);
    assert_eq!(found, Some(Finding::Unsafe(Wrong::AnsweredWhileMapped)));
}

#[test]
fn reading_14_a_restart_that_forgets_grants_frees_a_mapped_page() {
    let found = connection(connection::Mutation::ForgetsGrants);
    assert_eq!(found, Some(Finding::Unsafe(Wrong::FreedWhileMapped)));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_14_a_restart_that_forgets_mappings_leaves_the_quarantine_full() {
    assert_eq!(connection(connection::Mutation::ForgetsMappings), Some(Finding::Stuck));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_14_a_down_that_keeps_the_mapping_leaves_the_quarantine_full() {
    assert_eq!(connection(connection::Mutation::KeepsMapping), Some(Finding::Stuck));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_15_refused_must_end_a_disconnecting_front_too() {
    assert_eq!(connection(connection::Mutation::RefusedNotTerminal), Some(Finding::Stuck));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn reading_15_without_numbers_an_old_answer_ends_the_next_connection() {
    let found = connection(connection::Mutation::NoNumbers);
    assert_eq!(found, Some(Finding::Unsafe(Wrong::AnsweredWhileMapped)));
}

#[test]
fn reading_16_a_window_of_two_has_no_room_for_the_next_connections_end() {
    let found = connection(connection::Mutation::WindowOfTwo);
    assert_eq!(found, Some(Finding::Unsafe(Wrong::WindowFull)));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn an_acknowledgement_off_by_one_is_seen_at_once() {
    assert_eq!(session(session::Mutation::AckOffByOne), Some(Finding::Unsafe(Wrong::Acknowledged)));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "slow unless optimised: cargo test --release -p model")]
fn a_message_taken_twice_is_seen_at_once() {
    let found = session(session::Mutation::Redelivers);
    assert!(matches!(found, Some(Finding::Unsafe(Wrong::Delivered(_)))), "{found:?}");
}
