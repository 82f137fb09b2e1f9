//! What happened when: the last marks of this image, for a drawing of one connect and one
//! disconnect across both domains. Their clock is one: Xen's system time.

use spin::Mutex;

use kernel::{clock, trace};

/// Marks that are kept: several times what one cycle leaves.
const KEPT: usize = 96;

struct Marks {
    at: usize,
    frozen: bool,
    first_doorbell_ns: Option<u64>,
    kept: [(u64, &'static str); KEPT],
}

static MARKS: Mutex<Marks> =
    Mutex::new(Marks { at: 0, frozen: false, first_doorbell_ns: None, kept: [(0, ""); KEPT] });

/// Keeps a mark, in place of the oldest.
pub(crate) fn note(word: &'static str) {
    let now = clock::now_ns();
    let mut marks = MARKS.lock();
    if word == "doorbell" {
        marks.first_doorbell_ns.get_or_insert(now);
    }
    if !marks.frozen {
        let at = marks.at;
        marks.kept[at] = (now, word);
        marks.at = (at + 1) % KEPT;
    }
}

/// From now on what is kept stays.
pub(crate) fn freeze() {
    MARKS.lock().frozen = true;
}

/// Prints when xenstored was rung first.
pub(crate) fn print_first_doorbell() {
    if let Some(ns) = MARKS.lock().first_doorbell_ns {
        trace!("first-doorbell t_ns={ns}");
    }
}

/// Prints them, oldest first.
pub(crate) fn print() {
    print_first_doorbell();
    let marks = MARKS.lock();
    for index in 0..KEPT {
        let (ns, word) = marks.kept[(marks.at + index) % KEPT];
        if !word.is_empty() {
            trace!("mark t_ns={ns} what={word}");
        }
    }
}
