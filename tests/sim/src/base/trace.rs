//! What happened, as one number for comparing two runs, and as text for reading one.
//!
//! The number is taken from every note, text or not, so that a run that was traced and one that was
//! not can be compared. Two runs of one seed must agree on it.

use core::fmt::Arguments;
use std::collections::VecDeque;

/// The trace of a world.
#[derive(Clone, Debug)]
pub struct Trace {
    hash: u64,
    lines: Option<VecDeque<String>>,
}

/// Lines kept: the end of a run is what matters.
const LINES_MAX: usize = 200_000;

impl Trace {
    /// A trace that is only hashed.
    pub fn hashed() -> Self {
        Trace { hash: 0xcbf2_9ce4_8422_2325, lines: None }
    }

    /// A trace that is also kept as text.
    pub fn kept() -> Self {
        Trace { lines: Some(VecDeque::new()), ..Trace::hashed() }
    }

    /// Notes that something happened: numbers for the hash.
    pub fn note(&mut self, numbers: [u64; 3]) {
        for number in numbers {
            // FNV-1a by words, with a rotation so that high bits come down.
            self.hash = (self.hash ^ number).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        }
    }

    /// Whether text is kept: only then is it worth formatting.
    pub fn is_kept(&self) -> bool {
        self.lines.is_some()
    }

    /// Keeps a line, if text is kept.
    pub fn line(&mut self, now_ns: u64, text: Arguments<'_>) {
        if let Some(lines) = &mut self.lines {
            if lines.len() == LINES_MAX {
                lines.pop_front();
            }
            let (seconds, micros) = (now_ns / 1_000_000_000, now_ns / 1000 % 1_000_000);
            lines.push_back(format!("{seconds:4}.{micros:06} {text}"));
        }
    }

    /// The number.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The text.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.map(Vec::from).unwrap_or_default()
    }
}
