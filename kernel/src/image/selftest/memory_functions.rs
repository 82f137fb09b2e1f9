//! The memory functions that compiled code calls: copy, overlapping moves both ways, fill, compare.
//!
//! Every length from none to a few words, at every alignment, because each has its own path.

use core::hint::black_box;

use super::failed::Failed;
use crate::image::machine::Machine;

/// Longest range tried: four words and a bit.
const LENGTH_MAX: usize = 37;
/// Farthest shift of an overlapping move.
const SHIFT_MAX: usize = 9;
const BYTES: usize = LENGTH_MAX + 2 * SHIFT_MAX;

pub(super) fn run(_: &mut Machine) -> Result<(), Failed> {
    for length in 0..=LENGTH_MAX {
        for shift in 0..=SHIFT_MAX {
            if let Some(what) = wrong(length, shift) {
                return Err(Failed::found(what, &format_args!("length {length} shift {shift}")));
            }
        }
    }
    Ok(())
}

/// What does not do as it should with `length` bytes, `shift` bytes from an aligned place.
fn wrong(length: usize, shift: usize) -> Option<&'static str> {
    let source: [u8; BYTES] = core::array::from_fn(|index| index as u8 ^ 0xa5);
    let here = shift..shift + length;
    let mut bytes = black_box(source);
    bytes.copy_within(here.clone(), SHIFT_MAX);
    if !moved(&source, &bytes, shift, SHIFT_MAX, length) {
        return Some("move-up");
    }
    bytes = black_box(source);
    bytes.copy_within(SHIFT_MAX..SHIFT_MAX + length, shift);
    if !moved(&source, &bytes, SHIFT_MAX, shift, length) {
        return Some("move-down");
    }
    bytes = black_box(source);
    bytes[here.clone()].fill(0x5a);
    let expected = |i: usize| if here.contains(&i) { 0x5a } else { source[i] };
    if bytes.iter().enumerate().any(|(i, &byte)| byte != expected(i)) {
        return Some("fill");
    }
    // A byte changed inside the range must be seen, one behind it must not.
    bytes = black_box(source);
    bytes[here.end] ^= 1;
    if black_box(&source[here.clone()]) != black_box(&bytes[here.clone()]) {
        return Some("compare-equal");
    }
    if length > 0 {
        bytes[here.end - 1] ^= 0x80;
        if black_box(&source[here.clone()]) == black_box(&bytes[here]) {
            return Some("compare-different");
        }
    }
    None
}

/// Is `after` what moving `length` bytes from `from` to `to` makes of `before`? Byte by byte, so
/// that none of the tested functions is the judge.
fn moved(before: &[u8; BYTES], after: &[u8; BYTES], from: usize, to: usize, length: usize) -> bool {
    (0..BYTES).all(|i| {
        let expected =
            if (to..to + length).contains(&i) { before[i - to + from] } else { before[i] };
        black_box(after[i]) == expected
    })
}
