//! The bytes that the job moves, made so that neither an echo nor a stale or wrong page can pass for them.
//!
//! Every byte follows from the two epochs of the session, the number of the connection, the direction and the
//! offset in the stream. Both ends make the stream by themselves: the backend checks what it receives before
//! it answers, the frontend checks the answer, and neither takes the other's word. Pure arithmetic: the host
//! tests include this file as it is.

/// Bytes moved at once: the unit of work between two looks at the fence. More than a page's ring.
pub const UNIT_BYTES: usize = 2048;

/// What one connection's streams are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    request: u64,
    reply: u64,
}

/// Names the two streams; any two different odd numbers would do.
const REQUEST_STREAM: u64 = 0x7465_7468_6572_0001;
const REPLY_STREAM: u64 = 0x7465_7468_6572_0003;

/// Bytes made from one step of the generator.
const WORD_BYTES: u64 = 8;

impl Pattern {
    /// The streams of no connection at all.
    pub const NONE: Self = Self { request: 0, reply: 0 };

    /// The streams of connection `number` in the session of these two epochs.
    pub fn new(front_epoch: u128, back_epoch: u128, number: u32) -> Self {
        let mut seed = u64::from(number);
        for half in [front_epoch >> 64, front_epoch, back_epoch >> 64, back_epoch] {
            seed = mix(seed ^ (half as u64)); // The low 64 bits of each half: both epochs count whole.
        }
        Self { request: mix(seed ^ REQUEST_STREAM), reply: mix(seed ^ REPLY_STREAM) }
    }

    /// Writes what the frontend sends at `offset` of its stream into `bytes`.
    pub fn fill_request(&self, offset: u64, bytes: &mut [u8]) {
        bytes.fill(0);
        add_stream(self.request, offset, bytes);
    }

    /// True if `bytes` are what the frontend sends at `offset`. Leaves them as they are.
    pub fn is_request(&self, offset: u64, bytes: &mut [u8]) -> bool {
        let right = add_stream(self.request, offset, bytes) == 0;
        add_stream(self.request, offset, bytes);
        right
    }

    /// The backend's service: turns request bytes at `offset` into the reply, in place.
    pub fn transform(&self, offset: u64, bytes: &mut [u8]) {
        add_stream(self.reply, offset, bytes);
    }

    /// True if `bytes` are the right reply at `offset`. Turns them back into the request.
    pub fn is_reply(&self, offset: u64, bytes: &mut [u8]) -> bool {
        self.transform(offset, bytes);
        self.is_request(offset, bytes)
    }
}

/// Adds the stream of `key` from `offset` on to `bytes`, bit by bit without carry: what is added
/// twice is gone, and added to zeroes it is the stream itself. All uses are this one loop. Gives the
/// bits that are set in any word of the sum: none where `bytes` were the stream.
#[inline(never)]
fn add_stream(key: u64, offset: u64, bytes: &mut [u8]) -> u64 {
    let mut offset = offset;
    let mut rest = bytes;
    let mut seen = 0;
    while !rest.is_empty() {
        let skip = (offset % WORD_BYTES) as usize;
        let word = mix(key ^ (offset / WORD_BYTES));
        let here = rest.len().min(WORD_BYTES as usize - skip);
        let (part, behind) = rest.split_at_mut(here);
        if let Ok(whole) = <&mut [u8; WORD_BYTES as usize]>::try_from(&mut *part) {
            let sum = u64::from_le_bytes(*whole) ^ word;
            *whole = sum.to_le_bytes();
            seen |= sum;
        } else {
            for (byte, other) in part.iter_mut().zip(word.to_le_bytes().into_iter().skip(skip)) {
                *byte ^= other;
                seen |= u64::from(*byte);
            }
        }
        offset += here as u64;
        rest = behind;
    }
    seen
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const BYTES: usize = 1000;

    fn pattern() -> Pattern {
        Pattern::new(0x1234_5678_9abc_def0_0fed_cba9_8765_4321, 7 << 100, 3)
    }

    fn request() -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        pattern().fill_request(0, &mut bytes);
        bytes
    }

    #[test]
    fn the_stream_does_not_depend_on_how_it_is_cut() {
        let whole = request();
        for cut in [1, 3, 7, 8, 9, 64, 999] {
            let mut parts = [0; BYTES];
            for (index, chunk) in parts.chunks_mut(cut).enumerate() {
                pattern().fill_request((index * cut) as u64, chunk);
            }
            assert_eq!(parts, whole, "cut every {cut} bytes");
        }
    }

    #[test]
    fn a_transformed_request_is_the_reply_and_an_echo_is_not() {
        let mut reply = request();
        let mut echo = reply;
        assert!(pattern().is_request(0, &mut reply));
        pattern().transform(0, &mut reply);
        assert!(pattern().is_reply(0, &mut reply));
        assert!(!pattern().is_reply(0, &mut echo));
    }

    #[test]
    fn one_wrong_bit_a_shift_or_zeroes_do_not_pass() {
        for at in [0, 1, 499, BYTES - 1] {
            let mut bytes = request();
            bytes[at] ^= 0x10;
            assert!(!pattern().is_request(0, &mut bytes));
        }
        let mut shifted = request();
        assert!(!pattern().is_request(8, &mut shifted));
        assert!(!pattern().is_request(0, &mut [0; 64]));
        assert!(!pattern().is_reply(0, &mut [0; 64]));
    }

    #[test]
    fn another_session_or_number_is_another_stream() {
        let base = request();
        let mut streams = vec![base];
        for other in [
            Pattern::new(1, 7 << 100, 3),
            Pattern::new(0x1234_5678_9abc_def0_0fed_cba9_8765_4321, 7, 3),
            Pattern::new(0x1234_5678_9abc_def0_0fed_cba9_8765_4321, 7 << 100, 4),
        ] {
            let mut bytes = [0; BYTES];
            other.fill_request(0, &mut bytes);
            assert!(streams.iter().all(|known| known[..64] != bytes[..64]));
            streams.push(bytes);
        }
    }
}
