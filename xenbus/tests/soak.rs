//! A hundred million packets of noise through the decoder and every parser. It takes a minute in
//! a release build and so runs only when asked for:
//! `cargo test -p xenbus --release --test soak -- --ignored --nocapture`.

use xenbus::decoder::{Decoder, Progress};
use xenbus::{Refusal, Reply, RequestKind, WatchEvent};

/// How many packets to decode.
const EXECUTIONS: u64 = 100_000_000;

/// Where the noise starts; print it and change it to see other noise.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// A multiplicative generator: fast, and never stuck for an odd seed.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
        self.0 ^ (self.0 >> 29)
    }
}

#[test]
#[ignore = "takes a minute in a release build"]
fn a_hundred_million_noisy_packets_leave_the_decoder_standing() {
    println!("seed {SEED:#x}, {EXECUTIONS} executions");
    let mut noise = Noise(SEED);
    let mut decoder = Decoder::new();
    let (mut complete, mut refused, mut valid) = (0u64, 0u64, 0u64);
    for _ in 0..EXECUTIONS {
        let random = noise.next();
        let mut bytes = [0; 64];
        for chunk in bytes.chunks_exact_mut(8) {
            // Half of the bytes are ones that mean something to the parsers.
            let word = noise.next();
            let plain = if word & 1 == 0 { word } else { word & 0x0101_0101_0101_0101 };
            chunk.copy_from_slice(&plain.to_le_bytes());
        }
        // Mostly short packets, now and then any length at all.
        let length =
            if random & 0xff == 0 { (random >> 32) as u32 } else { (random >> 32) as u32 % 48 };
        bytes[12..16].copy_from_slice(&length.to_le_bytes());
        let cut = (random as usize >> 8) % 64;
        for piece in [&bytes[..cut], &bytes[cut..]] {
            let (_, progress) = decoder.feed(piece);
            match progress {
                Ok(Progress::Partial) => {}
                Ok(Progress::Complete) => {
                    complete += 1;
                    let kind = RequestKind::ALL[random as usize % RequestKind::COUNT];
                    let payload = decoder.payload();
                    valid += u64::from(Reply::parse(kind, payload).is_ok());
                    valid += u64::from(WatchEvent::parse(payload).is_some());
                    assert!(Refusal::parse(payload).name().len() <= 24);
                    decoder.reset();
                    break;
                }
                Err(_) => {
                    refused += 1;
                    decoder.reset();
                    break;
                }
            }
        }
    }
    println!("complete {complete}, refused {refused}, payloads that parsed {valid}");
    assert!(complete > EXECUTIONS / 2);
    assert!(refused > 0);
}
