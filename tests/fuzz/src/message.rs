//! The control messages' parser (docs/protocol.md §6): one form for each message, and every
//! message is read as itself.

use channel::message::{CONTROL_BYTES_MAX, Control, RefuseReason};
use channel::offer::{GrantRefs, Offer};
use channel::{ConnectionId, GrantRef, Port};

use super::spoil::{number, spoil};
use prng::Prng;

/// One input. `parse` is [`Control::parse`], or a broken one.
///
/// # Panics
/// If `parse` breaks a rule.
pub fn check(input: &[u8], parse: impl Fn(&[u8]) -> Option<Control>) {
    check_bytes(input, &parse);
    let mut chance = Prng::from_bytes(input);
    let control = control(&mut chance);
    let emitted = control.emit();
    assert_eq!(parse(emitted.as_bytes()), Some(control), "what was emitted is taken");
    let mut bytes = emitted.as_bytes().to_vec();
    spoil(&mut chance, &mut bytes);
    check_bytes(&bytes, &parse);
}

fn check_bytes(bytes: &[u8], parse: &impl Fn(&[u8]) -> Option<Control>) {
    let Some(control) = parse(bytes) else { return };
    assert!(bytes.len() <= CONTROL_BYTES_MAX, "{} bytes are too many", bytes.len());
    assert!(control.number() > ConnectionId(0), "numbers begin at 1");
    if let Control::Connect(_, offer) = control {
        assert!(!offer.refs.as_slice().is_empty(), "a connection has a page");
    }
    assert_eq!(
        String::from_utf8_lossy(control.emit().as_bytes()),
        String::from_utf8_lossy(bytes),
        "one form for each message"
    );
}

fn control(chance: &mut Prng) -> Control {
    let k = ConnectionId(number(chance).max(1));
    match chance.below(6) {
        0 => Control::Connect(k, offer(chance)),
        1 => Control::Connected(k),
        2 => Control::Refused(k, *chance.pick(&RefuseReason::ALL)),
        3 => Control::Disconnect(k),
        4 => Control::Closing(k),
        _ => Control::Disconnected(k),
    }
}

fn offer(chance: &mut Prng) -> Offer {
    let mut refs = GrantRefs::EMPTY;
    // One too many is refused by the list.
    for _ in 0..chance.between(1, channel::limits::PAGES_MAX as u64 + 1) {
        let _ = refs.push(GrantRef(number(chance)));
    }
    let (port, ring_bytes) = (Port(number(chance)), number(chance));
    Offer { port, ring_bytes, features: number(chance), refs }
}
