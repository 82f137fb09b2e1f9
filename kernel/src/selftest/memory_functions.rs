//! The memory functions that compiled code calls: copy, overlapping moves both ways, fill, compare.
//!
//! Every length from none to a few words, at every alignment, because each has its own path.

use core::hint::black_box;

use super::failed::Failed;
use crate::machine::Machine;

/// Longest range tried: four words and a bit.
const LENGTH_MAX: usize = 37;
/// Farthest shift of an overlapping move.
const SHIFT_MAX: usize = 9;
const BYTES: usize = LENGTH_MAX + 2 * SHIFT_MAX;

pub(super) fn run(_: &mut Machine) -> Result<(), Failed> {
    let source: [u8; BYTES] = core::array::from_fn(|index| index as u8 ^ 0xa5);
    for length in 0..=LENGTH_MAX {
        for shift in 0..=SHIFT_MAX {
            let wrong = |what| Failed::found(what, &format_args!("length {length} shift {shift}"));
            let mut bytes = black_box(source);
            bytes.copy_within(shift..shift + length, SHIFT_MAX);
            if !moved(&source, &bytes, shift, SHIFT_MAX, length) {
                return Err(wrong("move-up"));
            }
            let mut bytes = black_box(source);
            bytes.copy_within(SHIFT_MAX..SHIFT_MAX + length, shift);
            if !moved(&source, &bytes, SHIFT_MAX, shift, length) {
                return Err(wrong("move-down"));
            }
            let mut bytes = black_box(source);
            bytes[shift..shift + length].fill(0x5a);
            let filled = |i: usize| (shift..shift + length).contains(&i);
            if bytes.iter().enumerate().any(|(i, &b)| b != if filled(i) { 0x5a } else { source[i] })
            {
                return Err(wrong("fill"));
            }
            // A byte changed inside the range must be seen, one behind it must not.
            let mut other = black_box(source);
            other[shift + length] ^= 1;
            if black_box(&source[shift..shift + length]) != black_box(&other[shift..shift + length])
            {
                return Err(wrong("compare-equal"));
            }
            if length > 0 {
                other[shift + length - 1] ^= 0x80;
                let (left, right) = (&source[shift..shift + length], &other[shift..shift + length]);
                if black_box(left) == black_box(right) {
                    return Err(wrong("compare-different"));
                }
            }
        }
    }
    Ok(())
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
