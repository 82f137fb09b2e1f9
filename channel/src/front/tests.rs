//! Tests of rules C1 to C5 of docs/protocol.md §7, and of misreadings that the model checker
//! refuted. Each test drives the machine directly, so that every state receives every possible
//! input.

use super::{ConnectError, Front, FrontAction, FrontState, NotConnected};
use crate::connection::{PrepareError, Released};
use grant::{Epoch, Stamp};

use crate::event::{Breach, ConnectRefused, End, Event};
use crate::ids::{ConnectionId, Port};
use crate::message::{Control, RefuseReason};
use crate::offer::{GrantRefs, Offer};

const PEER: Epoch = Epoch::from_bits(7);
const ONE: ConnectionId = ConnectionId(1);

fn offer() -> Offer {
    Offer { port: Port(3), ring_bytes: 1664, features: 0, refs: GrantRefs::EMPTY }
}

fn connecting() -> Front {
    let mut front = Front::IDLE;
    front.handle_up();
    assert_eq!(front.connect(1), Ok(ONE));
    front.handle_prepared(Ok(offer()));
    assert_eq!(front.poll_action(), Some(FrontAction::Send(Control::Connect(ONE, offer()))));
    front.handle_sent();
    assert_eq!(front.state(), FrontState::Connecting);
    front
}

fn connected() -> Front {
    let mut front = connecting();
    front.handle_stamp(stamp(PEER, ONE), PEER);
    assert_eq!(front.poll_event(), Some(Event::Connected { number: ONE }));
    front
}

fn disconnecting() -> Front {
    let mut front = connected();
    front.disconnect().unwrap();
    assert_eq!(front.poll_action(), Some(FrontAction::SendClosing(Control::Disconnect(ONE))));
    front.handle_sent();
    assert_eq!(front.state(), FrontState::Disconnecting);
    front
}

fn released(mut front: Front) -> (Front, Option<Event<'static>>) {
    assert_eq!(front.poll_action(), Some(FrontAction::Release));
    front.handle_released(Released::Freed);
    assert_eq!(front.state(), FrontState::Idle);
    let event = front.poll_event();
    (front, event)
}

const fn stamp(epoch: Epoch, number: ConnectionId) -> Stamp {
    Stamp { epoch, number }
}

#[test]
fn c1_no_connect_before_the_last_ones_terminal_answer() {
    for mut front in [connecting(), connected(), disconnecting()] {
        assert_eq!(front.connect(1), Err(ConnectError::Busy));
    }
    let mut front = disconnecting();
    front.handle_message(&Control::Disconnected(ONE)).unwrap();
    assert_eq!(front.connect(1), Err(ConnectError::Busy), "not before the release either");
    let (mut front, _) = released(front);
    assert_eq!(front.connect(1), Ok(ConnectionId(2)), "a number is never used again");
}

#[test]
fn c1_numbers_begin_anew_with_each_session() {
    let mut front = disconnecting();
    front.handle_down();
    let (mut front, _) = released(front);
    front.handle_up();
    assert_eq!(front.connect(1), Ok(ONE));
}

#[test]
fn c1_a_failed_preparation_is_refused_locally_and_nothing_is_sent() {
    let mut front = Front::IDLE;
    front.connect(1).unwrap();
    front.handle_prepared(Err(PrepareError::QuarantineFull));
    let reason = ConnectRefused::Here(PrepareError::QuarantineFull);
    assert_eq!(reason.word(), "quarantine-full");
    assert_eq!(front.poll_event(), Some(Event::Refused { number: ONE, reason }));
    assert_eq!((front.poll_action(), front.state()), (None, FrontState::Idle));
}

#[test]
fn c1_pages_out_of_range_are_refused() {
    for pages in [0, 9] {
        assert_eq!({ Front::IDLE }.connect(pages), Err(ConnectError::Pages { limit: 8 }));
    }
}

#[test]
fn c2_the_stamp_or_connected_whichever_comes_first_begins_the_connection_once() {
    let mut front = connecting();
    front.handle_message(&Control::Connected(ONE)).unwrap();
    assert_eq!(front.poll_event(), Some(Event::Connected { number: ONE }));
    front.handle_stamp(stamp(PEER, ONE), PEER);
    assert_eq!(front.poll_event(), None);

    let mut front = connected();
    front.handle_message(&Control::Connected(ONE)).unwrap();
    assert_eq!((front.poll_event(), front.state()), (None, FrontState::Connected));
}

#[test]
fn c2_a_stamp_with_another_epoch_or_number_is_ignored() {
    let mut front = connecting();
    for (epoch, number) in
        [(PEER, ConnectionId(0)), (PEER, ConnectionId(2)), (Epoch::from_bits(8), ONE)]
    {
        front.handle_stamp(stamp(epoch, number), PEER);
        assert_eq!(front.state(), FrontState::Connecting);
    }
    front.handle_message(&Control::Connected(ConnectionId(2))).unwrap();
    assert_eq!(front.state(), FrontState::Connecting);
}

#[test]
fn c3_user_closing_word_and_closing_all_lead_to_disconnect() {
    for way in 0..3 {
        let disconnect = Control::Disconnect(ONE);
        for (mut front, say) in [
            // The back may not have bound its port yet, so an event could be lost.
            (connecting(), FrontAction::Send(disconnect)),
            (connected(), FrontAction::SendClosing(disconnect)),
        ] {
            match way {
                0 => front.disconnect().unwrap(),
                1 => front.handle_closing_word(),
                _ => front.handle_message(&Control::Closing(ONE)).unwrap(),
            }
            assert_eq!(front.poll_action(), Some(say));
        }
    }
}

#[test]
fn c3_closing_while_disconnecting_or_of_another_number_is_ignored() {
    let mut front = disconnecting();
    front.handle_message(&Control::Closing(ONE)).unwrap();
    front.handle_closing_word();
    assert_eq!((front.state(), front.poll_event()), (FrontState::Disconnecting, None));
    let mut front = connected();
    front.handle_message(&Control::Closing(ConnectionId(2))).unwrap();
    assert_eq!(front.state(), FrontState::Connected);
}

#[test]
fn c4_disconnected_ends_a_connection_in_order_only_after_disconnect() {
    let mut front = connected();
    front.handle_message(&Control::Disconnected(ONE)).unwrap();
    assert_eq!(front.state(), FrontState::Connected);
    let mut front = disconnecting();
    front.handle_message(&Control::Disconnected(ConnectionId(2))).unwrap();
    assert_eq!(front.state(), FrontState::Disconnecting, "of another connection");
    front.handle_message(&Control::Disconnected(ONE)).unwrap();
    let (_, event) = released(front);
    let released = Released::Freed;
    let ended = Event::Disconnected { number: ONE, end: End::InOrder, released };
    assert_eq!(event, Some(ended));
}

#[test]
fn c4_the_closing_word_may_be_answered_before_disconnect_is_sent() {
    let mut front = connected();
    front.disconnect().unwrap();
    assert_eq!(front.state(), FrontState::Leaving, "the channel is full, say");
    front.handle_message(&Control::Disconnected(ONE)).unwrap();
    let (_, event) = released(front);
    let (number, end, released) = (ONE, End::InOrder, Released::Freed);
    assert_eq!(event, Some(Event::Disconnected { number, end, released }));
}

#[test]
fn c4_refused_ends_the_attempt() {
    let mut front = connecting();
    front.handle_message(&Control::Refused(ONE, RefuseReason::BadGrant)).unwrap();
    let (_, event) = released(front);
    let reason = ConnectRefused::ByBack(RefuseReason::BadGrant);
    assert_eq!(event, Some(Event::Refused { number: ONE, reason }));
}

#[test]
fn t15_refused_is_terminal_also_where_disconnect_has_crossed_it() {
    // Misreading: only DISCONNECTED answers a DISCONNECT. The front then waits forever.
    let mut front = connecting();
    front.disconnect().unwrap();
    let refused = Control::Refused(ONE, RefuseReason::NoRoom);
    let mut unsaid = front;
    unsaid.handle_message(&refused).unwrap();
    assert_eq!(unsaid.poll_action(), Some(FrontAction::Release), "nothing left to say");
    front.handle_sent();
    front.handle_message(&refused).unwrap();
    let (_, event) = released(front);
    assert!(matches!(event, Some(Event::Refused { .. })));
}

#[test]
fn t10_a_connected_front_does_not_take_refused_for_an_answer() {
    // Misreading: the back stamps before it binds, and then refuses. This implementation cannot do
    // so; a peer that does waits for DISCONNECT.
    let mut front = connected();
    front.handle_message(&Control::Refused(ONE, RefuseReason::BadPort)).unwrap();
    assert_eq!(front.state(), FrontState::Connected);
}

#[test]
fn c5_down_in_any_state_releases_and_tells_the_user() {
    for mut front in [connecting(), connected(), disconnecting()] {
        front.handle_down();
        let (_, event) = released(front);
        assert!(matches!(event, Some(Event::Disconnected { end: End::SessionEnded, .. })));
    }
    let mut wanted = Front::IDLE;
    wanted.connect(1).unwrap();
    wanted.handle_down();
    assert_eq!(wanted.poll_action(), None, "nothing was prepared");
    assert!(matches!(wanted.poll_event(), Some(Event::Disconnected { .. })));
}

#[test]
fn c5_a_down_while_a_release_is_due_does_not_ask_for_a_second_one() {
    let mut front = disconnecting();
    front.handle_message(&Control::Disconnected(ONE)).unwrap();
    front.handle_down();
    let (front, event) = released(front);
    assert!(matches!(event, Some(Event::Disconnected { end: End::InOrder, .. })));
    assert_eq!(front.poll_action(), None);
}

#[test]
fn t13_the_release_reports_quarantine_regardless_of_the_peers_answer() {
    // Misreading: the front trusts DISCONNECTED. Only the revocation shows whether the pages are
    // unmapped.
    let mut front = disconnecting();
    front.handle_message(&Control::Disconnected(ONE)).unwrap();
    let released = Released::Quarantined { pages: 1 };
    front.handle_released(released);
    let ended = Event::Disconnected { number: ONE, end: End::InOrder, released };
    assert_eq!(front.poll_event(), Some(ended));
}

#[test]
fn what_only_a_front_says_is_a_breach_at_a_front() {
    let mut front = connected();
    for control in [Control::Connect(ONE, offer()), Control::Disconnect(ONE)] {
        assert_eq!(front.handle_message(&control), Err(Breach::WrongRole));
    }
}

#[test]
fn a_disconnect_without_a_connection_is_refused_and_one_too_early_needs_no_answer() {
    assert_eq!({ Front::IDLE }.disconnect(), Err(NotConnected));
    assert_eq!(disconnecting().disconnect(), Err(NotConnected));
    let mut front = Front::IDLE;
    front.connect(1).unwrap();
    front.disconnect().unwrap();
    assert_eq!(front.poll_action(), None);
    assert!(matches!(front.poll_event(), Some(Event::Disconnected { .. })));
    front.connect(1).unwrap();
    front.handle_prepared(Ok(offer()));
    front.disconnect().unwrap();
    assert_eq!(front.poll_action(), Some(FrontAction::Release));
}
