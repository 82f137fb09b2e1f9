//! Lines: the `log` backend for people, and `trace!` for programs.
//!
//! A line is written whole under the console's lock, so lines never mix.

use core::fmt::{self, Write};

use log::{LevelFilter, Log, Metadata, Record};

use super::CONSOLE;

/// Writes one line.
pub fn write_line(line: fmt::Arguments<'_>) {
    let mut console = CONSOLE.lock();
    // The console's own writer never fails; a `Display` that does has written what it could.
    let _ = console.write_fmt(line);
    let _ = console.write_str("\n");
}

/// Writes a line for programs: `@T `, a word, and `key=value` pairs whose values hold no blanks.
#[macro_export]
macro_rules! trace {
    ($($argument:tt)*) => {
        $crate::console::write_line(
            ::core::format_args!("@T {}", ::core::format_args!($($argument)*))
        )
    };
}

struct Backend;

impl Log for Backend {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let level = record.level().as_str();
            write_line(format_args!("{level}: {}", record.args()));
        }
    }

    fn flush(&self) {
        super::flush();
    }
}

/// Makes `log`'s macros write here, from `level` up. Later calls only change the level.
pub fn init_log(level: LevelFilter) {
    // Fails only when a logger is set already, which is then this one.
    let _ = log::set_logger(&Backend);
    log::set_max_level(level);
}
