//! Tests of rules D1 to D8 of docs/protocol.md §8, and of misreadings that the model checker
//! refuted. Each test drives the machine directly, so that every state receives every possible
//! input.

use super::{Back, BackAction, BackState};
use crate::connection::{BindError, Released};
use crate::event::{Breach, ConnectRefused, End, Event};
use crate::front::NotConnected;
use crate::ids::{ConnectionId, GrantRef, Port};
use crate::message::{Control, RefuseReason};
use crate::offer::{GrantRefs, Offer};
use grant::{MapError, VerifyError};

const ONE: ConnectionId = ConnectionId(1);

fn offer() -> Offer {
    Offer { port: Port(3), ring_bytes: 1664, features: 0, refs: GrantRefs::EMPTY }
}

fn idle() -> Back {
    let mut back = Back::LOST;
    assert_eq!(back.poll_action(), Some(BackAction::Unmap), "whatever a former life has left");
    back.handle_unmapped();
    back.handle_up();
    assert_eq!((back.state(), back.poll_action()), (BackState::Idle, None));
    back
}

fn got() -> Back {
    let mut back = idle();
    back.handle_message(&Control::Connect(ONE, offer())).unwrap();
    assert_eq!(back.poll_action(), Some(BackAction::Map(offer())));
    back
}

fn mapped() -> Back {
    let mut back = got();
    back.handle_mapped(Ok(()));
    assert_eq!(back.poll_action(), Some(BackAction::Verify(ONE)));
    back
}

fn verified() -> Back {
    let mut back = mapped();
    back.handle_verified(Ok(()));
    assert_eq!(back.poll_action(), Some(BackAction::Bind(Port(3))));
    back
}

fn bound() -> Back {
    let mut back = verified();
    back.handle_bound(Ok(()));
    assert_eq!(back.poll_action(), Some(BackAction::Stamp));
    back
}

fn stamped() -> Back {
    let mut back = bound();
    back.handle_stamped();
    assert_eq!(back.poll_action(), Some(BackAction::Send(Control::Connected(ONE))));
    back
}

fn serving() -> Back {
    let mut back = stamped();
    back.handle_sent();
    assert_eq!(back.poll_event(), Some(Event::Connected { number: ONE }));
    assert_eq!(back.poll_action(), None);
    back
}

fn closing() -> Back {
    let mut back = serving();
    back.disconnect().unwrap();
    assert_eq!(back.poll_action(), Some(BackAction::SendClosing(Control::Closing(ONE))));
    back.handle_sent();
    back
}

#[test]
fn d1_a_second_connect_is_a_breach_in_every_state_but_idle() {
    let second = Control::Connect(ConnectionId(2), offer());
    for mut back in [got(), mapped(), verified(), bound(), stamped(), serving(), closing()] {
        assert_eq!(back.handle_message(&second), Err(Breach::UnexpectedConnect));
    }
}

#[test]
fn d1_a_number_that_is_not_new_is_a_breach() {
    let mut back = serving();
    back.handle_message(&Control::Disconnect(ONE)).unwrap();
    back.handle_unmapped();
    back.handle_sent();
    let again = Control::Connect(ONE, offer());
    assert_eq!(back.handle_message(&again), Err(Breach::UnexpectedConnect));
}

#[test]
fn d2_what_cannot_be_mapped_is_refused_without_unmapping() {
    let mut back = got();
    back.handle_mapped(Err(MapError::RepeatedRef(GrantRef(1))));
    let refused = Control::Refused(ONE, RefuseReason::BadGrant);
    assert_eq!(back.poll_action(), Some(BackAction::Send(refused)));
    back.handle_sent();
    let reason = ConnectRefused::ByBack(RefuseReason::BadGrant);
    assert_eq!(back.poll_event(), Some(Event::Refused { number: ONE, reason }));
    assert_eq!(back.state(), BackState::Idle);
}

#[test]
fn d3_t9_a_header_that_is_not_this_connections_is_unmapped_before_it_is_refused() {
    // Misreading: the header is not verified after mapping. The reference may now name a page of
    // another link.
    let mut back = mapped();
    back.handle_verified(Err(VerifyError::Epoch));
    assert_eq!(back.poll_action(), Some(BackAction::Unmap));
    back.handle_unmapped();
    let refused = Control::Refused(ONE, RefuseReason::Header);
    assert_eq!(back.poll_action(), Some(BackAction::Send(refused)));
}

#[test]
fn d4_t10_binding_comes_before_the_stamp_and_its_failure_is_unmapped_and_refused() {
    // Misreading: the stamp is written before the bind. The front then connects to a back that
    // refuses.
    let mut back = verified();
    back.handle_bound(Err(BindError::BadPort));
    assert_eq!(back.poll_action(), Some(BackAction::Unmap));
    back.handle_unmapped();
    let refused = Control::Refused(ONE, RefuseReason::BadPort);
    assert_eq!(back.poll_action(), Some(BackAction::Send(refused)));
}

#[test]
fn d6_closing_is_sent_once_and_the_back_waits_for_disconnect() {
    let mut back = closing();
    assert_eq!(back.poll_action(), None);
    assert_eq!(back.disconnect(), Err(NotConnected));
    back.handle_message(&Control::Disconnect(ONE)).unwrap();
    assert_eq!(back.poll_action(), Some(BackAction::Unmap));
}

#[test]
fn d7_t13_disconnect_in_any_state_unmaps_first_and_answers_then() {
    // Misreading: DISCONNECTED is sent before unmapping.
    for mut back in [got(), mapped(), verified(), bound(), stamped(), serving(), closing()] {
        back.poll_event();
        back.handle_message(&Control::Disconnect(ONE)).unwrap();
        assert_eq!(back.poll_action(), Some(BackAction::Unmap));
        back.handle_unmapped();
        let answer = Control::Disconnected(ONE);
        assert_eq!(back.poll_action(), Some(BackAction::Send(answer)));
        back.handle_sent();
        let released = Released::Freed;
        let ended = Event::Disconnected { number: ONE, end: End::InOrder, released };
        assert_eq!(back.poll_event(), Some(ended));
        assert_eq!((back.state(), back.poll_action()), (BackState::Idle, None));
    }
}

#[test]
fn d7_the_fronts_closing_word_is_disconnect_and_the_message_that_follows_is_ignored() {
    for mut back in [stamped(), serving()] {
        back.handle_closing_word();
        assert_eq!(back.poll_action(), Some(BackAction::Unmap));
        back.handle_unmapped();
        assert_eq!(back.poll_action(), Some(BackAction::Send(Control::Disconnected(ONE))));
        back.handle_sent();
        back.handle_message(&Control::Disconnect(ONE)).unwrap();
        assert_eq!((back.poll_action(), back.state()), (None, BackState::Idle));
        back.handle_message(&Control::Connect(ConnectionId(2), offer())).unwrap();
        assert_eq!(back.state(), BackState::Got(offer()));
    }
}

#[test]
fn d7_t15_a_disconnect_that_crosses_refused_is_not_answered_again() {
    // Misreading: it is answered, and the answer ends the next connection.
    let mut back = got();
    back.handle_mapped(Err(MapError::WindowFull { wanted: 1 }));
    back.handle_message(&Control::Disconnect(ONE)).unwrap();
    assert!(matches!(back.poll_action(), Some(BackAction::Send(Control::Refused(..)))));
    back.handle_sent();
    back.handle_message(&Control::Disconnect(ONE)).unwrap();
    assert_eq!((back.poll_action(), back.state()), (None, BackState::Idle));
    let second = Control::Connect(ConnectionId(2), offer());
    back.handle_message(&second).unwrap();
    back.handle_message(&Control::Disconnect(ONE)).unwrap();
    assert_eq!(back.state(), BackState::Got(offer()), "of the connection before");
}

#[test]
fn d8_t14_down_in_any_state_unmaps_before_anything_else() {
    for mut back in [idle(), got(), mapped(), verified(), bound(), stamped(), serving()] {
        back.poll_event();
        back.handle_down();
        assert_eq!(back.poll_action(), Some(BackAction::Unmap));
        back.handle_unmapped();
        assert_eq!(back.state(), BackState::Idle);
    }
    let mut back = serving();
    back.handle_down();
    back.handle_unmapped();
    assert!(matches!(back.poll_event(), Some(Event::Disconnected { end: End::SessionEnded, .. })));
}

#[test]
#[should_panic(expected = "unmapped before the new hello")]
fn d8_a_new_session_with_the_old_mapping_is_a_mistake() {
    let mut back = serving();
    back.handle_down();
    back.handle_up();
}

#[test]
fn what_only_a_back_says_is_a_breach_at_a_back() {
    for control in [
        Control::Connected(ONE),
        Control::Refused(ONE, RefuseReason::NoRoom),
        Control::Closing(ONE),
        Control::Disconnected(ONE),
    ] {
        assert_eq!(idle().handle_message(&control), Err(Breach::WrongRole));
    }
}
