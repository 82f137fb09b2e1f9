//! Helpers to build text in a byte array, and decimal numbers, for paths, messages and registers.
//! They replace `core::fmt`, which would add kilobytes to an image.

/// Appends `part` after the first `length` bytes of `out`.
///
/// # Panics
/// If `part` does not fit: callers size the buffer.
#[inline(never)] // Keeps a single copy in an image.
pub(crate) fn append(out: &mut [u8], length: &mut usize, part: &[u8]) {
    let end = *length + part.len();
    out[*length..end].copy_from_slice(part);
    *length = end;
}

/// Appends a decimal number.
pub(crate) fn append_decimal(out: &mut [u8], length: &mut usize, value: u32) {
    append(out, length, decimal(value, &mut [0; 10]));
}

/// Writes `value` in decimal to the end of `digits`, and returns the digits used.
fn decimal(value: u32, digits: &mut [u8]) -> &[u8] {
    let mut start = digits.len();
    let mut rest = value;
    loop {
        assert!(start > 0, "the buffer is too short for the value");
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return &digits[start..];
        }
    }
}

/// Parses a decimal number: 1 to 10 digits, no sign, no leading zero, at most `u32::MAX`. Each
/// number has exactly one form.
pub(crate) fn parse_decimal(digits: &[u8]) -> Option<u32> {
    match digits {
        [] => return None,
        [b'0'] => return Some(0),
        [b'0', ..] => return None,
        _ => {}
    }
    let mut value: u32 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u32::from(digit - b'0'))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::{append_decimal, parse_decimal};

    #[test]
    fn numbers_have_one_form() {
        for value in [0, 7, 10, 65_535, u32::MAX] {
            let (mut text, mut length) = ([0; 10], 0);
            append_decimal(&mut text, &mut length, value);
            assert_eq!(parse_decimal(&text[..length]), Some(value));
        }
        for bad in [&b""[..], b"01", b"-1", b"+1", b"1 ", b"4294967296", b"99999999999"] {
            assert_eq!(parse_decimal(bad), None);
        }
    }
}
