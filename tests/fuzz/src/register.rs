//! The register's parser (docs/protocol.md §3): what it takes is in form, within every limit, and
//! comes out of [`Register::emit`] byte for byte; what was emitted is taken.

use channel::Epoch;
use channel::limits::{MESSAGE_BYTES_MAX, MESSAGES_BYTES, REGISTER_BYTES_MAX, WINDOW};
use channel::queue::Queue;
use channel::register::{Header, NotARegister, Register, Seq};

use super::spoil::{number, spoil};
use prng::Prng;

/// A parser of registers, such as [`Register::parse`].
pub type Parse = fn(&[u8]) -> Result<Register<'_>, NotARegister>;

/// One input.
///
/// # Panics
/// If `parse` breaks a rule.
pub fn check(input: &[u8], parse: Parse) {
    check_bytes(input, parse);
    let mut chance = Prng::from_bytes(input);
    let mut bytes = emitted(&mut chance, parse);
    spoil(&mut chance, &mut bytes);
    check_bytes(&bytes, parse);
}

/// A register made of choices, which must be taken as what it is.
fn emitted(chance: &mut Prng, parse: Parse) -> Vec<u8> {
    let mut queue = Queue::<WINDOW, MESSAGES_BYTES>::EMPTY;
    for _ in 0..chance.below(WINDOW as u32 + 1) {
        let length = *chance.pick(&[1, 2, 9, 10, 11, 99, 100, 400, MESSAGE_BYTES_MAX]);
        let message: Vec<u8> = (0..length).map(|at| b' ' + ((at * 7) % 95) as u8).collect();
        // A full queue is refused, and stays as it is.
        let _ = queue.push(&message);
    }
    let count = queue.count() as u8;
    let epoch = |chance: &mut Prng| Epoch::from_bits(chance.wide());
    let header = Header {
        from: epoch(chance),
        to: (chance.below(3) > 0).then(|| epoch(chance)),
        ack: Seq(number(chance)),
        beat: number(chance),
        first: Seq(number(chance).clamp(1, u32::MAX - u32::from(count))),
    };
    let register = Register { header, count, messages: queue.encoded() };
    let mut out = [0; REGISTER_BYTES_MAX];
    let length = register.emit(&mut out);
    assert_eq!(parse(&out[..length]), Ok(register), "what was emitted is taken");
    out[..length].to_vec()
}

fn check_bytes(bytes: &[u8], parse: Parse) {
    let Ok(register) = parse(bytes) else { return };
    assert!(bytes.len() <= REGISTER_BYTES_MAX, "{} bytes are too many", bytes.len());
    assert!(bytes.iter().all(|byte| (b' '..=b'~').contains(byte)), "only printable bytes");
    assert!(register.header.first > Seq::NONE, "numbers begin at 1");
    assert!(usize::from(register.count) <= WINDOW, "{} messages are too many", register.count);
    assert_eq!(register.iter().count(), usize::from(register.count), "as many as announced");
    for ((seq, message), expected) in register.iter().zip(register.header.first.0..=u32::MAX) {
        assert_eq!(seq.0, expected, "numbers follow each other");
        assert!(seq <= Seq::LAST, "every message has a number");
        assert!((1..=MESSAGE_BYTES_MAX).contains(&message.len()), "{} bytes", message.len());
    }
    let mut out = [0; REGISTER_BYTES_MAX];
    let length = register.emit(&mut out);
    assert_eq!(
        String::from_utf8_lossy(&out[..length]),
        String::from_utf8_lossy(bytes),
        "one form for each register"
    );
}
