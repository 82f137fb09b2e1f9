//! The fuzz targets as tests: first the inputs of `__fuzz__/TARGET/`, then so many random ones. The
//! bound is in inputs, not in time. A failure prints its input, made small, and the seed; put the
//! input's bytes into `__fuzz__/TARGET/crashes/` and it is run first for ever.
//!
//! They are unit tests because libFuzzer's runtime must be linked into whatever is built with
//! coverage, and tests of other kinds bring the package's binaries along.

use bolero::check;
use channel::ConnectionId;
use channel::message::Control;
use channel::register::Register;
use grant::layout::Layout;
use grant::{BackConnection, SharedPages, VerifyError};
use xenbus::decoder::Decoder;
use xenbus::{Incoming, Refusal};

use sim::xen::SimPages;

#[test]
fn register() {
    check!(name = "register")
        .with_max_len(256)
        .with_iterations(20_000)
        .for_each(|input: &[u8]| crate::register::check(input, |bytes| Register::parse(bytes)));
}

#[test]
fn message() {
    check!(name = "message")
        .with_max_len(64)
        .with_iterations(20_000)
        .for_each(|input: &[u8]| crate::message::check(input, Control::parse));
}

#[test]
fn packets() {
    check!(name = "packets")
        .with_max_len(256)
        .with_iterations(20_000)
        .for_each(|input: &[u8]| crate::packets::check(input, Decoder::feed));
}

#[test]
fn client() {
    check!(name = "client")
        .with_max_len(1024)
        .with_iterations(60_000)
        .for_each(|input: &[u8]| crate::client::check(input, crate::client::answered));
}

#[test]
fn ring() {
    check!(name = "ring")
        .with_max_len(1024)
        .with_iterations(3_000)
        .for_each(|input: &[u8]| crate::ring::check(input, |pages| pages));
}

#[test]
fn connection() {
    check!(name = "connection")
        .with_max_len(512)
        .with_iterations(3_000)
        .for_each(|input: &[u8]| crate::connection::check(input, BackConnection::verify));
}

#[test]
fn world() {
    check!(name = "world").with_max_len(2048).with_iterations(60).for_each(crate::world::check);
}

/// What the fuzzers are worth: each of these is broken in one rare case, which must be found within
/// the bound of the sound one. For `world` a mutation in tests/mutations/list/ does the same.
mod broken {
    use super::*;

    #[test]
    #[should_panic(expected = "test failed")]
    fn a_register_parser_that_bears_a_blank_at_the_end() {
        check!().with_max_len(256).with_iterations(20_000).for_each(|input: &[u8]| {
            crate::register::check(input, |bytes| {
                Register::parse(bytes.strip_suffix(b" ").unwrap_or(bytes))
            });
        });
    }

    #[test]
    #[should_panic(expected = "test failed")]
    fn a_message_parser_that_loses_the_last_number() {
        let last = Control::Disconnected(ConnectionId(u32::MAX));
        check!().with_max_len(64).with_iterations(20_000).for_each(|input: &[u8]| {
            crate::message::check(input, |bytes| {
                Control::parse(bytes).filter(|control| *control != last)
            });
        });
    }

    #[test]
    #[should_panic(expected = "test failed")]
    fn a_decoder_that_skips_a_byte_after_a_piece_of_seventeen() {
        check!().with_max_len(256).with_iterations(20_000).for_each(|input: &[u8]| {
            crate::packets::check(input, |decoder, bytes| match decoder.feed(bytes) {
                (16, progress) if bytes.len() == 17 => (17, progress),
                other => other,
            });
        });
    }

    #[test]
    #[should_panic(expected = "test failed")]
    fn a_client_that_does_not_say_whom_a_refusal_answers() {
        check!().with_max_len(1024).with_iterations(60_000).for_each(|input: &[u8]| {
            crate::client::check(input, |incoming| match incoming {
                Incoming::Reply { result: Err(Refusal::Errno(_)), .. } => None,
                other => crate::client::answered(other),
            });
        });
    }

    #[test]
    #[should_panic(expected = "test failed")]
    fn a_back_that_bears_any_ring_size() {
        check!().with_max_len(512).with_iterations(3_000).for_each(|input: &[u8]| {
            crate::connection::check(input, |back, terms| match back.verify(terms) {
                Err(VerifyError::RingBytes { .. }) => Ok(()),
                other => other,
            });
        });
    }

    /// Pages that write a byte too many where a copy ends at the end of the first ring.
    struct Spilling(SimPages);

    impl SharedPages for Spilling {
        fn load_u32(&self, at: usize) -> u32 {
            self.0.load_u32(at)
        }
        fn store_u32(&self, at: usize, value: u32) {
            self.0.store_u32(at, value);
        }
        fn copy_from(&self, at: usize, into: &mut [u8]) {
            self.0.copy_from(at, into);
        }
        fn copy_to(&self, at: usize, from: &[u8]) {
            self.0.copy_to(at, from);
            let to_back = Layout::of(1).to_back;
            if at + from.len() == to_back.data + to_back.size as usize {
                self.0.copy_to(at + from.len(), &[1]);
            }
        }
        fn full_barrier(&self) {
            self.0.full_barrier();
        }
        fn zero(&self) {
            self.0.zero();
        }
        fn pages(&self) -> usize {
            self.0.pages()
        }
    }

    #[test]
    #[should_panic(expected = "test failed")]
    fn a_ring_that_writes_one_byte_too_many_at_its_end() {
        check!()
            .with_max_len(1024)
            .with_iterations(3_000)
            .for_each(|input: &[u8]| crate::ring::check(input, Spilling));
    }
}
