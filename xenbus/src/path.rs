//! Syntax of paths and tokens. Only [`check_path`] and [`check_token`] decide it: the daemon never
//! refuses a request that passed them for its syntax.

use core::fmt;

/// The longest absolute path (xs_wire.h, XENSTORE_ABS_PATH_MAX).
pub const ABSOLUTE_PATH_BYTES_MAX: usize = 3072;

/// The longest relative path (xs_wire.h, XENSTORE_REL_PATH_MAX).
pub const RELATIVE_PATH_BYTES_MAX: usize = 2048;

/// The longest token. An event carries a path, a NUL, the token and a NUL; the daemon silently
/// drops an event that exceeds the longest payload.
pub const TOKEN_BYTES_MAX: usize = crate::wire::PAYLOAD_BYTES_MAX - ABSOLUTE_PATH_BYTES_MAX - 2;

/// Why a path is invalid. The caller is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PathError {
    /// The path is empty.
    Empty,
    /// The path exceeds the limit for its kind.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A byte other than an ASCII letter, a digit, `-`, `/`, `_` or `@`.
    Character {
        /// Offset of the first such byte.
        at: usize,
    },
    /// Two slashes in a row.
    DoubleSlash {
        /// Offset of the second slash.
        at: usize,
    },
    /// The path ends with a slash and is not the root. Some daemons crashed on it (XSA-481).
    TrailingSlash,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathError::Empty => f.write_str("the path is empty"),
            PathError::TooLong { bytes, limit } => {
                write!(f, "the path has {bytes} bytes, at most {limit} are allowed")
            }
            PathError::Character { at } => {
                write!(f, "byte {at} of the path is not an allowed character")
            }
            PathError::DoubleSlash { at } => write!(f, "byte {at} of the path repeats a slash"),
            PathError::TrailingSlash => f.write_str("the path ends with a slash"),
        }
    }
}

impl core::error::Error for PathError {}

/// Why a token is invalid. The caller is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TokenError {
    /// A NUL would end the token on the wire.
    Nul {
        /// Offset of the NUL.
        at: usize,
    },
    /// More than [`TOKEN_BYTES_MAX`] bytes.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::Nul { at } => write!(f, "byte {at} of the token is NUL"),
            TokenError::TooLong { bytes } => {
                write!(f, "the token has {bytes} bytes, at most {TOKEN_BYTES_MAX} are allowed")
            }
        }
    }
}

impl core::error::Error for TokenError {}

/// Checks the syntax of a path (docs/misc/xenstore.txt: characters, slashes, lengths). A special
/// path such as `@releaseDomain` passes as a relative path.
///
/// ```
/// use xenbus::path::{PathError, check_path};
/// assert_eq!(check_path("data/tether/3/disk-0"), Ok(()));
/// assert_eq!(check_path("/local/domain/"), Err(PathError::TrailingSlash));
/// ```
///
/// # Errors
/// [`PathError`]: the first violation found.
pub fn check_path(path: &str) -> Result<(), PathError> {
    let bytes = path.as_bytes();
    let limit = match bytes.first() {
        None => return Err(PathError::Empty),
        Some(b'/') => ABSOLUTE_PATH_BYTES_MAX,
        Some(_) => RELATIVE_PATH_BYTES_MAX,
    };
    if bytes.len() > limit {
        return Err(PathError::TooLong { bytes: bytes.len(), limit });
    }
    let mut previous = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'/' | b'_' | b'@') {
            return Err(PathError::Character { at });
        }
        if byte == b'/' && previous == b'/' {
            return Err(PathError::DoubleSlash { at });
        }
        previous = byte;
    }
    if previous == b'/' && bytes.len() > 1 {
        return Err(PathError::TrailingSlash);
    }
    Ok(())
}

/// Checks the syntax of a watch's token.
///
/// # Errors
/// [`TokenError`]: the first violation found.
pub fn check_token(token: &str) -> Result<(), TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::TooLong { bytes: token.len() });
    }
    match token.bytes().position(|byte| byte == 0) {
        Some(at) => Err(TokenError::Nul { at }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn paths_of_every_permitted_kind_pass() {
        for path in ["/", "a", "/local/domain/3", "data/x-y_z@0", "@releaseDomain/7"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn each_malformed_path_is_refused_for_its_own_reason() {
        assert_eq!(check_path(""), Err(PathError::Empty));
        assert_eq!(check_path("a/"), Err(PathError::TrailingSlash));
        assert_eq!(check_path("a//b"), Err(PathError::DoubleSlash { at: 2 }));
        assert_eq!(check_path("//"), Err(PathError::DoubleSlash { at: 1 }));
        assert_eq!(check_path("a b"), Err(PathError::Character { at: 1 }));
        assert_eq!(check_path("a\0"), Err(PathError::Character { at: 1 }));
        assert_eq!(check_path("\u{e9}"), Err(PathError::Character { at: 0 }));
    }

    #[test]
    fn the_longest_paths_pass_and_one_byte_more_does_not() {
        let relative: String = core::iter::repeat_n('a', RELATIVE_PATH_BYTES_MAX).collect();
        assert_eq!(check_path(&relative), Ok(()));
        let bytes = RELATIVE_PATH_BYTES_MAX + 1;
        let limit = RELATIVE_PATH_BYTES_MAX;
        assert_eq!(check_path(&(relative + "a")), Err(PathError::TooLong { bytes, limit }));
        let tail: String = core::iter::repeat_n('a', ABSOLUTE_PATH_BYTES_MAX - 1).collect();
        let absolute = String::from("/") + &tail;
        assert_eq!(check_path(&absolute), Ok(()));
        let bytes = ABSOLUTE_PATH_BYTES_MAX + 1;
        let limit = ABSOLUTE_PATH_BYTES_MAX;
        assert_eq!(check_path(&(absolute + "a")), Err(PathError::TooLong { bytes, limit }));
    }

    #[test]
    fn a_token_with_a_nul_or_too_many_bytes_is_refused() {
        assert_eq!(check_token("t"), Ok(()));
        assert_eq!(check_token(""), Ok(()));
        assert_eq!(check_token("a\0"), Err(TokenError::Nul { at: 1 }));
        let longest: String = core::iter::repeat_n('t', TOKEN_BYTES_MAX).collect();
        assert_eq!(check_token(&longest), Ok(()));
        let bytes = TOKEN_BYTES_MAX + 1;
        assert_eq!(check_token(&(longest + "t")), Err(TokenError::TooLong { bytes }));
    }
}
