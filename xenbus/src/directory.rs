//! Lists the children of a node, regardless of their number. DIRECTORY returns a short list. The
//! daemon refuses a list longer than a packet (E2BIG); DIRECTORY_PART then fetches it part by part,
//! and restarts if the node changes in between. oxenstored of Xen 4.17 lacks DIRECTORY_PART.

use core::fmt;

use crate::error::{Cause, Errno, Malformed, Refusal};
use crate::reply::{Names, Part, Reply, Rest};
use crate::request::Request;

/// Most restarts of a list because the node changed. A node that changes every time is not going to
/// stop.
pub const RESTARTS_MAX: u32 = 8;

/// Why a list could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ListError {
    /// The daemon refused.
    Refused(Refusal),
    /// The list is longer than a packet and the daemon cannot send parts.
    TooLongForDaemon,
    /// The caller's buffer is too small.
    BufferTooSmall {
        /// Number of bytes needed so far.
        needed: usize,
    },
    /// The node changed during every attempt.
    Changing,
}

impl ListError {
    /// The cause of the error.
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

/// Progress of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Submit [`Listing::request`] again.
    Ask,
    /// The list is complete: see [`Listing::names`].
    Complete,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// One DIRECTORY.
    Whole,
    /// DIRECTORY_PART, before the first part.
    FirstPart,
    /// DIRECTORY_PART, with parts of this generation so far.
    NextPart { generation: u64 },
}

/// A list that is being read: submit [`Self::request`], pass the reply to [`Self::answer`], and
/// repeat until it is complete.
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
    /// Whether one of the two operations was refused, so that the other must not fall back to it.
    too_long: bool,
    filled: usize,
    restarts: u32,
}

impl<'p> Listing<'p> {
    /// Starts with DIRECTORY: one request for a short list, with every daemon.
    pub const fn new(path: &'p str) -> Listing<'p> {
        Listing { path, way: Way::Whole, too_long: false, filled: 0, restarts: 0 }
    }

    /// Starts with DIRECTORY_PART, which saves one request for a long list. Falls back to DIRECTORY
    /// if the daemon lacks DIRECTORY_PART.
    pub const fn in_parts(path: &'p str) -> Listing<'p> {
        Listing { path, way: Way::FirstPart, too_long: false, filled: 0, restarts: 0 }
    }

    /// The next request to submit.
    pub const fn request(&self) -> Request<'p> {
        match self.way {
            Way::Whole => Request::Directory { path: self.path },
            Way::FirstPart | Way::NextPart { .. } => {
                Request::DirectoryPart { path: self.path, offset: self.filled as u32 }
            }
        }
    }

    /// Handles the reply to [`Listing::request`]. Stores the names in `buffer`, which must be the
    /// same one for each call.
    ///
    /// # Errors
    /// [`ListError`]; the list cannot be read.
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
                // Do not fall back to parts again.
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

    /// The names, once the list is complete.
    pub fn names<'b>(&self, buffer: &'b [u8]) -> Names<'b> {
        // `append` copies only valid names, so parsing succeeds.
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
