//! No wake-up is lost and no byte is seen late, whatever the processors reorder: loom runs every
//! interleaving, with the stale loads that acquire and release permit. The same models with a
//! barrier or the ordering taken out must fail, or they would prove nothing.

use grant::layout::{LINE_BYTES, Layout, RingPlace};
use grant::{Notify, Readiness, SharedPages, Sleep, Stream, WakeWhen, ring_bytes};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU8, AtomicU32, Ordering, fence};
use loom::thread;

use Care::{Full, NoBarrier, NoOrder};

/// Lines 3 to 6: index and event of each.
const WORDS: usize = 8;

/// The ring lines and the first data bytes of both rings as loom sees them; other bytes are not
/// kept, since what they would show is shown by these.
struct Memory {
    words: [AtomicU32; WORDS],
    data: [AtomicU8; 2],
}

/// One side's view, which may lack something.
#[derive(Clone)]
struct View {
    memory: Arc<Memory>,
    care: Care,
}

#[derive(Clone, Copy, PartialEq)]
enum Care {
    /// As it must be.
    Full,
    /// The full barrier does nothing.
    NoBarrier,
    /// Words are loaded and stored without acquire and release.
    NoOrder,
}

impl Memory {
    fn new() -> Self {
        Self { words: Default::default(), data: Default::default() }
    }

    fn word(&self, at: usize) -> &AtomicU32 {
        // One word a line; the rings' lines begin behind lines 0 to 3.
        &self.words[at / LINE_BYTES - 4]
    }

    fn byte(&self, at: usize) -> Option<&AtomicU8> {
        let layout = Layout::of(1);
        let is_first = |place: RingPlace| place.data == at;
        let ring = [layout.to_back, layout.to_front].into_iter().position(is_first)?;
        Some(&self.data[ring])
    }
}

impl SharedPages for View {
    fn load_u32(&self, at: usize) -> u32 {
        let order = if self.care == NoOrder { Ordering::Relaxed } else { Ordering::Acquire };
        self.memory.word(at).load(order)
    }
    fn store_u32(&self, at: usize, value: u32) {
        let order = if self.care == NoOrder { Ordering::Relaxed } else { Ordering::Release };
        self.memory.word(at).store(value, order);
    }
    fn copy_from(&self, at: usize, into: &mut [u8]) {
        for (n, byte) in into.iter_mut().enumerate() {
            *byte = self.memory.byte(at + n).map_or(0, |kept| kept.load(Ordering::Relaxed));
        }
    }
    fn copy_to(&self, at: usize, from: &[u8]) {
        for (n, byte) in from.iter().enumerate() {
            if let Some(kept) = self.memory.byte(at + n) {
                kept.store(*byte, Ordering::Relaxed);
            }
        }
    }
    fn full_barrier(&self) {
        if self.care != NoBarrier {
            fence(Ordering::SeqCst);
        }
    }
    fn zero(&self) {}
    fn pages(&self) -> usize {
        1
    }
}

fn check(cares: [Care; 2], model: fn(View, View)) {
    loom::model(move || {
        let memory = Arc::new(Memory::new());
        let [front, back] = cares;
        model(View { memory: memory.clone(), care: front }, View { memory, care: back });
    });
}

/// The front writes a byte and flushes while the back is about to sleep.
fn reader_sleeps(front_view: View, back_view: View) {
    let layout = Layout::of(1);
    let writer = thread::spawn(move || {
        let mut front = Stream::front(&layout);
        assert_eq!(front.outgoing().write(&front_view, &[42]), Ok(1));
        front.flush(&front_view)
    });
    let mut back = Stream::back(&layout);
    let sleep = before_sleep(&mut back, &back_view, WakeWhen { readable: 1, writable: 0 });
    if sleep.readiness == Readiness::Ready {
        let mut byte = [0];
        assert_eq!(back.incoming().read(&back_view, &mut byte), Ok(1));
        assert_eq!(byte, [42], "the index was seen before the byte");
    }
    let notified = writer.join().expect("the writer ends") == Notify::Due;
    assert!(notified || sleep.readiness == Readiness::Ready, "the reader sleeps for ever");
}

/// The back frees a full ring and flushes while the front is about to sleep until it has room.
fn writer_sleeps(front_view: View, back_view: View) {
    let layout = Layout::of(1);
    let size = ring_bytes(1) as usize;
    let mut front = Stream::front(&layout);
    assert_eq!(front.outgoing().write(&front_view, &[7; 1664]), Ok(size));
    let reader = thread::spawn(move || {
        let mut back = Stream::back(&layout);
        assert_eq!(back.incoming().read(&back_view, &mut [0; 1664]), Ok(size));
        back.flush(&back_view)
    });
    let sleep = before_sleep(&mut front, &front_view, WakeWhen { readable: 0, writable: u32::MAX });
    let notified = reader.join().expect("the reader ends") == Notify::Due;
    assert!(notified || sleep.readiness == Readiness::Ready, "the writer sleeps for ever");
}

/// Each writes a byte and goes to sleep for the other's, at the same time.
fn both_sleep(front_view: View, back_view: View) {
    let layout = Layout::of(1);
    let wish = WakeWhen { readable: 1, writable: 0 };
    let front = thread::spawn(move || {
        let mut front = Stream::front(&layout);
        assert_eq!(front.outgoing().write(&front_view, &[1]), Ok(1));
        before_sleep(&mut front, &front_view, wish)
    });
    let mut back = Stream::back(&layout);
    assert_eq!(back.outgoing().write(&back_view, &[2]), Ok(1));
    let back = before_sleep(&mut back, &back_view, wish);
    let front = front.join().expect("the front ends");
    assert!(awake(front, back.notify), "the front sleeps for ever");
    assert!(awake(back, front.notify), "the back sleeps for ever");
}

fn before_sleep(stream: &mut Stream, view: &View, wish: WakeWhen) -> Sleep {
    stream.before_sleep(view, wish).expect("the peer is honest")
}

fn awake(sleep: Sleep, notified: Notify) -> bool {
    sleep.readiness == Readiness::Ready || notified == Notify::Due
}

#[test]
fn a_reader_about_to_sleep_is_woken() {
    check([Full, Full], reader_sleeps);
}

#[test]
fn a_writer_about_to_sleep_is_woken() {
    check([Full, Full], writer_sleeps);
}

#[test]
fn two_that_go_to_sleep_at_once_are_woken() {
    check([Full, Full], both_sleep);
}

#[test]
#[should_panic(expected = "the reader sleeps for ever")]
fn without_the_flushing_barrier_a_reader_sleeps_for_ever() {
    check([NoBarrier, Full], reader_sleeps);
}

#[test]
#[should_panic(expected = "the reader sleeps for ever")]
fn without_the_sleeping_barrier_a_reader_sleeps_for_ever() {
    check([Full, NoBarrier], reader_sleeps);
}

#[test]
#[should_panic(expected = "the writer sleeps for ever")]
fn without_the_sleeping_barrier_a_writer_sleeps_for_ever() {
    check([NoBarrier, Full], writer_sleeps);
}

#[test]
#[should_panic(expected = "the writer sleeps for ever")]
fn without_the_flushing_barrier_a_writer_sleeps_for_ever() {
    check([Full, NoBarrier], writer_sleeps);
}

#[test]
#[should_panic(expected = "sleeps for ever")]
fn without_barriers_two_that_go_to_sleep_at_once_may_both_stay_asleep() {
    check([NoBarrier, NoBarrier], both_sleep);
}

/// The front writes a byte while the back polls: no barrier, no notification, and still in order.
fn reader_polls(front_view: View, back_view: View) {
    let layout = Layout::of(1);
    let writer = thread::spawn(move || {
        let mut front = Stream::front(&layout);
        assert_eq!(front.outgoing().write(&front_view, &[42]), Ok(1));
    });
    let mut back = Stream::back(&layout);
    let mut byte = [0];
    if back.incoming().read(&back_view, &mut byte) == Ok(1) {
        assert_eq!(byte, [42], "the index was seen before the byte");
    }
    writer.join().expect("the writer ends");
}

#[test]
fn a_polling_reader_never_sees_the_index_before_the_byte() {
    check([NoBarrier, NoBarrier], reader_polls);
}

#[test]
#[should_panic(expected = "the index was seen before the byte")]
fn without_release_a_reader_sees_the_index_before_the_byte() {
    check([NoOrder, Full], reader_polls);
}

#[test]
#[should_panic(expected = "the index was seen before the byte")]
fn without_acquire_a_reader_sees_the_index_before_the_byte() {
    check([Full, NoOrder], reader_polls);
}
