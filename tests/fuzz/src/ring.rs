//! The byte rings against a hostile peer (docs/protocol.md §10): whatever it writes into the page,
//! each call does what an independent model in wide arithmetic says, and changes no byte of the
//! page but its own lines and the bytes that it wrote.

use grant::layout::{LINE_EVENT, LINE_INDEX, Layout, RingPlace};
use grant::{Notify, PAGE_BYTES, Readiness, RingError, SharedPages, Sleep, Stream, WakeWhen};

use super::spoil::number;
use prng::Prng;
use sim::base::page::Page;
use sim::xen::SimPages;

/// Calls of one input at most.
const CALLS_MAX: u32 = 200;

/// One input. `shown` is the page as the code under test sees it: the page itself, or a broken one.
///
/// # Panics
/// If the ring does anything that the model does not say.
pub fn check<P: SharedPages>(input: &[u8], shown: impl Fn(SimPages) -> P) {
    let mut chance = Prng::from_bytes(input);
    let page = Page::new();
    let pages = shown(SimPages::new(vec![page.clone()]));
    let layout = Layout::of(1);
    let is_front = chance.below(2) == 0;
    let (mut stream, out, into) = if is_front {
        (Stream::front(&layout), layout.to_back, layout.to_front)
    } else {
        (Stream::back(&layout), layout.to_front, layout.to_back)
    };
    let mut out = RingEnd::new(out, out.producer_line, out.consumer_line, u64::from(out.size));
    let mut into = RingEnd::new(into, into.consumer_line, into.producer_line, 0);
    for _ in 0..CALLS_MAX {
        if chance.is_used_up() {
            break;
        }
        let before = snapshot(&page);
        let length = chance.below(2 * out.place.size) as usize;
        match chance.below(6) {
            0 | 1 => {
                let bytes: Vec<u8> = (0..length).map(|at| (at * 31) as u8 | 1).collect();
                let written = stream.outgoing().write(&pages, &bytes);
                let expected = out.moved(&page, length);
                assert_eq!(written, expected, "a write moves what there is room for");
                let written = written.ok().map(|count| &bytes[..count]);
                assert_eq!(differing(&page, out.after(before, written)), None);
            }
            2 => {
                let mut bytes = vec![0; length];
                let read = stream.incoming().read(&pages, &mut bytes);
                let expected = into.moved(&page, length);
                assert_eq!(read, expected, "a read moves what is there");
                into.compare_read(&before, &bytes[..read.unwrap_or(0)]);
                let moved = read.ok().map(|_| &[][..]);
                assert_eq!(differing(&page, into.after(before, moved)), None);
            }
            3 => {
                let due = stream.flush(&pages);
                let expected = out.due(&page) | into.due(&page);
                assert_eq!(due == Notify::Due, expected, "a notification when it was asked for");
                assert_eq!(differing(&page, before), None);
            }
            4 => {
                let wish = WakeWhen { readable: number(&mut chance), writable: chance.below(4000) };
                let slept = stream.before_sleep(&pages, wish);
                check_sleep(wish, slept, &page, (&mut out, &mut into));
                let stored = into.wished(out.wished(before, wish.writable), wish.readable);
                assert_eq!(differing(&page, stored), None);
            }
            _ => lie(&mut chance, &page),
        }
        assert_eq!(stream.outgoing().room(), out.left as u32);
        assert_eq!(stream.incoming().available(), into.left as u32);
    }
}

/// One end of a ring, as the protocol says it must be.
struct RingEnd {
    place: RingPlace,
    own_line: usize,
    peer_line: usize,
    /// Bytes ever moved.
    moved: u64,
    /// Of those, what had been moved when wishes were last looked at.
    told: u64,
    /// Bytes that may be moved as far as known.
    left: u64,
}

impl RingEnd {
    fn new(place: RingPlace, own_line: usize, peer_line: usize, left: u64) -> Self {
        RingEnd { place, own_line, peer_line, moved: 0, told: 0, left }
    }

    fn size(&self) -> u64 {
        self.place.size.into()
    }

    /// Looks at the peer's index. It is where the ring was full (or empty) against it, or further
    /// on by what we may not move yet.
    fn look(&mut self, page: &Page) -> Result<(), RingError> {
        let known = if self.is_producer() {
            self.moved + self.left - self.size()
        } else {
            self.moved + self.left
        };
        let (found, believed) = (page.load(self.peer_line + LINE_INDEX), known as u32);
        let reach = self.size() - self.left;
        let possible = (0..=reach).find(|step| (known + step) as u32 == found);
        let step = possible.ok_or(RingError::PeerIndex { found, believed, reach: reach as u32 })?;
        self.left += step;
        Ok(())
    }

    fn is_producer(&self) -> bool {
        self.own_line == self.place.producer_line
    }

    /// What a write or a read of `length` bytes must give.
    fn moved(&mut self, page: &Page, length: usize) -> Result<usize, RingError> {
        if self.left < length as u64 {
            self.look(page)?;
        }
        let bytes = self.left.min(length as u64);
        self.left -= bytes;
        self.moved += bytes;
        Ok(bytes as usize)
    }

    /// Whether the peer's wish lies in what was moved since the last look.
    fn due(&mut self, page: &Page) -> bool {
        let wish = page.load(self.peer_line + LINE_EVENT);
        let told = core::mem::replace(&mut self.told, self.moved);
        (told + 1..=self.moved).any(|index| index as u32 == wish)
    }

    /// The page after a call that moved bytes: as `before`, but for the own index and `written`
    /// behind where it was. `None` if nothing was moved, not even no bytes.
    fn after(&self, mut before: Vec<u8>, written: Option<&[u8]>) -> Vec<u8> {
        let Some(written) = written else { return before };
        let start = self.moved - written.len() as u64;
        for (at, byte) in (start..).zip(written) {
            before[self.place.data + (at % self.size()) as usize] = *byte;
        }
        put(&mut before, self.own_line + LINE_INDEX, self.moved as u32);
        before
    }

    /// The page with the wish to be woken once `bytes` may be moved; without one if they are none.
    fn wished(&self, mut before: Vec<u8>, bytes: u32) -> Vec<u8> {
        let wanted = u64::from(bytes).min(self.size());
        let wish = match self.is_producer() {
            // The consumer's index at which so much is free.
            true => (self.moved as u32).wrapping_sub((self.size() - wanted) as u32),
            false => (self.moved + wanted) as u32,
        };
        if bytes > 0 {
            put(&mut before, self.own_line + LINE_EVENT, wish);
        }
        before
    }

    /// What was read is what stood there.
    fn compare_read(&self, before: &[u8], read: &[u8]) {
        let start = self.moved - read.len() as u64;
        for (at, byte) in (start..).zip(read) {
            assert_eq!(before[self.place.data + (at % self.size()) as usize], *byte);
        }
    }
}

/// What came of going to sleep: told to notify, and whether there is reason to stay awake.
fn check_sleep(
    wish: WakeWhen,
    slept: Result<Sleep, RingError>,
    page: &Page,
    (out, into): (&mut RingEnd, &mut RingEnd),
) {
    let due = out.due(page) | into.due(page);
    let looked = into.look(page).and_then(|()| out.look(page));
    match (slept, looked) {
        (Ok(slept), Ok(())) => {
            let is_there = |end: &RingEnd, bytes: u32| {
                bytes > 0 && end.left >= u64::from(bytes).min(end.size())
            };
            let ready = is_there(into, wish.readable) || is_there(out, wish.writable);
            assert_eq!(slept.readiness == Readiness::Ready, ready, "sleeps when nothing is there");
            assert_eq!(slept.notify == Notify::Due, due, "a notification when it was asked for");
        }
        (slept, looked) => assert_eq!(slept.map(|_| ()), looked),
    }
}

/// Writes a word, mostly one of the rings' lines and mostly near the truth; now and then bytes
/// anywhere.
fn lie(chance: &mut Prng, page: &Page) {
    let line = 192 + 64 * chance.below(4) as usize + 4 * chance.below(2) as usize;
    let at = if chance.below(8) == 0 { chance.below(1024) as usize * 4 } else { line };
    let honest = page.load(192 + 64 * chance.below(4) as usize);
    let value = match chance.below(4) {
        0 => number(chance),
        1 => honest.wrapping_sub(chance.below(3)),
        _ => honest.wrapping_add(chance.below(2000)),
    };
    page.store(at, value);
}

fn snapshot(page: &Page) -> Vec<u8> {
    let mut bytes = vec![0; PAGE_BYTES];
    page.copy_from(0, &mut bytes);
    bytes
}

/// The first byte of the page that is not as expected: nothing else may have been written.
fn differing(page: &Page, expected: Vec<u8>) -> Option<usize> {
    let after = snapshot(page);
    (0..PAGE_BYTES).find(|&at| after[at] != expected[at])
}

fn put(page: &mut [u8], at: usize, word: u32) {
    page[at..at + 4].copy_from_slice(&word.to_le_bytes());
}
