//! Connections as `embedded-io` streams, and bytes in place.

mod common;

use core::fmt;

use common::{BACK_EPOCH, World, terms};
use embedded_io::{BufRead, Error, ErrorKind, Read, ReadReady, Write, WriteReady};
use grant::fake::FakePages;
use grant::io::{Blocking, StreamError, Wait, Waiter};
use grant::layout::{LINE_INDEX, Layout};
use grant::{
    BackConnection, FrontConnection, Readiness, RingError, SharedPages, TransferError, WakeWhen,
    ring_bytes,
};

/// The caller's patience has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("waited too long")
    }
}

impl core::error::Error for TooLong {}

impl Error for TooLong {
    fn kind(&self) -> ErrorKind {
        ErrorKind::TimedOut
    }
}

/// While the front waits, the back sends back what it has got, each byte one higher.
struct Echo<'a> {
    back: &'a mut BackConnection<FakePages>,
    /// Waits before the patience runs out.
    patience: usize,
    /// Bytes after which the back ends it in order.
    ends_after: usize,
    served: usize,
    notified: usize,
    waits: usize,
}

impl<'a> Echo<'a> {
    fn new(back: &'a mut BackConnection<FakePages>) -> Self {
        let forever = usize::MAX;
        Self { back, patience: forever, ends_after: forever, served: 0, notified: 0, waits: 0 }
    }
}

impl Waiter for &mut Echo<'_> {
    type Error = TooLong;

    fn notify(&mut self) {
        self.notified += 1;
    }

    fn wait(&mut self) -> Result<Wait, TooLong> {
        self.waits += 1;
        if self.waits > self.patience {
            return Err(TooLong);
        }
        let mut unit = [0; 100];
        loop {
            let room = self.back.room().expect("honest").min(unit.len());
            let read = self.back.read(&mut unit[..room]).expect("honest");
            if read == 0 {
                break;
            }
            for byte in &mut unit[..read] {
                *byte = byte.wrapping_add(1);
            }
            assert_eq!(self.back.write(&unit[..read]), Ok(read));
            self.served += read;
        }
        Ok(if self.served >= self.ends_after { Wait::Ended } else { Wait::Again })
    }
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n * 31 + n / 256) as u8).collect()
}

#[test]
fn what_is_written_comes_back_whatever_the_ring_holds() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 1);
    let size = ring_bytes(1) as usize;
    // Ten times around the ring, in pieces that do not divide it.
    let sent = bytes(size * 10 + 7);
    let mut echo = Echo::new(&mut pair.back);
    let mut stream = Blocking::<_, _, 64>::new(&mut pair.front, &mut echo);
    let mut got = vec![0; 997];
    for piece in sent.chunks(997) {
        stream.write_all(piece).expect("the back reads on");
        stream.flush().expect("nothing to wait for");
        stream.read_exact(&mut got[..piece.len()]).expect("the back answers");
        let right = piece.iter().zip(&got).all(|(out, back)| out.wrapping_add(1) == *back);
        assert!(right, "each byte comes back one higher, in order");
    }
    assert_eq!(echo.served, sent.len());
    world.disconnect(pair);
    world.machine.assert_clean();
}

#[test]
fn a_stream_costs_one_notification_a_ring_full() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 1);
    let size = ring_bytes(1) as usize;
    let mut echo = Echo::new(&mut pair.back);
    let mut stream = Blocking::<_, _, 64>::new(&mut pair.front, &mut echo);
    // The answers are read in between, or both rings would be full and stay so.
    for _ in 0..20 {
        stream.write_all(&bytes(size)).expect("the back reads on");
        stream.read_exact(&mut vec![0; size]).expect("the back answers");
    }
    assert!(echo.waits <= 20, "{} waits for 20 ring-fulls", echo.waits);
    assert!(echo.notified <= 20, "{} notifications for 20 ring-fulls", echo.notified);
    world.disconnect(pair);
}

#[test]
fn lines_are_read_through_the_buffer() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 1);
    pair.back.write(b"one\ntwo\nthr").expect("room");
    let mut echo = Echo::new(&mut pair.back);
    let mut stream = Blocking::<_, _, 5>::new(&mut pair.front, &mut echo);
    let mut line = Vec::new();
    let mut lines = Vec::new();
    while lines.len() < 2 {
        let filled = stream.fill_buf().expect("there is more");
        let end = filled.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(filled.len(), |end| end + 1);
        line.extend_from_slice(&filled[..used]);
        stream.consume(used);
        if end.is_some() {
            lines.push(core::mem::take(&mut line));
        }
    }
    assert_eq!(lines, [b"one\n".to_vec(), b"two\n".to_vec()]);
    // What was read ahead comes before what is still in the ring.
    let mut rest = [0; 3];
    stream.read_exact(&mut rest).expect("it is there");
    assert_eq!(&rest, b"thr");
    assert_eq!(stream.read_ready(), Ok(false));
    assert_eq!(stream.write_ready(), Ok(true));
    assert_eq!((stream.read(&mut []), stream.write(&[])), (Ok(0), Ok(0)));
    world.disconnect(pair);
}

#[test]
fn the_end_is_an_end_of_file_and_a_broken_pipe() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 1);
    let mut echo = Echo::new(&mut pair.back);
    echo.ends_after = 3;
    let mut stream = Blocking::<_, _, 8>::new(&mut pair.front, &mut echo);
    stream.write_all(b"abc").expect("room");
    let mut got = [0; 8];
    assert_eq!(stream.read(&mut got), Ok(3), "what came just before the end is read");
    assert_eq!(stream.read(&mut got), Ok(0));
    assert_eq!(stream.fill_buf(), Ok(&[][..]));
    // Fill the ring: nobody makes room any more once the answers do not fit.
    let size = ring_bytes(1) as usize;
    let error = stream.write_all(&bytes(3 * size)).expect_err("nobody reads");
    assert_eq!(error, StreamError::Ended);
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    world.disconnect(pair);
}

#[test]
fn patience_and_lies_have_kinds_of_their_own() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 1);
    let mut echo = Echo::new(&mut pair.back);
    echo.patience = 0;
    let mut stream = Blocking::<_, _, 8>::new(&mut pair.front, &mut echo);
    let error = stream.read(&mut [0; 1]).expect_err("nothing comes");
    assert_eq!((error, error.kind()), (StreamError::Waiter(TooLong), ErrorKind::TimedOut));
    assert_eq!(error.to_string(), "waited too long");

    pair.front.fence();
    let error = pair.back.read(&mut [0; 1]).expect_err("fenced");
    assert_eq!((error, error.kind()), (TransferError::Fenced, ErrorKind::ConnectionReset));
    world.disconnect(pair);
}

/// While the back waits, the front writes its next word, reads what came, and asks to be told of
/// more; after the last word it fences.
struct Front<'a> {
    front: &'a mut FrontConnection<FakePages>,
    words: Vec<&'static [u8]>,
    heard: Vec<u8>,
    notified: usize,
}

impl Waiter for &mut Front<'_> {
    type Error = TooLong;

    fn notify(&mut self) {
        self.notified += 1;
    }

    fn wait(&mut self) -> Result<Wait, TooLong> {
        let mut unit = [0; 100];
        let read = self.front.read(&mut unit).expect("honest");
        self.heard.extend_from_slice(&unit[..read]);
        match self.words.pop() {
            Some(word) => assert_eq!(self.front.write(word), Ok(word.len())),
            None => self.front.fence(),
        }
        let sleep = self.front.before_sleep(WakeWhen { readable: 1, writable: 0 }).expect("honest");
        assert_eq!(sleep.readiness, Readiness::MaySleep);
        Ok(Wait::Again)
    }
}

#[test]
fn a_back_is_a_stream_until_it_is_fenced() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 1);
    let words = vec![&b"two"[..], b"one"];
    let mut front = Front { front: &mut pair.front, words, heard: Vec::new(), notified: 0 };
    let mut stream = Blocking::<_, _, 8>::new(&mut pair.back, &mut front);
    let mut got = [0; 8];
    assert_eq!(stream.read(&mut got), Ok(3));
    assert_eq!(&got[..3], b"one");
    assert_eq!(stream.write_ready(), Ok(true));
    assert_eq!(stream.write(b"yes"), Ok(3));
    stream.flush().expect("nothing to wait for");
    stream.flush().expect("nothing to wait for");
    assert_eq!(stream.read(&mut got), Ok(3));
    let error = stream.read(&mut got).expect_err("the front has fenced");
    assert_eq!(error, StreamError::Data(TransferError::Fenced));
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(error.to_string(), "the peer has fenced the page");
    assert_eq!((front.heard, front.notified), (b"yes".to_vec(), 1), "once, for it was asleep");
    world.disconnect(pair);
    world.machine.assert_clean();
}

#[test]
fn a_peer_that_breaks_the_ring_is_told_from_one_that_ends_it() {
    let mut world = World::new();
    let set = world.pages(0x100, 1);
    let page = set.pages().clone();
    let mut front = world.open(set, &terms(1));
    let refs: Vec<_> = front.refs().collect();
    let mut back = world.map(&refs);
    back.verify(&terms(1)).expect("the header is the announced one");
    back.stamp(BACK_EPOCH);
    let layout = Layout::of(1);
    for line in [layout.to_back.producer_line, layout.to_front.producer_line] {
        page.store_u32(line + LINE_INDEX, 5000);
    }
    let kind = |error: RingError| {
        assert_eq!(error, RingError::PeerIndex { found: 5000, believed: 0, reach: 1664 });
        error.kind()
    };
    let mut got = [0; 1];
    assert_eq!(front.read(&mut got).map_err(kind), Err(ErrorKind::InvalidData));
    let error = back.read(&mut got).expect_err("its index lies");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    world.unmap(back);
    let _ = world.release(front);
}

#[test]
fn a_stream_that_ends_in_the_middle_says_so() {
    let error: StreamError<RingError, TooLong> = StreamError::Ended;
    assert_eq!(error.to_string(), "the connection ended before all was written");
}

#[test]
fn bytes_in_place_go_round_the_ring_without_a_buffer() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 1);
    let size = ring_bytes(1) as usize;
    for round in 0..7 {
        // A record of two parts, put in out of order, across the ring's end now and then.
        let body = bytes(size / 3 + round);
        let space = pair.front.space(4 + body.len()).expect("honest");
        assert_eq!(space.len(), 4 + body.len());
        space.put(4, &body);
        space.put(0, &(body.len() as u32).to_le_bytes());
        pair.front.commit(4 + body.len());

        let data = pair.back.data(size).expect("honest");
        assert!(!data.is_empty());
        let mut length = [0; 4];
        data.get(0, &mut length);
        assert_eq!(u32::from_le_bytes(length) as usize, body.len());
        let mut got = vec![0; body.len()];
        data.get(4, &mut got);
        assert_eq!(got, body);
        pair.back.consume(4 + body.len()).expect("not fenced");

        let space = pair.back.space(1).expect("honest");
        assert!(!space.is_empty());
        space.put(0, &[round as u8]);
        pair.back.commit(1);
        let data = pair.front.data(9).expect("honest");
        assert_eq!(data.len(), 1);
        let mut answer = [0];
        data.get(0, &mut answer);
        assert_eq!(answer, [round as u8]);
        pair.front.consume(1);
    }
    world.disconnect(pair);
    world.machine.assert_clean();
}

#[test]
fn a_fence_that_falls_while_bytes_are_looked_at_is_seen() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 1);
    pair.front.write(&[1; 10]).expect("room");
    let mut got = [0; 10];
    pair.back.data(10).expect("open").get(0, &mut got);
    pair.front.fence();
    assert_eq!(pair.back.consume(10), Err(TransferError::Fenced));
    assert_eq!(pair.back.data(10).err(), Some(TransferError::Fenced));
    assert_eq!(pair.back.space(10).err(), Some(TransferError::Fenced));
    world.disconnect(pair);
}

#[test]
#[should_panic(expected = "the part exceeds the range")]
fn more_than_there_is_cannot_be_looked_at() {
    let mut world = World::new();
    let mut pair = world.connect(0x100, 1);
    pair.front.write(&[1; 10]).expect("room");
    pair.back.data(10).expect("open").get(5, &mut [0; 6]);
}
