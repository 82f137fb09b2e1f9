//! Makes good bytes nearly good.

use prng::Prng;

/// Bytes that mean something to the grammars of register and messages.
const TELLING: &[u8] = b"0123456789abcdefT: -,M\t\x7f";

/// Changes, inserts, removes, doubles or cuts off some bytes; now and then none.
pub(super) fn spoil(chance: &mut Prng, bytes: &mut Vec<u8>) {
    for _ in 0..chance.below(4) {
        let at = chance.below(bytes.len() as u32 + 1) as usize;
        match chance.below(6) {
            0 if at < bytes.len() => bytes[at] = chance.word() as u8,
            1 if at < bytes.len() => bytes[at] = *chance.pick(TELLING),
            2 if at < bytes.len() => {
                bytes.remove(at);
            }
            3 => bytes.truncate(at),
            4 => {
                let copy = bytes[at..].to_vec();
                bytes.extend(copy);
            }
            _ => bytes.insert(at, *chance.pick(TELLING)),
        }
    }
}

/// A number: small, large, or at an edge.
pub(super) fn number(chance: &mut Prng) -> u32 {
    match chance.below(4) {
        0 => chance.below(10),
        1 => chance.word(),
        2 => u32::MAX - chance.below(10),
        _ => 1 << chance.below(32),
    }
}
