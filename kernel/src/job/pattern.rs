//! The bytes that the job moves, made so that neither an echo nor a stale or wrong page can pass for them.
//!
//! Every byte follows from the two epochs of the session, the number of the connection, the direction and the
//! offset in the stream. Both ends make the stream by themselves: the backend checks what it receives before
//! it answers, the frontend checks the answer, and neither takes the other's word. Pure arithmetic: the host
//! tests include this file as it is.

/// What one connection's streams are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
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
    pub(super) const NONE: Self = Self { request: 0, reply: 0 };

    /// The streams of connection `number` in the session of these two epochs.
    pub(super) fn new(front_epoch: u128, back_epoch: u128, number: u32) -> Self {
        let mut seed = u64::from(number);
        for half in [front_epoch >> 64, front_epoch, back_epoch >> 64, back_epoch] {
            seed = mix(seed ^ (half as u64)); // The low 64 bits of each half: both epochs count whole.
        }
        Self { request: mix(seed ^ REQUEST_STREAM), reply: mix(seed ^ REPLY_STREAM) }
    }

    /// Writes what the frontend sends at `offset` of its stream into `bytes`.
    pub(super) fn fill_request(&self, offset: u64, bytes: &mut [u8]) {
        each_word(self.request, offset, bytes, |_, key| key);
    }

    /// True if `bytes` are what the frontend sends at `offset`. Leaves them as they are.
    pub(super) fn is_request(&self, offset: u64, bytes: &mut [u8]) -> bool {
        let mut wrong = 0;
        each_word(self.request, offset, bytes, |word, key| {
            wrong |= word ^ key;
            word
        });
        wrong == 0
    }

    /// The backend's service: turns request bytes at `offset` into the reply, in place.
    pub(super) fn transform(&self, offset: u64, bytes: &mut [u8]) {
        each_word(self.reply, offset, bytes, |word, key| word ^ key);
    }

    /// True if `bytes` are the right reply at `offset`. Turns them back into the request.
    pub(super) fn is_reply(&self, offset: u64, bytes: &mut [u8]) -> bool {
        self.transform(offset, bytes);
        self.is_request(offset, bytes)
    }
}

/// Replaces each word of `bytes` by `apply(word, key word)`, the key stream starting at `offset`. A word that
/// only partly lies in `bytes` comes with zeroes in its other bytes, in the key as well.
fn each_word(key: u64, offset: u64, bytes: &mut [u8], mut apply: impl FnMut(u64, u64) -> u64) {
    let skip = (offset % WORD_BYTES) as usize;
    let head_bytes = if skip == 0 { 0 } else { bytes.len().min(WORD_BYTES as usize - skip) };
    let (head, rest) = bytes.split_at_mut(head_bytes);
    let mut index = offset / WORD_BYTES;
    if head_bytes > 0 {
        partial_word(mix(key ^ index), skip, head, &mut apply);
        index += 1;
    }
    let mut words = rest.chunks_exact_mut(WORD_BYTES as usize);
    for word in &mut words {
        let mut data = [0; WORD_BYTES as usize];
        data.copy_from_slice(word);
        word.copy_from_slice(&apply(u64::from_le_bytes(data), mix(key ^ index)).to_le_bytes());
        index += 1;
    }
    partial_word(mix(key ^ index), 0, words.into_remainder(), &mut apply);
}

/// The same for the bytes of one word from `skip` on; `bytes` fit into the rest of it.
fn partial_word(key: u64, skip: usize, bytes: &mut [u8], apply: &mut impl FnMut(u64, u64) -> u64) {
    let here = skip..skip + bytes.len();
    let mut data = [0; WORD_BYTES as usize];
    let mut mask = [0; WORD_BYTES as usize];
    data[here.clone()].copy_from_slice(bytes);
    mask[here.clone()].fill(0xff);
    let word = apply(u64::from_le_bytes(data), key & u64::from_le_bytes(mask));
    bytes.copy_from_slice(&word.to_le_bytes()[here]);
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
