//! What can keep the bed from coming to a verdict of its own: [`Trouble`], one variant a kind.
//!
//! Each ends a run as ERROR, with a reason word for programs and a sentence for people. What the
//! guests did wrong is no trouble of the bed: that is in `verdict.rs`.

use core::fmt;
use std::io;
use std::path::Path;

use crate::base::verdict::Verdict;

/// Why the bed could not do what was asked.
#[derive(Debug)]
pub enum Trouble {
    /// The operating system refused something.
    Io {
        /// What was being done, after the word "cannot".
        doing: String,
        /// What it answered.
        source: io::Error,
    },
    /// A program that the bed runs failed.
    Command {
        /// The program and its arguments.
        line: String,
        /// The end of what it said.
        said: String,
    },
    /// Something that is needed is not there.
    Missing {
        /// What.
        what: String,
        /// How to get it.
        remedy: String,
    },
    /// Another run works in the same directory.
    Busy {
        /// Who holds it, as that run wrote it down.
        holder: String,
    },
    /// The time limit passed.
    TimeLimit {
        /// The limit.
        seconds: u64,
        /// What was going on.
        during: String,
    },
    /// The user asked to stop.
    Interrupted,
    /// Xen, dom0 or QEMU did not do its part.
    Bed {
        /// What happened.
        what: String,
    },
}

impl Trouble {
    /// The reason word of the verdict line: stable, no blanks.
    pub fn reason(&self) -> &'static str {
        match self {
            Trouble::Io { .. } => "host-io",
            Trouble::Command { .. } => "host-command-failed",
            Trouble::Missing { .. } => "missing-on-this-machine",
            Trouble::Busy { .. } => "out-directory-in-use",
            Trouble::TimeLimit { .. } => "time-limit",
            Trouble::Interrupted => "interrupted",
            Trouble::Bed { .. } => "bed-failed",
        }
    }

    /// The exit code of a run that ends by it: as a shell has it of a program that Ctrl-C ended, else
    /// that of an ERROR.
    pub fn exit_code(&self) -> u8 {
        match self {
            Trouble::Interrupted => 130,
            _ => Verdict::Error.exit_code(),
        }
    }

    /// Wraps an error of the operating system; `doing` follows "cannot".
    pub fn io(doing: impl Into<String>, source: io::Error) -> Trouble {
        Trouble::Io { doing: doing.into(), source }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Io { doing, source } => write!(f, "cannot {doing}: {source}"),
            Trouble::Command { line, said } => write!(f, "`{line}` failed: {said}"),
            Trouble::Missing { what, remedy } => write!(f, "{what} is missing: {remedy}"),
            Trouble::Busy { holder } => write!(f, "the out directory is in use by {holder}"),
            Trouble::TimeLimit { seconds, during } => {
                write!(f, "the time limit of {seconds} s passed while {during}")
            }
            Trouble::Interrupted => write!(f, "interrupted"),
            Trouble::Bed { what } => write!(f, "the bed failed: {what}"),
        }
    }
}

impl core::error::Error for Trouble {}

/// The result of most of what the bed does.
pub type BedResult<T> = Result<T, Trouble>;

/// Reads a whole file.
pub fn read(path: &Path) -> BedResult<Vec<u8>> {
    std::fs::read(path).map_err(|e| Trouble::io(format!("read {}", path.display()), e))
}

/// Writes a whole file, making the folders above it.
pub fn write(path: &Path, bytes: &[u8]) -> BedResult<()> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    std::fs::write(path, bytes).map_err(|e| Trouble::io(format!("write {}", path.display()), e))
}

/// Makes a folder and those above it.
pub fn make_folder(path: &Path) -> BedResult<()> {
    std::fs::create_dir_all(path).map_err(|e| Trouble::io(format!("make {}", path.display()), e))
}

/// Renames over whatever was there.
pub fn rename(from: &Path, to: &Path) -> BedResult<()> {
    let doing = || format!("rename {} to {}", from.display(), to.display());
    std::fs::rename(from, to).map_err(|e| Trouble::io(doing(), e))
}
