//! What a case comes to: a note where it held, and where it did not, at which step, what was
//! expected and what was got. The functions here compare the two and make the words.

use alloc::string::String;
use core::fmt::{self, Write};

use xenbus::blocking::StoreError;
use xenbus::{Cause, Errno, Refusal};

/// A value in the output: without blanks, and not longer than [`TEXT_CHARACTERS_MAX`].
pub(crate) type Text = String;

/// What is longer was sent by a daemon; its beginning is enough to know it by.
const TEXT_CHARACTERS_MAX: usize = 64;

/// What a case came to.
pub(crate) type Outcome = Result<Text, Wrong>;

/// What did not hold.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// What was done.
    pub(crate) step: &'static str,
    /// What should have come of it.
    pub(crate) expected: Text,
    /// What came of it.
    pub(crate) got: Text,
}

/// Anything printable as text. Not `format!`: as the toolchain ships it, it wants to unwind.
pub(crate) fn text(what: impl fmt::Display) -> Text {
    let mut text = Text::new();
    // Fails only where a `Display` does, and then what it wrote is all there is.
    let _ = write!(text, "{what}");
    text
}

/// Anything printable as a value in the output.
pub(crate) fn words(what: impl fmt::Display) -> Text {
    let visible = |character: char| if character.is_ascii_graphic() { character } else { '-' };
    text(what).chars().map(visible).take(TEXT_CHARACTERS_MAX).collect()
}

/// The case held, and there is nothing to remark.
pub(crate) fn held() -> Outcome {
    Ok(Text::new())
}

/// The case held; what the daemon's own way was.
pub(crate) fn noted(what: impl fmt::Display) -> Outcome {
    Ok(words(what))
}

/// Something else came than was expected.
pub(crate) fn wrong(
    step: &'static str,
    expected: impl fmt::Display,
    got: impl fmt::Display,
) -> Wrong {
    Wrong { step, expected: words(expected), got: words(got) }
}

/// The name of an error: what the daemon called it, or what xenbus did.
pub(crate) fn name(error: &StoreError) -> Text {
    match error {
        StoreError::Refused(refusal) => words(refusal.name()),
        other => words(other),
    }
}

/// It must have worked.
pub(crate) fn ok<T>(step: &'static str, result: Result<T, StoreError>) -> Result<T, Wrong> {
    result.map_err(|error| wrong(step, "OK", name(&error)))
}

/// It must have been refused, under this very name.
pub(crate) fn refused<T>(
    step: &'static str,
    result: Result<T, StoreError>,
    expected: Errno,
) -> Result<(), Wrong> {
    match result {
        Err(StoreError::Refused(Refusal::Errno(got))) if got == expected => Ok(()),
        Err(error) => Err(wrong(step, expected, name(&error))),
        Ok(_) => Err(wrong(step, expected, "OK")),
    }
}

/// It must have been refused for this cause, under whatever name, which is returned.
pub(crate) fn refused_for<T>(
    step: &'static str,
    result: Result<T, StoreError>,
    expected: Cause,
) -> Result<Text, Wrong> {
    match result {
        Err(error @ StoreError::Refused(_)) if error.cause() == expected => Ok(name(&error)),
        Err(error) => Err(wrong(step, expected, name(&error))),
        Ok(_) => Err(wrong(step, expected, "OK")),
    }
}

/// Both must be equal.
pub(crate) fn equal<T: PartialEq + fmt::Display>(
    step: &'static str,
    got: T,
    expected: T,
) -> Result<(), Wrong> {
    if got == expected { Ok(()) } else { Err(wrong(step, expected, got)) }
}

/// Both must be the same bytes.
pub(crate) fn same(step: &'static str, got: &[u8], expected: &[u8]) -> Result<(), Wrong> {
    if got == expected {
        return Ok(());
    }
    if got.len() != expected.len() {
        let (expected, got) = (expected.len(), got.len());
        return Err(wrong(step, format_args!("{expected} bytes"), format_args!("{got} bytes")));
    }
    let at = got.iter().zip(expected).position(|(got, expected)| got != expected).unwrap_or(0);
    let (expected, got) = (expected[at], got[at]);
    Err(wrong(step, format_args!("{expected:#x} at {at}"), format_args!("{got:#x} at {at}")))
}

/// There must be one; what there was not is `expected`.
pub(crate) fn some<T>(
    step: &'static str,
    expected: &'static str,
    got: Option<T>,
) -> Result<T, Wrong> {
    got.ok_or_else(|| wrong(step, expected, "nothing"))
}
