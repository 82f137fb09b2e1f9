//! Bytes and indices in the right order: room is given back only once the bytes were copied out, and
//! bytes are announced only once they are there. Loom runs every interleaving of one side that reads
//! with the other that writes, through whole connections, with the calls that copy and with those
//! that work in place. Rings whose index moves too early must fail, or the models would prove nothing.

use std::sync::Mutex;

use grant::layout::{LINE_BYTES, Layout, RingPlace};
use grant::{
    BackConnection, ConnectionId, Consumer, DomId, Epoch, FrontConnection, GrantEntries, GrantRef,
    GrantTable, LinkTag, MapHandle, MapRefused, Mapper, PageSet, Producer, Quarantine, SharedPages,
    Terms, UnmapRefused, Window, ring_bytes,
};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use loom::thread;

use Way::{Copied, InPlace};

/// Where the ring lines begin, each with one word: lines 4 to 11.
const LINES_AT: usize = 256;
const LINES: usize = 8;

/// What a full ring begins with, and what is written next into the same place.
const OLD: u8 = 7;
const NEW: u8 = 9;

/// A page as loom sees it: the ring lines and the first data byte of each ring. The other bytes are
/// not kept, since what they would show is shown by these; the header does not change meanwhile.
struct Memory {
    header: Mutex<[u8; LINES_AT]>,
    lines: [AtomicU32; LINES],
    data: [AtomicU8; 2],
}

/// One side's view.
#[derive(Clone)]
struct View(Arc<Memory>);

impl View {
    fn new() -> Self {
        let header = Mutex::new([0; LINES_AT]);
        Self(Arc::new(Memory { header, lines: Default::default(), data: Default::default() }))
    }

    fn line(&self, at: usize) -> Option<&AtomicU32> {
        self.0.lines.get(at.checked_sub(LINES_AT)? / LINE_BYTES)
    }

    fn byte(&self, at: usize) -> Option<&AtomicU8> {
        let layout = Layout::of(1);
        let is_first = |place: RingPlace| place.data == at;
        let ring = [layout.to_back, layout.to_front].into_iter().position(is_first)?;
        Some(&self.0.data[ring])
    }
}

impl SharedPages for View {
    fn load_u32(&self, at: usize) -> u32 {
        match self.line(at) {
            Some(word) => word.load(Ordering::Acquire),
            None => {
                let mut bytes = [0; 4];
                self.copy_from(at, &mut bytes);
                u32::from_le_bytes(bytes)
            }
        }
    }
    fn store_u32(&self, at: usize, value: u32) {
        match self.line(at) {
            Some(word) => word.store(value, Ordering::Release),
            None => self.copy_to(at, &value.to_le_bytes()),
        }
    }
    fn copy_from(&self, at: usize, into: &mut [u8]) {
        if at < LINES_AT {
            let header = self.0.header.lock().expect("no thread panics with it");
            return into.copy_from_slice(&header[at..at + into.len()]);
        }
        for (n, byte) in into.iter_mut().enumerate() {
            *byte = self.byte(at + n).map_or(0, |kept| kept.load(Ordering::Relaxed));
        }
    }
    fn copy_to(&self, at: usize, from: &[u8]) {
        if at < LINES_AT {
            let mut header = self.0.header.lock().expect("no thread panics with it");
            return header[at..at + from.len()].copy_from_slice(from);
        }
        for (n, byte) in from.iter().enumerate() {
            if let Some(kept) = self.byte(at + n) {
                kept.store(*byte, Ordering::Relaxed);
            }
        }
    }
    fn full_barrier(&self) {
        panic!("data move without one");
    }
    fn zero(&self) {}
    fn pages(&self) -> usize {
        1
    }
}

/// Xen, as far as a connection needs it here: every entry is free, every mapping works.
struct Xen;

impl GrantEntries for Xen {
    fn entries(&self) -> u32 {
        16
    }
    fn flags(&self, _: GrantRef) -> u16 {
        0
    }
    fn write(&mut self, _: GrantRef, _: DomId, _: u32) {}
    fn set_flags(&mut self, _: GrantRef, _: u16) {}
    fn compare_exchange_flags(&mut self, _: GrantRef, current: u16, _: u16) -> Result<u16, u16> {
        Ok(current)
    }
}

impl Mapper for Xen {
    fn map(&mut self, _: DomId, _: GrantRef, _: u32) -> Result<MapHandle, MapRefused> {
        Ok(MapHandle(0))
    }
    fn unmap(&mut self, _: MapHandle, _: u32) -> Result<(), UnmapRefused> {
        Ok(())
    }
}

/// How a side moves its bytes.
#[derive(Clone, Copy)]
enum Way {
    /// `read` and `write`.
    Copied,
    /// `data` and `consume`, `space` and `commit`.
    InPlace,
}

/// One side of a connection.
trait End: Send + 'static {
    fn read(&mut self, way: Way, into: &mut [u8]) -> usize;
    fn write(&mut self, way: Way, from: &[u8]) -> usize;
}

impl End for FrontConnection<View> {
    fn read(&mut self, way: Way, into: &mut [u8]) -> usize {
        match way {
            Copied => self.read(into).expect("honest"),
            InPlace => {
                let data = self.data(into.len()).expect("honest");
                let bytes = data.len();
                data.get(0, &mut into[..bytes]);
                self.consume(bytes);
                bytes
            }
        }
    }

    fn write(&mut self, way: Way, from: &[u8]) -> usize {
        match way {
            Copied => self.write(from).expect("honest"),
            InPlace => {
                let space = self.space(from.len()).expect("honest");
                let bytes = space.len();
                space.put(0, &from[..bytes]);
                self.commit(bytes);
                bytes
            }
        }
    }
}

impl End for BackConnection<View> {
    fn read(&mut self, way: Way, into: &mut [u8]) -> usize {
        match way {
            Copied => self.read(into).expect("honest"),
            InPlace => {
                let data = self.data(into.len()).expect("honest");
                let bytes = data.len();
                data.get(0, &mut into[..bytes]);
                self.consume(bytes).expect("not fenced");
                bytes
            }
        }
    }

    fn write(&mut self, way: Way, from: &[u8]) -> usize {
        match way {
            Copied => self.write(from).expect("honest"),
            InPlace => {
                let space = self.space(from.len()).expect("honest");
                let bytes = space.len();
                space.put(0, &from[..bytes]);
                self.commit(bytes);
                bytes
            }
        }
    }
}

/// Both sides of a connection over one page.
fn connect() -> (FrontConnection<View>, BackConnection<View>) {
    let view = View::new();
    let link = LinkTag::new("a").expect("a valid name");
    let terms = Terms { epoch: Epoch::from_bytes([3; 16]), number: ConnectionId(1), link };
    let set = PageSet::new(view.clone(), [0; grant::PAGES_MAX]);
    let mut quarantine = Quarantine::<View>::new(1);
    let mut table = GrantTable::new(Xen);
    let front = FrontConnection::open(set, DomId(5), &terms, &mut table, &mut quarantine);
    let front = front.unwrap_or_else(|_| panic!("the connection opens"));
    let refs: Vec<GrantRef> = front.refs().collect();
    let mut window = Window::new(1);
    let mut back = BackConnection::map(&mut window, &mut Xen, DomId(3), &refs, |_| view)
        .expect("the offer can be mapped");
    back.verify(&terms).expect("the header is the announced one");
    back.stamp(Epoch::from_bytes([4; 16]));
    (front, back)
}

/// The ring is full. One byte is read while the other side writes one, which goes to the same place.
fn full_ring(mut reader: impl End, mut writer: impl End, reads: Way, writes: Way) {
    let size = ring_bytes(1) as usize;
    assert_eq!(writer.write(writes, &[OLD; 1664]), size);
    let refill = thread::spawn(move || writer.write(writes, &[NEW]));
    let mut byte = [0];
    assert_eq!(reader.read(reads, &mut byte), 1);
    assert_eq!(byte, [OLD], "room was given back before the byte was copied out");
    let refilled = refill.join().expect("the writer ends");
    let left = size - 1 + refilled;
    assert_eq!(reader.read(reads, &mut [0; 1664]), left, "as much as was written can be read");
}

/// The ring is empty. One byte is written while the other side reads.
fn empty_ring(mut reader: impl End, mut writer: impl End, reads: Way, writes: Way) {
    let fill = thread::spawn(move || assert_eq!(writer.write(writes, &[NEW]), 1));
    let mut byte = [0];
    if reader.read(reads, &mut byte) == 1 {
        assert_eq!(byte, [NEW], "the byte was announced before it was there");
    }
    fill.join().expect("the writer ends");
}

/// Both directions, and every way of reading with every way of writing.
macro_rules! for_all_ways {
    ($model:ident) => {
        for (reads, writes) in
            [(Copied, Copied), (Copied, InPlace), (InPlace, Copied), (InPlace, InPlace)]
        {
            loom::model(move || {
                let (front, back) = connect();
                $model(back, front, reads, writes);
            });
            loom::model(move || {
                let (front, back) = connect();
                $model(front, back, reads, writes);
            });
        }
    };
}

#[test]
fn room_is_given_back_only_once_the_bytes_were_copied_out() {
    for_all_ways!(full_ring);
}

#[test]
fn bytes_are_announced_only_once_they_are_there() {
    for_all_ways!(empty_ring);
}

/// A full ring whose consumer does `steps`, while its producer writes one byte.
fn bare_full_ring(steps: fn(&mut Consumer, &View) -> u8) {
    loom::model(move || {
        let (view, place) = (View::new(), Layout::of(1).to_back);
        let mut producer = Producer::new(place);
        assert_eq!(producer.write(&view, &[OLD; 1664]), Ok(ring_bytes(1) as usize));
        let producers = view.clone();
        let refill = thread::spawn(move || producer.write(&producers, &[NEW]));
        let byte = steps(&mut Consumer::new(place), &view);
        assert_eq!(byte, OLD, "room was given back before the byte was copied out");
        assert!(refill.join().expect("the writer ends").is_ok());
    });
}

#[test]
fn a_peek_gives_no_room_back() {
    bare_full_ring(|consumer, view| {
        let mut byte = [0];
        assert_eq!(consumer.peek(view, &mut byte), Ok(1));
        // Twice the same: the room is still the reader's.
        assert_eq!(consumer.peek(view, &mut byte), Ok(1));
        consumer.consume(view, 1);
        byte[0]
    });
}

#[test]
#[should_panic(expected = "room was given back before the byte was copied out")]
fn a_consumer_that_gives_room_back_first_reads_the_new_byte() {
    bare_full_ring(|consumer, view| {
        let spans = consumer.readable(view, 1).expect("honest");
        consumer.consume(view, 1);
        let mut byte = [0];
        view.copy_from(spans.first.at, &mut byte);
        byte[0]
    });
}

#[test]
#[should_panic(expected = "the byte was announced before it was there")]
fn a_producer_that_publishes_first_announces_a_byte_too_early() {
    loom::model(|| {
        let (view, place) = (View::new(), Layout::of(1).to_back);
        let producers = view.clone();
        let fill = thread::spawn(move || {
            let mut producer = Producer::new(place);
            let spans = producer.writable(&producers, 1).expect("honest");
            producer.publish(&producers, 1);
            producers.copy_to(spans.first.at, &[NEW]);
        });
        let mut byte = [0];
        if Consumer::new(place).read(&view, &mut byte) == Ok(1) {
            assert_eq!(byte, [NEW], "the byte was announced before it was there");
        }
        fill.join().expect("the writer ends");
    });
}
