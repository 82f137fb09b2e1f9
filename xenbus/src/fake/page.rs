//! The ring page as plain memory. Both sides run on one thread, so no ordering is needed; a loom
//! model tests the ordering.

use alloc::boxed::Box;

use crate::ring::{PAGE_BYTES, RingPage, RingWord};

/// A ring page in memory, with indices that the test chooses.
#[derive(Clone, Debug)]
pub struct FakePage {
    bytes: Box<[u8; PAGE_BYTES]>,
}

impl FakePage {
    /// A page of zeros.
    pub fn new() -> FakePage {
        FakePage { bytes: Box::new([0; PAGE_BYTES]) }
    }

    /// An idle page whose indices are `requests` and `replies`, and whose rings hold noise.
    pub fn starting_at(requests: u32, replies: u32) -> FakePage {
        let mut page = FakePage { bytes: Box::new([0xa5; PAGE_BYTES]) };
        page.store(RingWord::RequestConsumer, requests);
        page.store(RingWord::RequestProducer, requests);
        page.store(RingWord::ReplyConsumer, replies);
        page.store(RingWord::ReplyProducer, replies);
        page.store(RingWord::ServerFeatures, 0);
        page.store(RingWord::Connection, 0);
        page.store(RingWord::Error, 0);
        page
    }
}

impl Default for FakePage {
    fn default() -> FakePage {
        FakePage::new()
    }
}

impl RingPage for FakePage {
    fn load(&self, word: RingWord) -> u32 {
        let mut bytes = [0; 4];
        self.copy_from(word.offset(), &mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn store(&mut self, word: RingWord, value: u32) {
        self.copy_to(word.offset(), &value.to_le_bytes());
    }

    fn copy_from(&self, offset: usize, into: &mut [u8]) {
        into.copy_from_slice(&self.bytes[offset..offset + into.len()]);
    }

    fn copy_to(&mut self, offset: usize, from: &[u8]) {
        self.bytes[offset..offset + from.len()].copy_from_slice(from);
    }

    fn full_barrier(&self) {}
}
