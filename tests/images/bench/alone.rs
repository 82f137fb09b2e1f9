//! What one domain can measure by itself, while dom0 and the other domain sleep: how fast memory is
//! copied, and what a message and a stream through the byte rings cost when both ends are here.
//! Counted time adds the instructions of all processors; here there is only one that has any.

use alloc::vec;

use grant::layout::Layout;
use grant::{RingError, SharedPages, Stream};

use kernel::copy::{VECTOR_STEP_BYTES, copy_by_bytes, copy_by_vectors};
use kernel::grants::OwnPages;
use kernel::{clock, trace};

/// Bytes copied at once, and written to a stream at once: a page.
const BLOCK: usize = 4096;
const _: () = assert!(BLOCK.is_multiple_of(VECTOR_STEP_BYTES));
/// Blocks of each figure.
const BLOCKS: u32 = 1000;
/// A small message, and how many of them.
const MESSAGE: usize = 64;
const MESSAGES: u32 = 10_000;

/// A way to copy one slice into another of the same length.
type Routine = fn(&mut [u8], &[u8]);

/// All of them, by name; the first is the image's own: eight bytes at a time by a string instruction.
const ROUTINES: [(&str, Routine); 3] = [
    ("movsq", |into, from| into.copy_from_slice(from)),
    ("movsb", copy_by_bytes),
    ("sse", copy_by_vectors),
];

/// Takes and prints all figures. Where the pages cannot be had, those of the ring are missing.
pub(crate) fn measure() {
    copies();
    let Some(set) = OwnPages::allocate(1) else { return };
    let pages = set.pages();
    let figures = Figures { pages };
    // An error would be this domain's own: nobody else has these pages. The figure is then missing.
    let _ = figures.messages("message", Ends::told);
    let _ = figures.messages("message-untold", |_, _| ());
    let _ = figures.stream();
    let _ = figures.in_place();
    set.into_pages().give_back();
}

fn copies() {
    let from = vec![0x5a_u8; BLOCK];
    let mut into = vec![0_u8; BLOCK];
    for (name, routine) in ROUTINES {
        let start = clock::now_ns();
        for _ in 0..BLOCKS {
            routine(&mut into, &from);
        }
        let ns = clock::now_ns() - start;
        let right = u8::from(into == from);
        trace!("alone name=copy-{name} n={BLOCKS} bytes={BLOCK} ns={ns} ok={right}");
        into.fill(0);
    }
}

/// Both ends of a connection's rings.
struct Ends {
    front: Stream,
    back: Stream,
}

impl Ends {
    /// What each side does after a burst: one barrier, one look at what the other wants to hear.
    #[inline(always)]
    fn told(&mut self, pages: &OwnPages) {
        let _ = self.front.flush(pages);
        let _ = self.back.flush(pages);
    }
}

struct Figures<'a> {
    pages: &'a OwnPages,
}

impl Figures<'_> {
    /// Both ends over zeroed pages.
    fn ends(&self) -> Ends {
        self.pages.zero();
        let layout = Layout::of(1);
        Ends { front: Stream::front(&layout), back: Stream::back(&layout) }
    }

    /// One small message after the other: written, read, and told as `tell` does.
    fn messages(&self, name: &str, tell: impl Fn(&mut Ends, &OwnPages)) -> Result<(), RingError> {
        let mut ends = self.ends();
        let (message, mut into) = ([0x5a; MESSAGE], [0; MESSAGE]);
        let mut right = true;
        let start = clock::now_ns();
        for _ in 0..MESSAGES {
            let wrote = ends.front.outgoing().write(self.pages, &message)?;
            let read = ends.back.incoming().read(self.pages, &mut into)?;
            tell(&mut ends, self.pages);
            right &= wrote == MESSAGE && read == MESSAGE;
        }
        let ns = clock::now_ns() - start;
        right &= into == message;
        let right = u8::from(right);
        trace!("alone name={name} n={MESSAGES} bytes={MESSAGE} ns={ns} ok={right}");
        Ok(())
    }

    /// Writes of a page each, read as they come: copied in and copied out.
    fn stream(&self) -> Result<(), RingError> {
        let mut ends = self.ends();
        let (from, mut into) = (vec![0x5a_u8; BLOCK], vec![0_u8; BLOCK]);
        let start = clock::now_ns();
        for _ in 0..BLOCKS {
            let (mut sent, mut got) = (0, 0);
            while got < BLOCK {
                sent += ends.front.outgoing().write(self.pages, &from[sent..])?;
                got += ends.back.incoming().read(self.pages, &mut into[got..])?;
                ends.told(self.pages);
            }
        }
        let ns = clock::now_ns() - start;
        let right = u8::from(into == from);
        trace!("alone name=stream n={BLOCKS} bytes={BLOCK} ns={ns} ok={right}");
        Ok(())
    }

    /// The same, copied in only: what comes is looked at where it lies.
    fn in_place(&self) -> Result<(), RingError> {
        let mut ends = self.ends();
        let from = vec![0x5a_u8; BLOCK];
        let mut seen = [0; 8];
        let start = clock::now_ns();
        for _ in 0..BLOCKS {
            let (mut sent, mut got) = (0, 0);
            while got < BLOCK {
                sent += ends.front.outgoing().write(self.pages, &from[sent..])?;
                let spans = ends.back.incoming().readable(self.pages, BLOCK - got)?;
                if spans.first.bytes >= seen.len() {
                    self.pages.copy_from(spans.first.at, &mut seen);
                }
                ends.back.incoming().consume(self.pages, spans.bytes());
                got += spans.bytes();
                ends.told(self.pages);
            }
        }
        let ns = clock::now_ns() - start;
        let right = u8::from(seen == from[..seen.len()]);
        trace!("alone name=stream-in-place n={BLOCKS} bytes={BLOCK} ns={ns} ok={right}");
        Ok(())
    }
}
