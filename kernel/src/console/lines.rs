//! Lines: `say!` for people, with a level, and `trace!` for programs.
//!
//! A line is written whole under the console's lock, so lines never mix. The macros pass the text
//! and nothing else: a call of the `log` crate's brings its module, file and line along, which made
//! a hundred bytes of each. Numbers are best u32 or u64: each further type that is printed brings a
//! quarter of a kilobyte of `core` along.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU8, Ordering};

use super::output::CONSOLE;

/// How much a line for people matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Something is broken.
    Error,
    /// Something is not as it should be; it goes on.
    Warn,
    /// What a user wants to know.
    Info,
    /// What a developer wants to know.
    Debug,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Error => "ERROR",
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Debug => "DEBUG",
        }
    }
}

/// The least important level that is written.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Writes one line.
pub fn write_line(line: fmt::Arguments<'_>) {
    let mut console = CONSOLE.lock();
    // The console's own writer never fails; a `Display` that does has written what it could.
    let _ = console.write_fmt(line);
    let _ = console.write_str("\n");
}

/// Writes one line for programs.
pub fn write_for_programs(line: fmt::Arguments<'_>) {
    write_line(format_args!("@T {line}"));
}

/// Writes one line for people, unless its level is not wanted.
pub fn write_leveled(level: Level, line: fmt::Arguments<'_>) {
    if level as u8 <= LEVEL.load(Ordering::Relaxed) {
        write_line(format_args!("{}: {line}", level.word()));
    }
}

/// From now on lines from `level` up are written.
pub(crate) fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Writes a line for people: `say!(Warn, "link {link} is late")`.
#[macro_export]
macro_rules! say {
    ($level:ident, $($argument:tt)*) => {
        $crate::console::write_leveled(
            $crate::console::Level::$level,
            ::core::format_args!($($argument)*),
        )
    };
}

/// Writes a line for programs: `@T `, a word, and `key=value` pairs whose values hold no blanks.
#[macro_export]
macro_rules! trace {
    ($($argument:tt)*) => {
        $crate::console::write_for_programs(::core::format_args!($($argument)*))
    };
}
