//! Tests of the register's grammar: parsing inverts encoding, and every other value is rejected.
//! Failures of the random tests print their seed; the tests are deterministic.

use std::string::String;
use std::vec::Vec;

use super::{Header, Register, Seq};
use crate::epoch::Epoch;
use crate::limits::{
    HEADER_BYTES_MAX, MESSAGE_BYTES_MAX, MESSAGES_BYTES, REGISTER_BYTES_MAX, WINDOW,
};
use crate::queue::Queue;
use crate::testing::Random;

type Messages = Queue<WINDOW, MESSAGES_BYTES>;

fn header(seed: u128) -> Header {
    Header {
        from: Epoch::from_bits(seed),
        to: Some(Epoch::from_bits(!seed)),
        ack: Seq(3),
        beat: 7,
        first: Seq(2),
    }
}

fn emitted(header: Header, queue: &Messages) -> Vec<u8> {
    let mut out = [0; REGISTER_BYTES_MAX];
    let register = Register { header, count: queue.count() as u8, messages: queue.encoded() };
    let length = register.emit(&mut out);
    out[..length].to_vec()
}

#[test]
fn a_hello_reads_as_documented() {
    let hello =
        Header { from: Epoch::from_bits(0xab), to: None, ack: Seq::NONE, beat: 1, first: Seq(1) };
    let text = String::from_utf8(emitted(hello, &Queue::EMPTY)).unwrap();
    assert_eq!(text, "T1 000000000000000000000000000000ab - 0 1 1 0");
}

#[test]
fn a_register_with_messages_reads_as_documented() {
    let mut queue = Queue::EMPTY;
    queue.push(b"CONNECTED 1").unwrap();
    queue.push(b"M a b").unwrap();
    let text = String::from_utf8(emitted(header(0), &queue)).unwrap();
    let (zeros, ones) = ("0".repeat(32), "f".repeat(32));
    assert_eq!(text, std::format!("T1 {zeros} {ones} 3 7 2 2 11:CONNECTED 1 5:M a b"));
}

#[test]
fn whatever_is_emitted_is_parsed_as_the_same() {
    let mut random = Random::new(1);
    for _ in 0..2000 {
        let mut queue = Queue::EMPTY;
        for _ in 0..random.below(9) {
            let length = 1 + random.below(300) as usize;
            let message: Vec<u8> = (0..length).map(|_| 0x20 + random.below(0x5f) as u8).collect();
            let _ = queue.push(&message);
        }
        let mut header = header(random.next().into());
        header.to = if random.below(2) == 0 { None } else { header.to };
        header.first = Seq(1 + random.below(u64::from(u32::MAX) - 10) as u32);
        header.beat = random.next() as u32;
        let bytes = emitted(header, &queue);
        let parsed = Register::parse(&bytes).expect("emitted here");
        assert_eq!(parsed.header, header);
        assert_eq!(parsed.iter().count(), queue.count());
        assert_eq!(
            parsed.iter().map(|(_, message)| message).collect::<Vec<_>>(),
            queue.iter().collect::<Vec<_>>()
        );
    }
}

#[test]
fn the_largest_register_fits_its_limit() {
    let mut queue = Messages::EMPTY;
    queue.push(&[b'x'; MESSAGE_BYTES_MAX]).unwrap();
    while queue.push(b"yyyyyyyyyyy").is_ok() {}
    let header =
        Header { ack: Seq(u32::MAX), beat: u32::MAX, first: Seq(u32::MAX - 8), ..header(1) };
    assert_eq!(emitted(header, &Queue::EMPTY).len(), HEADER_BYTES_MAX);
    assert!(emitted(header, &queue).len() <= REGISTER_BYTES_MAX);

    let mut queue = Messages::EMPTY;
    queue.push(&[b'x'; MESSAGE_BYTES_MAX]).unwrap();
    queue.push(&[b'y'; MESSAGES_BYTES - MESSAGE_BYTES_MAX - 6 - 5]).unwrap();
    let largest = emitted(header, &queue);
    assert_eq!(largest.len(), REGISTER_BYTES_MAX, "to the byte");
    assert_eq!(Register::parse(&largest).map(|register| register.count), Ok(2));
}

#[test]
fn one_changed_byte_never_panics_and_what_still_parses_is_what_it_says() {
    let mut queue = Queue::EMPTY;
    queue.push(b"CONNECT 1 9 1664 0 8,9").unwrap();
    queue.push(b"M x").unwrap();
    let good = emitted(header(5), &queue);
    for place in 0..good.len() {
        for byte in 0..=u8::MAX {
            let mut bytes = good.clone();
            bytes[place] = byte;
            if let Ok(register) = Register::parse(&bytes) {
                let mut out = [0; REGISTER_BYTES_MAX];
                let length = register.emit(&mut out);
                assert_eq!(&out[..length], &bytes[..], "one form for each register");
            }
        }
    }
    for length in 0..good.len() {
        assert!(Register::parse(&good[..length]).is_err(), "cut off at {length}");
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random::new(2);
    for _ in 0..20_000 {
        let length = random.below(200) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| 0x20 + random.below(0x5f) as u8).collect();
        if random.below(2) == 0 && bytes.len() > 3 {
            bytes[..3].copy_from_slice(b"T1 ");
        }
        let _ = Register::parse(&bytes);
    }
}

#[test]
fn a_value_beyond_a_limit_is_not_a_register() {
    let epoch = "0".repeat(32);
    for bad in [
        String::new(),
        std::format!("T2 {epoch} - 0 1 1 0"),
        std::format!("T1 {epoch} - 0 1 0 0"),
        std::format!("T1 {epoch} - 0 1 1 1"),
        std::format!("T1 {epoch} - 0 1 1 0 "),
        std::format!("T1 {epoch} - 0 1 1 1 0:"),
        std::format!("T1 {epoch} - 0 1 1 1 01:x"),
        std::format!("T1 {epoch} - 0 1 1 1 2:x"),
        std::format!("T1 {epoch} - 0 1 1 9{}", " 1:x".repeat(9)),
        std::format!("T1 {epoch} - 0 1 4294967295 1 1:x"),
        std::format!("T1 {epoch} - 0 1 1 1 1025:{}", "x".repeat(1025)),
        std::format!("T1 {epoch} - 0 1 1 1 1:\t"),
        std::format!("T1 {epoch} - 0 1 1 2 1000:{0} 1000:{0}", "x".repeat(1000)),
    ] {
        assert!(Register::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}
