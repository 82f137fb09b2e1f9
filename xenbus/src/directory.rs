//! The children of a node, however many there are. A short list comes in one DIRECTORY; a list
//! longer than a packet is refused (E2BIG) and is then fetched with DIRECTORY_PART, part by part,
//! and begun anew if the node changed meanwhile. oxenstored of Xen 4.17 lacks DIRECTORY_PART.

use core::fmt;

use crate::error::{Cause, Errno, Malformed, Refusal};
use crate::reply::{Names, Part, Reply, Rest};
use crate::request::Request;

/// How often a list is begun anew because the node changed while it was read. A node that changes
/// each time is not going to hold still.
pub const RESTARTS_MAX: u32 = 8;

/// Why there is no list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ListError {
    /// The daemon refused.
    Refused(Refusal),
    /// The list is longer than a packet and the daemon cannot send parts.
    TooLongForDaemon,
    /// The caller's buffer is too small.
    BufferTooSmall {
        /// Bytes that would have been needed so far.
        needed: usize,
    },
    /// The node changed each time while it was read.
    Changing,
}

impl ListError {
    /// What stands behind it.
    pub const fn cause(&self) -> Cause {
        match self {
            ListError::Refused(refusal) => refusal.cause(),
            ListError::TooLongForDaemon => Cause::Unsupported,
            ListError::BufferTooSmall { .. } => Cause::Invalid,
            ListError::Changing => Cause::Conflict,
        }
    }
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListError::Refused(refusal) => refusal.fmt(f),
            ListError::TooLongForDaemon => {
                f.write_str("the list is longer than a packet and the daemon cannot send parts")
            }
            ListError::BufferTooSmall { needed } => {
                write!(f, "the list needs a buffer of {needed} bytes or more")
            }
            ListError::Changing => f.write_str("the directory changes faster than it can be read"),
        }
    }
}

impl core::error::Error for ListError {}

/// Whether a list is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Submit [`Listing::request`] again.
    Ask,
    /// It is complete: see [`Listing::names`].
    Complete,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// With one DIRECTORY.
    Whole,
    /// With DIRECTORY_PART, nothing there yet.
    FirstPart,
    /// With DIRECTORY_PART, the parts so far being of this generation.
    NextPart { generation: u64 },
}

/// A list in the making: ask, give it the answer, repeat until it is complete.
///
/// ```
/// use xenbus::directory::{Listing, Step};
/// use xenbus::{Reply, Request, reply::Names};
/// let mut buffer = [0; 64];
/// let mut listing = Listing::new("data");
/// assert_eq!(listing.request(), Request::Directory { path: "data" });
/// let answer = Ok(Reply::Names(Names::parse(b"x\0y\0").unwrap()));
/// assert_eq!(listing.answer(answer, &mut buffer), Ok(Step::Complete));
/// assert!(listing.names(&buffer).eq(["x", "y"]));
/// ```
#[derive(Debug)]
pub struct Listing<'p> {
    path: &'p str,
    way: Way,
    /// Whether DIRECTORY was refused as too long, so that there is no way back to it.
    too_long: bool,
    filled: usize,
    restarts: u32,
}

impl<'p> Listing<'p> {
    /// A list that begins with one DIRECTORY: under every daemon one request for a short list.
    pub const fn new(path: &'p str) -> Listing<'p> {
        Listing { path, way: Way::Whole, too_long: false, filled: 0, restarts: 0 }
    }

    /// A list that begins with DIRECTORY_PART: one request less where it is known to be long.
    /// Falls back to DIRECTORY where the daemon has no parts.
    pub const fn in_parts(path: &'p str) -> Listing<'p> {
        Listing { path, way: Way::FirstPart, too_long: false, filled: 0, restarts: 0 }
    }

    /// What to ask.
    pub const fn request(&self) -> Request<'p> {
        match self.way {
            Way::Whole => Request::Directory { path: self.path },
            Way::FirstPart | Way::NextPart { .. } => {
                Request::DirectoryPart { path: self.path, offset: self.filled as u32 }
            }
        }
    }

    /// Takes the answer to [`Listing::request`]; the names go to `buffer`, which must be the same
    /// one each time.
    ///
    /// # Errors
    /// Why there will be no list.
    pub fn answer(
        &mut self,
        result: Result<Reply<'_>, Refusal>,
        buffer: &mut [u8],
    ) -> Result<Step, ListError> {
        match (self.way, result) {
            (Way::Whole, Ok(Reply::Names(names))) => {
                self.filled = 0;
                self.append(names, buffer)?;
                Ok(Step::Complete)
            }
            (Way::Whole, Err(Refusal::Errno(Errno::E2big))) => {
                if self.too_long {
                    return Err(ListError::TooLongForDaemon);
                }
                self.too_long = true;
                self.way = Way::FirstPart;
                Ok(Step::Ask)
            }
            (Way::FirstPart | Way::NextPart { .. }, Err(Refusal::Errno(Errno::Enosys))) => {
                if self.too_long {
                    return Err(ListError::TooLongForDaemon);
                }
                // From here there is no way back to parts.
                self.too_long = true;
                self.way = Way::Whole;
                Ok(Step::Ask)
            }
            (Way::FirstPart, Ok(Reply::Part(part))) => self.part(part, buffer),
            (Way::NextPart { generation }, Ok(Reply::Part(part))) => {
                if part.generation == generation {
                    return self.part(part, buffer);
                }
                self.begin_anew()
            }
            (_, Err(refusal)) => Err(ListError::Refused(refusal)),
            (_, Ok(_)) => Err(ListError::Refused(Refusal::Malformed(Malformed::Names))),
        }
    }

    /// The names, once complete.
    pub fn names<'b>(&self, buffer: &'b [u8]) -> Names<'b> {
        // The bytes were valid names when they were copied here.
        let list = buffer.get(..self.filled).unwrap_or(&[]);
        Names::parse(list).unwrap_or(Names::EMPTY)
    }

    fn part(&mut self, part: Part<'_>, buffer: &mut [u8]) -> Result<Step, ListError> {
        self.append(part.names, buffer)?;
        match part.rest {
            Rest::Nothing => Ok(Step::Complete),
            Rest::More => {
                self.way = Way::NextPart { generation: part.generation };
                Ok(Step::Ask)
            }
        }
    }

    fn begin_anew(&mut self) -> Result<Step, ListError> {
        if self.restarts == RESTARTS_MAX {
            return Err(ListError::Changing);
        }
        self.restarts += 1;
        self.filled = 0;
        self.way = Way::FirstPart;
        Ok(Step::Ask)
    }

    fn append(&mut self, names: Names<'_>, buffer: &mut [u8]) -> Result<(), ListError> {
        let list = names.as_bytes();
        let needed = self.filled + list.len();
        let room = buffer.get_mut(self.filled..needed);
        room.ok_or(ListError::BufferTooSmall { needed })?.copy_from_slice(list);
        self.filled = needed;
        Ok(())
    }
}
